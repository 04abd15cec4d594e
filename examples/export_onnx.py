"""
Title: Pose estimation with onnxruntime
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: Run an exported network in onnxruntime and decode its maps.
Accelerator: None
"""

"""
## Introduction

Export a network, then run it on a photograph:

```
keras-openpose export network.onnx --size 368 432
KERAS_BACKEND=numpy python examples/export_onnx.py network.onnx photo.jpg people.jpg
```

With `KERAS_BACKEND=numpy`, TensorFlow is not loaded.
"""

import sys

import cv2
import keras_openpose as ko
import numpy as np
import onnxruntime

network, photo, output = sys.argv[1:]

"""
## The network

An exported network has one input, `images`, and two outputs, `heatmaps` and `pafs`.
"""

session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
_, height, width, _ = session.get_inputs()[0].shape

"""
## The photograph

The photograph keeps its aspect and lies at the top left of the input. The rest is black.
"""

image = ko.read_image(photo)
scale = min(height / image.shape[0], width / image.shape[1])
fitted_size = round(scale * image.shape[1]), round(scale * image.shape[0])
fitted = cv2.resize(image, fitted_size, interpolation=cv2.INTER_AREA)

canvas = np.zeros((1, height, width, 3), np.float32)
canvas[0, : fitted.shape[0], : fitted.shape[1]] = fitted

"""
## Decoding

`decode_poses` finds the people in pixels of the input. (0, 0) is the center of the first pixel, so scaling
back to the photograph moves by half a pixel before and after.
"""

heatmaps, pafs = session.run(["heatmaps", "pafs"], {"images": canvas})
poses = ko.decode_poses(heatmaps[0], pafs[0])

back = np.divide(image.shape[1::-1], fitted_size)
poses.keypoints[:] = (poses.keypoints + 0.5) * back - 0.5

ko.write_image(output, ko.draw_poses(image, poses))
print(f"{len(poses)} people")
