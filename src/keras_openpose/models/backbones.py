"""Feature extractors of stride 8: named ones from keras.applications, and anybody's own."""

from typing import NamedTuple

import keras
import numpy as np

from keras_openpose.models.efficientnet_lite import efficientnet_lite0, load_efficientnet_lite0_weights

# Mean and standard deviation of ImageNet, RGB (torchvision); the mean is Caffe's too.
_MEAN, _STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
_CAFFE_MEAN = np.array([123.68, 116.779, 103.939])  # keras.applications.imagenet_utils, mode "caffe"


class _Normalization(NamedTuple):
    """RGB pixels x from 0 to 255 become (x - mean) / std; with `bgr`, the channels are then reversed."""

    mean: np.ndarray
    std: np.ndarray
    bgr: bool = False


# CMU OpenPose, caffe_train, cpm_data_transformer.cpp: x / 256 - 0.5.
_CMU = _Normalization(np.full(3, 128.0), np.full(3, 256.0))
_IMAGENET = _Normalization(_MEAN, _STD)
_CAFFE = _Normalization(_CAFFE_MEAN, np.ones(3), bgr=True)
_SYMMETRIC = _Normalization(np.full(3, 127.5), np.full(3, 127.5))


class _Row(NamedTuple):
    application: str  # in keras.applications
    first: str  # its first layer with weights, or the padding before
    level: str  # the layer whose output is taken, of stride 8
    normalization: _Normalization  # of our network, whatever its weights
    trained: _Normalization  # of the ImageNet weights; folded into the first kernel on loading


# Where padding comes first, zero must mean the same before and after folding, or the border differs
# from the network that the weights were trained in: so resnet50 subtracts Caffe's mean. The VGG
# networks keep CMU's normalization, which the published OpenPose weights need.
_BACKBONES = {
    "efficientnet_b0": _Row(
        "EfficientNetB0", "stem_conv_pad", "block4a_expand_activation", _IMAGENET, _IMAGENET
    ),
    "mobilenet": _Row("MobileNet", "conv1", "conv_pw_5_relu", _SYMMETRIC, _SYMMETRIC),
    "mobilenet_v2": _Row("MobileNetV2", "Conv1", "block_6_expand_relu", _SYMMETRIC, _SYMMETRIC),
    "resnet50": _Row(
        "ResNet50", "conv1_pad", "conv3_block4_out", _Normalization(_CAFFE_MEAN, np.full(3, 64.0)), _CAFFE
    ),
    "vgg16": _Row("VGG16", "block1_conv1", "block4_conv2", _CMU, _CAFFE),
    "vgg19": _Row("VGG19", "block1_conv1", "block4_conv2", _CMU, _CAFFE),
}


# Beside those of keras.applications.
_LITE = "efficientnet_lite0"


def list_backbones() -> list[str]:
    """Names that `openpose` takes as its backbone.

    Returns:
        The names, sorted.

    Example:
        ```python
        from keras_openpose import list_backbones

        assert "vgg19" in list_backbones()
        ```
    """
    return sorted([*_BACKBONES, _LITE])


def apply_backbone(backbone: str | keras.Model, images):
    """Features of stride 8 of an image tensor of RGB from 0 to 255.

    Args:
        backbone: name, or a model with a level of stride 8; see `openpose`.
        images: `(batch, height, width, 3)`, symbolic.

    Returns:
        `(batch, height / 8, width / 8, channels)`.

    Raises:
        ValueError: the name is unknown, or the model has no level of stride 8.
    """
    if isinstance(backbone, keras.Model):
        return _stride_8(backbone)(images)
    if backbone == _LITE:
        return efficientnet_lite0(images)[8]
    if backbone not in _BACKBONES:
        raise ValueError(
            f"`backbone` must be one of: {', '.join(list_backbones())}; or a keras.Model with features of "
            f"stride 8. Received: {backbone!r}."
        )
    row = _BACKBONES[backbone]
    # In floats that bfloat16 has, too, and in float32 under any policy.
    scale, offset = 1 / row.normalization.std, -row.normalization.mean / row.normalization.std
    x = keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="normalization", dtype="float32")(images)
    application = getattr(keras.applications, row.application)
    network = application(include_top=False, weights=None, input_shape=(None, None, 3))
    # The layers join the caller's model, under their own names. They are made anew: `layer.output` of the
    # old ones belongs to `network`, their first graph.
    anew = {id(network.get_layer(row.first).input): x}
    for layer in network.layers[1:]:  # each after those whose output it takes
        inputs = keras.tree.flatten(layer.input)
        if all(id(tensor) in anew for tensor in inputs):
            fresh = type(layer).from_config(layer.get_config())
            inputs = [anew[id(tensor)] for tensor in inputs]
            anew[id(layer.output)] = fresh(keras.tree.pack_sequence_as(layer.input, inputs))
    return anew[id(network.get_layer(row.level).output)]


def load_imagenet_weights(model: keras.Model, backbone: str):
    """Give a model's named backbone weights that were trained on ImageNet.

    Those of keras.applications were trained under another normalization: it is folded into the first
    kernel and bias. With the VGG networks that is exact but for the outermost pixel, where zero padding
    means gray here and the mean color there.

    Args:
        model: a model that `apply_backbone` took part in.
        backbone: its name.

    Raises:
        ValueError: the backbone has no name, so no ImageNet weights are known for it.
        OSError: the weights could not be downloaded, or the package that has them is not installed.
    """
    if backbone == _LITE:
        load_efficientnet_lite0_weights(model)
        return
    if backbone not in _BACKBONES:
        raise ValueError(
            f"`weights='imagenet'` needs a backbone by name, one of: {', '.join(list_backbones())}. A model "
            f"handed in brings its own weights. Received: {backbone!r}."
        )
    row = _BACKBONES[backbone]
    try:
        application = getattr(keras.applications, row.application)
        network = application(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise OSError(
            f"The ImageNet weights of {backbone} could not be had: {error}. Without a connection, put the "
            "file that the address names into the folder `models` of Keras's cache (~/.keras)."
        ) from error
    trained = keras.Model(network.get_layer(row.first).input, network.get_layer(row.level).output)
    layers = [layer for layer in trained.layers if layer.weights]
    for layer in layers:
        weights = layer.get_weights()
        model.get_layer(layer.name).set_weights(_fold(weights, row) if layer is layers[0] else weights)


def _fold(weights: list[np.ndarray], row: _Row) -> list[np.ndarray]:
    """First kernel and bias for our normalization, from those for the normalization of the training."""
    kernel, bias = weights[0], weights[1] if len(weights) > 1 else None
    trained, ours = row.trained, row.normalization
    if trained.bgr:
        kernel = kernel[:, :, ::-1]
    # (x - trained.mean) / trained.std = ours * scale + shift
    scale, shift = ours.std / trained.std, (ours.mean - trained.mean) / trained.std
    folded = [kernel * scale[:, None]]
    if bias is not None:
        folded.append(bias + np.tensordot(kernel.sum(axis=(0, 1)), shift, axes=(0, 0)))
    return folded


def _stride_8(backbone: keras.Model) -> keras.Model:
    """The part of a model up to its features of stride 8."""
    if hasattr(backbone, "pyramid_outputs"):  # KerasHub
        levels = dict(backbone.pyramid_outputs)
    elif hasattr(backbone, "pyramid_level_inputs"):  # KerasCV
        levels = {key: backbone.get_layer(name).output for key, name in backbone.pyramid_level_inputs.items()}
    else:
        levels = None
    if levels is not None:
        if "P3" not in levels:
            raise ValueError(
                f"The backbone {backbone.name!r} must have a level P3, of stride 8. It has: {sorted(levels)}."
            )
        return keras.Model(backbone.inputs, levels["P3"], name=backbone.name)
    if len(backbone.inputs) != 1 or backbone.inputs[0].shape[-1] != 3:
        raise ValueError(
            f"The backbone {backbone.name!r} must take one RGB image. It takes: {backbone.inputs}."
        )
    outputs = {}

    def note(operation, *args, **kwargs):
        outputs[id(operation)] = operation(*args, **kwargs)
        return outputs[id(operation)]

    # The same layers are called once more, to see what each gives in this graph: `layer.output` belongs to
    # the first graph that called the layer, which may be another.
    graph = keras.models.clone_model(
        keras.Model(backbone.inputs, backbone.outputs), clone_function=lambda layer: layer, call_function=note
    )
    tensors = [outputs[id(operation)] for operation in graph.operations if id(operation) in outputs]
    tensors = keras.tree.flatten(tensors)
    height, width = (side or 256 for side in backbone.inputs[0].shape[1:3])
    shapes = keras.Model(graph.inputs, tensors).compute_output_shape((1, height, width, 3))
    found = [
        tensor
        for tensor, shape in zip(tensors, shapes, strict=True)
        if len(shape) == 4 and shape[1:3] == (height // 8, width // 8)
    ]
    if not found:
        raise ValueError(
            f"The backbone {backbone.name!r} must have features of stride 8: (batch, height / 8, width / 8, "
            f"channels). Its output is {backbone.output_shape}, and no layer has that stride."
        )
    return keras.Model(graph.inputs, found[-1], name=backbone.name)
