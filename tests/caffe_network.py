"""CMU's networks as Caffe files with random weights: a prototxt and a caffemodel, which OpenCV can run.

Layers and names: prototxt files of CMU OpenPose, folder models.
"""

import contextlib

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

    def read(self, folder):
        """The network as OpenCV reads it from its two files, which stay in `folder`."""
        (folder / "net.prototxt").write_text("".join(self.text))
        (folder / "net.caffemodel").write_bytes(caffemodel(self.weights))
        return cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))

    def run(self, folder, images, blobs):
        """OpenCV's results for RGB images from 0 to 255, as CMU feeds them: `{blob: (batch, h, w, c)}`."""
        net = self.read(folder)
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


def body_25(keypoints=25, limbs=26, seed=0):
    """pose_deploy.prototxt of the folder body_25."""
    network = CaffeNetwork(seed)
    x = vgg(network, 2, 2, 4, 1)
    x = network.conv(x, "conv4_2", 512, 3, active="prelu4_2")
    x = network.conv(x, "conv4_3_CPM", 256, 3, active="prelu4_3_CPM")
    features = network.conv(x, "conv4_4_CPM", 128, 3, active="prelu4_4_CPM")

    def stage(x, name, channels, width, last):
        for block in range(1, 6):
            parts = []
            for n in range(3):
                x = network.conv(x, f"Mconv{block}_{name}_{n}", width, 3, active=f"Mprelu{block}_{name}_{n}")
                parts.append(x)
            x = network.concat(f"Mconv{block}_{name}_concat", parts)
        x = network.conv(x, f"Mconv6_{name}", last, 1, active=f"Mprelu6_{name}")
        return network.conv(x, f"Mconv7_{name}", channels, 1, active=None)

    pafs = stage(features, "stage0_L2", 2 * limbs, 96, 256)
    for n in (1, 2, 3):
        x = network.concat(f"concat_stage{n}_L2", [features, pafs])
        pafs = stage(x, f"stage{n}_L2", 2 * limbs, 128, 512)
    x = network.concat("concat_stage0_L1", [features, pafs])
    heatmaps = stage(x, "stage0_L1", keypoints + 1, 96, 256)
    x = network.concat("concat_stage1_L1", [features, heatmaps, pafs])
    stage(x, "stage1_L1", keypoints + 1, 128, 512)
    return network


def hand_or_face(keypoints, seed=0):
    """pose_deploy.prototxt of the folders hand and face."""
    network = CaffeNetwork(seed)
    features = network.conv(vgg(network, 2, 2, 4, 4, 2), "conv5_3_CPM", 128, 3)
    x = network.conv(features, "conv6_1_CPM", 512, 1)
    maps = network.conv(x, "conv6_2_CPM", keypoints + 1, 1, active=None)
    for stage in range(2, 7):
        x = network.concat(f"concat_stage{stage}", [maps, features])
        for n in range(1, 6):
            x = network.conv(x, f"Mconv{n}_stage{stage}", 128, 7)
        x = network.conv(x, f"Mconv6_stage{stage}", 128, 1)
        maps = network.conv(x, f"Mconv7_stage{stage}", keypoints + 1, 1, active=None)
    return network


class Published:
    """A published file with random weights, and what OpenCV gets from it.

    Args:
        network: the file's network.
        folder: where to write the file.
        stages: blobs of the stages, by the name of our output.
        sizes: of the images, height and width.
    """

    def __init__(self, network, folder, stages, sizes):
        blobs = [blob for names in stages.values() for blob in names]
        self.weights, self.stages, self.size = network.weights, stages, sizes[0]
        self.expected = {size: network.run(folder, photograph(size), blobs) for size in sizes}
        self.file = folder / "net.caffemodel"

    def largest_difference(self, model, size=None):
        """Of any stage of either output, in parts of the largest value of that stage."""
        size = size or self.size
        maps, differences = model(photograph(size)), []
        for name, blobs in self.stages.items():
            for stage in range(maps[name].shape[1]):
                expected = self.expected[size][blobs[stage]]
                difference = np.abs(np.asarray(maps[name])[:, stage] - expected).max()
                differences.append(difference / np.abs(expected).max())
        return max(differences)


def photograph(size):
    return np.random.default_rng(0).integers(0, 256, (1, *size, 3)).astype("float32")


@contextlib.contextmanager
def changed(model, name, change):
    """A model with a mistake: the kernel or slopes of a layer went through `change`."""
    layer = model.get_layer(name)
    kept = layer.get_weights()
    layer.set_weights([change(kept[0]), *kept[1:]])
    yield
    layer.set_weights(kept)
