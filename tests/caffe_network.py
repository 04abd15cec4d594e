"""CMU's networks as Caffe files with random weights: a prototxt and a caffemodel, which OpenCV can run.

Layers and names: prototxt files of CMU OpenPose, folder models.
"""

import cv2
import numpy as np


class CaffeNetwork:
    """Layers, drawn one by one, and their weights by `layer.weight` and `layer.bias`."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.text = [
            'input: "image" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'  # reshaped by OpenCV
        ]
        self.weights = {}
        self.channels = {"image": 3}

    def layer(self, name, kind, bottoms, channels, parameters="", top=None):
        bottoms = "".join(f'bottom: "{bottom}" ' for bottom in bottoms)
        top = top or name
        self.text.append(f'layer {{ name: "{name}" type: "{kind}" {bottoms}top: "{top}" {parameters}}}\n')
        self.channels[top] = channels
        return top

    def conv(self, bottom, name, channels, size, *, active="relu"):
        """`active`: what follows, "relu", None, or the name of a PReLU."""
        fan_in = self.channels[bottom] * size**2
        kernel = self.rng.standard_normal((channels, self.channels[bottom], size, size), np.float32)
        self.weights[f"{name}.weight"] = kernel * np.float32(np.sqrt((2 if active else 1) / fan_in))
        self.weights[f"{name}.bias"] = self.rng.uniform(-0.1, 0.1, channels).astype(np.float32)
        parameters = f"num_output: {channels} kernel_size: {size} pad: {size // 2}"
        self.layer(name, "Convolution", [bottom], channels, f"convolution_param {{ {parameters} }} ")
        if active == "relu":
            self.layer(f"{name}_relu", "ReLU", [name], channels, top=name)
        elif active:
            self.weights[f"{active}.weight"] = self.rng.uniform(-0.2, 0.4, channels).astype(np.float32)
            self.layer(active, "PReLU", [name], channels, top=name)
        return name

    def pool(self, bottom, name):
        parameters = "pooling_param { pool: MAX kernel_size: 2 stride: 2 } "
        return self.layer(name, "Pooling", [bottom], self.channels[bottom], parameters)

    def concat(self, name, bottoms):
        return self.layer(name, "Concat", bottoms, sum(self.channels[bottom] for bottom in bottoms))

    def run(self, folder, images, blobs):
        """OpenCV's results for RGB images from 0 to 255, as CMU feeds them: `{blob: (batch, h, w, c)}`."""
        (folder / "net.prototxt").write_text("".join(self.text))
        (folder / "net.caffemodel").write_bytes(caffemodel(self.weights))
        net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
        net.setInput(np.ascontiguousarray((images[..., ::-1] / 256 - 0.5).transpose(0, 3, 1, 2), np.float32))
        return {
            blob: maps.transpose(0, 2, 3, 1) for blob, maps in zip(blobs, net.forward(blobs), strict=True)
        }


def varint(number):
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def message(number, content):
    """A field of a protocol buffer that holds bytes, text or a message."""
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array):
    shape = message(1, b"".join(map(varint, array.shape)))
    return message(7, shape) + message(5, array.astype("<f4").tobytes())


def old_blob(array):
    """A blob of the first generation: always of four sizes."""
    shape = (1,) * (4 - array.ndim) + array.shape
    sizes = b"".join(varint(n << 3) + varint(size) for n, size in enumerate(shape, 1))
    return sizes + message(5, array.astype("<f4").tobytes())


def caffemodel(weights, *, generation=2):
    """The bytes of a NetParameter with these weights, in layers of the first or second generation."""
    layer, name_field, blobs_field, form = {1: (2, 4, 6, old_blob), 2: (100, 1, 7, blob)}[generation]
    layers = {}
    for name, array in weights.items():
        layers.setdefault(name.rpartition(".")[0], []).append(array)
    return message(1, "net") + b"".join(
        message(
            layer, message(name_field, name) + b"".join(message(blobs_field, form(one)) for one in arrays)
        )
        for name, arrays in layers.items()
    )


def vgg(network, *lengths, active="relu"):
    """VGG-19's first convolutions, so many in each block, up to those of stride 8."""
    x = "image"
    for block, (length, channels) in enumerate(zip(lengths, (64, 128, 256, 512, 512), strict=False), 1):
        for n in range(1, length + 1):
            x = network.conv(x, f"conv{block}_{n}", channels, 3)
        if block < 4:
            x = network.pool(x, f"pool{block}_stage1")
    return x


def openpose(keypoints, limbs, seed=0):
    """pose_deploy_linevec.prototxt of the folders coco and mpi."""
    network = CaffeNetwork(seed)
    x = vgg(network, 2, 2, 4, 2)
    x = network.conv(x, "conv4_3_CPM", 256, 3)
    features = network.conv(x, "conv4_4_CPM", 128, 3)
    x = features
    for stage in range(1, 7):
        maps = []
        for branch, channels in (("L1", 2 * limbs), ("L2", keypoints + 1)):
            if stage == 1:
                layers = [(f"conv5_{n}_CPM_{branch}", 128, 3) for n in (1, 2, 3)]
                layers += [(f"conv5_4_CPM_{branch}", 512, 1), (f"conv5_5_CPM_{branch}", channels, 1)]
            else:
                layers = [(f"Mconv{n}_stage{stage}_{branch}", 128, 7) for n in range(1, 6)]
                layers += [(f"Mconv6_stage{stage}_{branch}", 128, 1)]
                layers += [(f"Mconv7_stage{stage}_{branch}", channels, 1)]
            y = x
            for layer in layers[:-1]:
                y = network.conv(y, *layer)
            maps.append(network.conv(y, *layers[-1], active=None))
        x = network.concat(f"concat_stage{stage + 1}", [*maps, features] if stage < 6 else maps[::-1])
    return network
