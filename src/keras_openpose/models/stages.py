"""What the networks here have in common: the size of their images and the form of their outputs."""

from collections.abc import Sequence

from keras import ops

from keras_openpose.skeletons import Skeleton


def check_input_shape(input_shape: Sequence[int | None], *, multiple: int):
    """Refuse an input shape that is not (height, width, 3) in multiples of a number of pixels."""
    fits = len(input_shape) == 3 and input_shape[2] == 3
    if not fits or any(side is not None and (side < 1 or side % multiple) for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must be (height, width, 3), height and width multiples of {multiple} or None. "
            f"Received: {input_shape}."
        )


def check_limbs(skeleton: Skeleton):
    """Refuse a skeleton without limbs, for a network with PAFs."""
    if not skeleton.num_limbs:
        raise ValueError(
            f"`skeleton` must have limbs, along which the network's PAFs run. {skeleton.name} has none; "
            "`hand_openpose` has no PAFs."
        )


def stage_outputs(heatmaps: Sequence, pafs: Sequence = ()) -> dict:
    """Outputs of a network from the maps of its stages: one tensor of each kind, with a stage axis."""
    outputs = {"heatmaps": heatmaps, "pafs": pafs}
    return {name: _stage_axis(maps) for name, maps in outputs.items() if maps}


def _stage_axis(maps):
    # Concatenated rather than stacked: `ops.stack` of two heads under MirroredStrategy on two CPU
    # devices gave wrong updates of the biases.
    return ops.concatenate([ops.expand_dims(one, 1) for one in maps], axis=1)
