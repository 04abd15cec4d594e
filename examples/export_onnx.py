"""Title: People with onnxruntime alone
Description: An exported network in its own runtime; with KERAS_BACKEND=numpy TensorFlow is not loaded.

    keras-openpose export network.onnx --size 368 432
    python examples/export_onnx.py network.onnx photo.jpg people.jpg
"""

import sys

import cv2
import numpy as np
import onnxruntime

import keras_openpose as ko

network, photo, output = sys.argv[1:]
session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
_, height, width, _ = session.get_inputs()[0].shape

# The photograph, aspect kept, in the top left of the size that the network takes.
image = ko.read_image(photo)
scale = min(height / image.shape[0], width / image.shape[1])
fitted_size = round(scale * image.shape[1]), round(scale * image.shape[0])
fitted = cv2.resize(image, fitted_size, interpolation=cv2.INTER_AREA)
canvas = np.zeros((1, height, width, 3), np.float32)
canvas[0, : fitted.shape[0], : fitted.shape[1]] = fitted

heatmaps, pafs = session.run(["heatmaps", "pafs"], {"images": canvas})
poses = ko.decode_poses(heatmaps[0], pafs[0])
back = np.divide(image.shape[1::-1], fitted_size)
poses.keypoints[:] = (poses.keypoints + 0.5) * back - 0.5  # in pixels of the photograph
ko.write_image(output, ko.draw_poses(image, poses))
assert "keras" not in sys.modules
print(f"{len(poses)} people")
