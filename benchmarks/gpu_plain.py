"""The networks of the package in plain PyTorch, made from their Keras graphs: what `gpu.py` compares with.

Modules of `torch.nn`, channels first (`gpu_contenders.py` lays them out channels last), the same weights, and
each layer in the type that Keras's dtype policy gives it. Padding before a convolution is the convolution's.
"""

import torch
from torch import nn
from torch.nn import functional

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "elu": nn.ELU,
}


class PlainNetwork(nn.Module):
    """A functional Keras model of this package as PyTorch modules.

    Args:
        model: `openpose`, `lightweight_openpose`, `efficientnet_openpose` or one of the same layers.

    Raises:
        KeyError: it has a layer of another kind.
    """

    def __init__(self, model):
        super().__init__()
        numbers = {}  # of tensors of the Keras graph
        self.parts, self.sources, pads = nn.ModuleList(), [], {}
        for operation in model.operations:
            kind, output = type(operation).__name__, id(operation.output)
            if kind == "InputLayer":
                numbers[output] = 0
                continue
            inputs = operation.input if isinstance(operation.input, list) else [operation.input]
            if kind == "ZeroPadding2D":  # left to the layer after it
                numbers[output] = numbers[id(inputs[0])]
                pads[output] = operation.padding[0][0]
                continue
            self.parts.append(PARTS[kind](operation, pads.get(id(inputs[0]), 0)))
            self.sources.append([numbers[id(one)] for one in inputs])
            numbers[output] = len(self.parts)
        self.outputs = {name: numbers[id(maps)] for name, maps in model.output.items()}

    def forward(self, images):
        """`(batch, 3, height, width)` to a dict of `(batch, stages, channels, height / 8, width / 8)`."""
        tensors = [images]
        for part, sources in zip(self.parts, self.sources, strict=True):
            tensors.append(part(*(tensors[source] for source in sources)))
        return {name: tensors[number] for name, number in self.outputs.items()}


def stage_loss(maps: dict, targets: dict, mask) -> torch.Tensor:
    """What `StageLoss` computes, the sum of both kinds; the mask is `(batch, height / 8, width / 8)`."""
    squares = [(maps[name] - targets[name][:, None]).square().sum(2).mean(1) for name in maps]
    return sum((square * mask).mean() for square in squares)


class Convolution(nn.Module):
    """A convolution, ordinary or depthwise, and its activation."""

    def __init__(self, layer, pad):
        super().__init__()
        kernel = torch.as_tensor(layer.get_weights()[0])
        depthwise = type(layer).__name__ == "DepthwiseConv2D"
        kernel = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
        self.kernel = nn.Parameter(kernel.contiguous())
        self.bias = nn.Parameter(torch.as_tensor(layer.get_weights()[1])) if layer.use_bias else None
        self.stride, self.dilation = layer.strides[0], layer.dilation_rate[0]
        self.groups = len(kernel) if depthwise else 1
        self.reach = (kernel.shape[-1] - 1) * self.dilation
        self.same, self.pad = layer.padding == "same", pad
        if self.same and self.stride == 1:
            self.pad = self.reach // 2
        self.dtype = getattr(torch, layer.compute_dtype)
        self.activation = ACTIVATIONS[layer.activation.__name__]()

    def forward(self, x):
        if self.same and self.stride > 1:  # Keras pads the end more
            steps = [(-(-side // self.stride) - 1) * self.stride for side in x.shape[2:]]
            rows, columns = (
                max(step + self.reach + 1 - side, 0) for step, side in zip(steps, x.shape[2:], strict=True)
            )
            x = functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        bias = None if self.bias is None else self.bias.to(self.dtype)
        x = functional.conv2d(
            x.to(self.dtype),
            self.kernel.to(self.dtype),
            bias,
            self.stride,
            self.pad,
            self.dilation,
            self.groups,
        )
        return self.activation(x)


class Scale(nn.Module):
    """`Rescaling`, each channel by its own factor."""

    def __init__(self, layer, pad):
        super().__init__()
        for name in ("scale", "offset"):
            number = torch.tensor(getattr(layer, name), dtype=torch.float32)
            self.register_buffer(name, number.reshape(1, -1, 1, 1))

    def forward(self, x):
        return x * self.scale + self.offset


class Together(nn.Module):
    """Layers of several inputs: side by side, or their sum."""

    def __init__(self, layer, pad):
        super().__init__()
        self.adds, self.dtype = type(layer).__name__ == "Add", getattr(torch, layer.compute_dtype)

    def forward(self, *tensors):
        tensors = [tensor.to(self.dtype) for tensor in tensors]
        return sum(tensors[1:], tensors[0]) if self.adds else torch.cat(tensors, dim=1)


class Stages(nn.Module):
    """`StageMaps`: the maps of all stages side by side."""

    def __init__(self, layer, pad):
        super().__init__()

    def forward(self, *stages):
        return torch.stack(stages, dim=1)


def _norm(layer, pad):
    norm = nn.BatchNorm2d(layer.moving_mean.shape[0], eps=layer.epsilon, momentum=1 - layer.momentum)
    for tensor, array in zip(
        (norm.weight, norm.bias, norm.running_mean, norm.running_var), layer.get_weights(), strict=True
    ):
        tensor.data.copy_(torch.as_tensor(array))
    return norm


def _pool(layer, pad):
    # Pads with −∞ rather than 0: after a ReLU that is the same.
    return nn.MaxPool2d(layer.pool_size, layer.strides, pad)


def _enlarge(layer, pad):
    return nn.Upsample(scale_factor=layer.size, mode=layer.interpolation, align_corners=False)


PARTS = {
    "Activation": lambda layer, pad: ACTIVATIONS[layer.activation.__name__](),
    "Add": Together,
    "BatchNormalization": _norm,
    "Concatenate": Together,
    "Conv2D": Convolution,
    "DepthwiseConv2D": Convolution,
    "MaxPooling2D": _pool,
    "ReLU": lambda layer, pad: nn.ReLU(),
    "Rescaling": Scale,
    "StageMaps": Stages,
    "UpSampling2D": _enlarge,
}
