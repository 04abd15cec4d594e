"""tf-pose's networks as TensorFlow draws them, with values of one's own, in the published form."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Table(NamedTuple):
    stem: int
    # Output channels, expansion and stride of the inverted residual blocks.
    blocks: list[tuple[int, int, int]]
    width: int  # of the stages
    wide: int  # of the convolution that ends the first stage


def _v2(stem, first, fine, middle, coarse, last, **widths):
    blocks = [(first, 1, 1), (fine, 6, 2), (fine, 6, 1), (middle, 6, 2), (middle, 6, 1), (middle, 6, 1)]
    blocks += [(coarse, 6, 2)] + [(coarse, 6, 1)] * 3 + [(last, 6, 1)] * 3
    return Table(stem, blocks, **widths)


TABLES = {
    "v2_small": _v2(16, 8, 16, 16, 32, 48, width=64, wide=256),
    "v2_large": _v2(48, 24, 32, 48, 88, 136, width=128, wide=512),
    "thin": Table(24, [], width=64, wide=256),
}
# Of thin: output channels and stride of the separable convolutions.
THIN = [(48, 1), (96, 2), (96, 1), (192, 2), (192, 1)] + [(384, 1)] * 6
NAMES = {"image": "image:0", "maps": "Openpose/concat_stage7:0"}


class Drawing:
    """Draws the graph; each weight is a constant named as the optimised graphs name it."""

    def __init__(self, values, variant="v2_small", form="normalized"):
        self.values = values  # name and shape of a variable to its value
        self.table = TABLES[variant]
        self.form = form  # "normalized", "folded" into kernel and offset, or "frozen", not optimised
        self.number = itertools.count()

    def weight(self, name, *shape):
        n, value = next(self.number), self.values(name, shape)
        if self.form == "frozen":
            return tf.identity(tf.constant(value, name=name), name=f"{name}/read")
        return tf.constant(value, name=f"{name}/read/_{n}__cf__{n}")

    def backbone_norm(self, x, scope):
        """In training mode: by the statistics of the batch."""
        gamma, beta = (self.weight(f"{scope}/BatchNorm/{name}", x.shape[-1]) for name in ("gamma", "beta"))
        none = tf.constant(np.zeros(0, np.float32), name=f"{scope}/BatchNorm/Const")
        return tf.raw_ops.FusedBatchNorm(
            x=x, scale=gamma, offset=beta, mean=none, variance=none, epsilon=1e-3, is_training=True
        ).y

    def conv(self, x, channels, kernel_size, stride, scope):
        kernel = self.weight(f"{scope}/weights", kernel_size, kernel_size, x.shape[-1], channels)
        return self.backbone_norm(tf.nn.conv2d(x, kernel, stride, "SAME"), scope)

    def depthwise(self, x, kernel_size, stride, scope):
        kernel = self.weight(f"{scope}/depthwise_weights", kernel_size, kernel_size, x.shape[-1], 1)
        return tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "SAME")

    def block(self, x, channels, expansion, stride, scope):
        y = x
        if expansion > 1:
            y = tf.nn.relu6(self.conv(y, expansion * x.shape[-1], 1, 1, f"{scope}/expand"))
        y = self.depthwise(y, 3, stride, f"{scope}/depthwise")
        y = tf.nn.relu6(self.backbone_norm(y, f"{scope}/depthwise"))
        y = self.conv(y, channels, 1, 1, f"{scope}/project")
        return y + x if stride == 1 and channels == x.shape[-1] else y

    def unit(self, x, channels, kernel_size, scope, last=False, stride=1):
        x = self.depthwise(x, kernel_size, stride, f"{scope}_depthwise")
        y = self.normalized_conv(x, channels, 1, 1, f"{scope}_pointwise")
        return y if last else tf.nn.relu(y)

    def normalized_conv(self, x, channels, kernel_size, stride, scope):
        """By the statistics of the training, or with them folded into kernel and offset."""
        shape = (kernel_size, kernel_size, x.shape[-1], channels)
        if self.form == "folded":  # as TensorFlow's fold_old_batch_norms names the offset
            y = tf.nn.conv2d(x, self.weight(f"{scope}/weights", *shape), stride, "SAME")
            offset = self.values(f"{scope}/BatchNorm/beta", (channels,))
            return tf.raw_ops.BiasAdd(value=y, bias=tf.constant(offset, name=f"{scope}/Conv2D_bias_offset"))
        kernel = self.weight(f"{scope}/weights", *shape)
        gamma = tf.constant(1.0, shape=(channels,), name=f"{scope}/BatchNorm/Const")
        beta, mean, variance = (
            self.weight(f"{scope}/BatchNorm/{name}", channels)
            for name in ("beta", "moving_mean", "moving_variance")
        )
        return tf.raw_ops.FusedBatchNorm(
            x=tf.nn.conv2d(x, kernel, stride, "SAME"), scale=gamma, offset=beta, mean=mean, variance=variance,
            epsilon=1e-3, is_training=False,
        ).y  # fmt: skip

    def v2_features(self, image):
        x = tf.nn.relu6(self.conv(image, self.table.stem, 3, 2, "MobilenetV2/Conv"))
        outputs = []
        for n, block in enumerate(self.table.blocks):
            x = self.block(x, *block, f"MobilenetV2/expanded_conv_{n}".removesuffix("_0"))
            outputs.append(x)
        size = tf.shape(outputs[5])[1:3]
        return tf.concat([outputs[5], tf.compat.v1.image.resize_bilinear(x, size)], -1)

    def thin_features(self, image):
        x = tf.nn.relu(self.normalized_conv(image, self.table.stem, 3, 2, "MobilenetV1/Conv2d_0"))
        outputs = {}
        for n, (channels, stride) in enumerate(THIN, 1):
            outputs[n] = x = self.unit(x, channels, 3, f"MobilenetV1/Conv2d_{n}", stride=stride)
        return tf.concat([tf.nn.max_pool2d(outputs[3], 2, 2, "SAME"), outputs[7], outputs[11]], -1)

    def draw(self):
        image = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3), name="image")
        features = self.v2_features(image) if self.table.blocks else self.thin_features(image)
        x = features
        for stage in range(1, 7):
            maps = []
            for branch, channels in ((1, 38), (2, 19)):
                y, wide = x, self.table.wide if stage == 1 else self.table.width
                units = [(self.table.width, 3)] * 3 + [(wide, 1), (channels, 1)]
                for n, (width, kernel_size) in enumerate(units, 1):
                    y = self.unit(y, width, kernel_size, f"Openpose/MConv_Stage{stage}_L{branch}_{n}", n == 5)
                maps.append(y)
            x = tf.concat([*maps, features], -1)
        return tf.concat(maps[::-1], -1, name="Openpose/concat_stage7")


def random_values(seed):
    """Values that keep the maps about as large as those of a trained network."""
    rng = np.random.default_rng(seed)

    def values(name, shape):
        if name.endswith("weights"):
            fan_in = np.prod(shape[:2]) * (1 if "depthwise_weights" in name else shape[2])
            return rng.normal(0, np.sqrt(1.5 / fan_in), shape).astype(np.float32)
        low, high = (0.5, 1.5) if name.endswith(("gamma", "variance")) else (-0.2, 0.2)
        return rng.uniform(low, high, shape).astype(np.float32)

    return values


def published_graph(values, *form) -> tf.compat.v1.GraphDef:
    """The graph, its weights given by name and shape; `form` are the other arguments of `Drawing`."""
    with tf.Graph().as_default() as graph:
        Drawing(values, *form).draw()
    return graph.as_graph_def()


def run_graph(graph: tf.compat.v1.GraphDef):
    """The graph as a function: BGR images in, maps out, as TensorFlow computes them."""
    function = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    run = function.prune(*(function.graph.get_tensor_by_name(name) for name in NAMES.values()))
    return lambda images: run(tf.constant(images, tf.float32)).numpy()


def run_exactly(graph: tf.compat.v1.GraphDef, images) -> np.ndarray:
    """The graph evaluated node by node in float64, which TensorFlow's kernels do not offer for all of it."""
    values = {"image": tf.constant(images, tf.float64)}
    for node in sorted(graph.node, key=lambda node: node.op != "Const"):  # the rest is in order of evaluation
        if node.op in _operations:  # not those that compute the size of the enlargement
            inputs = [values.get(name.removesuffix(":0")) for name in node.input]
            values[node.name] = _operations[node.op](node, *inputs)
    return values["Openpose/concat_stage7"].numpy()


def _batch_norm(node, x, gamma, beta, mean, variance):
    if node.attr["is_training"].b:
        mean, variance = tf.nn.moments(x, (0, 1, 2))
    return (x - mean) / tf.sqrt(variance + node.attr["epsilon"].f) * gamma + beta


def _twice_as_large(node, x, size):
    for axis in (1, 2):  # cell n lies at n / 2 of the source, which goes on beyond its last cell
        length = x.shape[axis]
        after = tf.gather(x, [*range(1, length), length - 1], axis=axis)
        x = tf.reshape(
            tf.stack([x, (x + after) / 2], axis + 1),
            [2 * n if k == axis else n for k, n in enumerate(x.shape)],
        )
    return x


def _constant(node):
    array = tf.make_ndarray(node.attr["value"].tensor)
    return tf.constant(array, tf.float64 if array.dtype == np.float32 else None)


_operations = {
    "Const": _constant,
    "Conv2D": lambda node, x, k: tf.nn.conv2d(x, k, list(node.attr["strides"].list.i), "SAME"),
    "DepthwiseConv2dNative": lambda node, x, k: tf.nn.depthwise_conv2d(
        x, k, list(node.attr["strides"].list.i), "SAME"
    ),
    "FusedBatchNorm": _batch_norm,
    "Relu": lambda node, x: tf.nn.relu(x),
    "Relu6": lambda node, x: tf.nn.relu6(x),
    "Add": lambda node, x, y: x + y,
    "ConcatV2": lambda node, *xs: tf.concat(xs[:-1], -1),
    "ResizeBilinear": _twice_as_large,
}
