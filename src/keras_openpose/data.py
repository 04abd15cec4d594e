"""From labelled photographs to training batches, as a `tf.data.Dataset`."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_openpose.augmentation import (
    Augmentation,
    fit_affine,
    invert,
    jitter_color,
    random_affine,
    transform,
    warp,
)
from keras_openpose.coco import coco_samples
from keras_openpose.geometry import cell_to_pixel
from keras_openpose.masks import draw_mask, pack_regions
from keras_openpose.reading import read_pixels
from keras_openpose.samples import PoseSample, fill_derived, report_problems
from keras_openpose.skeletons import COCO_18, Skeleton
from keras_openpose.targets import draw_heatmaps, draw_pafs

# Who gets training crops of their own (CMU's genJSON.m of 2017): at least this many labelled
# keypoints, or all of a smaller skeleton; at least this area in pixels; the middle of the box not
# within this share of the longer side of the box of someone chosen before. Everyone else is drawn
# wherever a crop shows them.
MIN_KEYPOINTS, MIN_AREA, MIN_DISTANCE = 5, 32**2, 0.3

TRAINING_BORDER = 128  # caffe_train pads with the grey that CMU's normalisation makes 0
VALIDATION_BORDER = 0  # as predict_poses


def coco_dataset(
    images: str | os.PathLike,
    annotations: str | os.PathLike,
    *,
    skeleton: Skeleton = COCO_18,
    on_error: str = "raise",
    **options,
) -> tf.data.Dataset:
    """COCO keypoint labels and photographs as training batches.

    `pose_dataset` describes the batches and the options.

    Args:
        images: folder of the photographs, such as `coco/train2017`.
        annotations: keypoint file, such as `coco/annotations/person_keypoints_train2017.json`.
        skeleton: keypoints and limbs of the network.
        on_error: `"raise"` or `"skip"`; also for faulty labels.
        **options: `input_size`, `batch_size`, `augment` and all others of `pose_dataset`.

    Returns:
        Dataset of `(images, {"heatmaps", "pafs"}, mask)`.

    Raises:
        ValueError: as `pose_dataset`; or the labels do not fit the skeleton, or are faulty: the
            message names file and id.
    """
    samples = coco_samples(images, annotations, skeleton=skeleton, on_error=on_error)
    return pose_dataset(samples, skeleton=skeleton, on_error=on_error, **options)


def pose_dataset(
    samples: Sequence[PoseSample],
    *,
    skeleton: Skeleton = COCO_18,
    input_size: tuple[int, int] = (368, 368),
    stride: int = 8,
    batch_size: int = 4,
    augment: bool | Augmentation = True,
    shuffle: bool | None = None,
    seed: int | None = None,
    shard: tuple[int, int] | None = None,
    repeat: int = 1,
    cache: bool = False,
    drop_remainder: bool = False,
    on_error: str = "raise",
) -> tf.data.Dataset:
    """Labelled photographs as training batches.

    For training (`augment`), every person with enough labelled keypoints gives a crop about them in
    each epoch, scaled, rotated, shifted and mirrored at random; other people in sight are drawn too.
    For validation (`augment=False`), every photograph comes once, fitted into the input as
    `predict_poses` does, without randomness; then `dataset.cache()` saves repeated work.

    Args:
        samples: photographs and their people.
        skeleton: keypoints and limbs of the network.
        input_size: height and width of the images, multiples of `stride`.
        stride: pixels to a cell of the maps.
        batch_size: images in a batch.
        augment: whether to augment as CMU did, or an `Augmentation` of your own.
        shuffle: whether to draw in a new order in every epoch. Defaults to `augment`.
        seed: makes order and augmentation repeatable, epoch by epoch.
        shard: `(index, count)`: only every count-th sample, from index on, for one of count workers.
        repeat: how many epochs one pass makes; −1 is without end.
        cache: whether to read all files now and hold them, as they are, in memory.
        drop_remainder: whether to drop a last batch that is not full.
        on_error: what an unreadable photograph does: `"raise"` stops with its name, `"skip"` leaves it
            out, printing its name and how many there were to standard error.

    Returns:
        Dataset of `(images, targets, mask)`: `uint8` RGB images `(batch, height, width, 3)`; a dict of
        `float32` `"heatmaps"` `(batch, height / stride, width / stride, keypoints + 1)` and `"pafs"`
        `(..., 2 * limbs)`, the latter only if the skeleton has limbs; and the `float32` mask
        `(batch, height / stride, width / stride)`, 0 in ignored regions, which `fit` takes as sample
        weight of both.

    Raises:
        ValueError: an option is outside of its range, a sample does not fit the skeleton, a photograph
            is missing (unless skipped), or there is no one to train on.

    Example:
        ```python
        import numpy as np
        from keras_openpose import PoseSample, Skeleton, pose_dataset

        rod = Skeleton("rod", keypoints=("start", "middle", "end"), limbs=(("start", "end"),))
        photograph = np.zeros((100, 200, 3), "uint8")
        sample = PoseSample(photograph, keypoints=[[(20, 20), (50, 50), (80, 80)]])
        dataset = pose_dataset([sample], skeleton=rod, input_size=(64, 96), batch_size=1)
        images, targets, mask = next(iter(dataset))
        assert images.shape == (1, 64, 96, 3) and mask.shape == (1, 8, 12)
        assert targets["heatmaps"].shape == (1, 8, 12, 4) and targets["pafs"].shape == (1, 8, 12, 2)
        ```
    """
    _check_options(input_size, stride, shard)
    augmentation = Augmentation() if augment is True else augment or None
    samples = _usable(samples, skeleton, on_error)
    table = _tabulate(samples, skeleton, centred=augmentation is not None, cache=cache)

    dataset = tf.data.Dataset.range(len(table.shown))
    if shard:
        index, count = shard
        dataset = dataset.shard(count, index)
    if shuffle if shuffle is not None else augmentation:
        dataset = dataset.shuffle(len(table.shown), seed=seed)
    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    dataset = tf.data.Dataset.zip(dataset.repeat(repeat), draws)

    dataset = _read_all(dataset, table, tuple(input_size), augmentation, on_error)
    draw = partial(
        _draw, table, skeleton=skeleton, size=tuple(input_size), stride=stride, augmentation=augmentation
    )
    dataset = dataset.map(draw, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size, drop_remainder=drop_remainder).prefetch(tf.data.AUTOTUNE)


class _Table(NamedTuple):
    """All that is known of the samples beforehand, for look-up by number."""

    sources: tf.Tensor  # (photographs,) path, or contents of the file
    on_disk: tf.Tensor  # (photographs,) whether it is a path
    names: tf.Tensor  # (photographs,) for messages
    keypoints: tf.RaggedTensor  # (photographs, people, keypoints, 2)
    regions: tf.RaggedTensor  # (photographs, positions), of pack_regions
    shown: tf.Tensor  # (samples,) number of the photograph
    boxes: tf.Tensor  # (samples, 4) box of the person in the middle; not for validation


def _tabulate(samples: Sequence[PoseSample], skeleton: Skeleton, *, centred: bool, cache: bool) -> _Table:
    if centred:
        chosen = [_people_to_centre(sample, skeleton) for sample in samples]
        shown = np.repeat(np.arange(len(samples)), [len(people) for people in chosen])
        boxes = np.concatenate([sample.boxes[people] for sample, people in zip(samples, chosen, strict=True)])
    else:
        shown, boxes = np.arange(len(samples)), np.zeros((0, 4), np.float32)
    if not len(shown):
        raise ValueError(
            f"There must be someone to train on: a person with at least {MIN_KEYPOINTS} labelled keypoints "
            f"and an area of {MIN_AREA} pixels. Received: {len(samples)} sample(s) without."
        )
    keypoints = [fill_derived(sample.keypoints, skeleton) for sample in samples]
    return _Table(
        sources=tf.constant([_source(sample.image, cache) for sample in samples]),
        on_disk=tf.constant([not cache and not isinstance(sample.image, np.ndarray) for sample in samples]),
        names=tf.constant([str(sample) for sample in samples]),
        keypoints=_ragged(keypoints),
        regions=_ragged([pack_regions(sample.ignore) for sample in samples]),
        shown=tf.constant(shown),
        boxes=tf.constant(boxes),
    )


def _ragged(arrays: Sequence[np.ndarray]) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_row_lengths(np.concatenate(arrays), [len(array) for array in arrays])


def _source(image, cache: bool) -> str | bytes:
    if isinstance(image, np.ndarray):
        return tf.io.encode_png(image, compression=1).numpy()
    path = os.fspath(image)
    return tf.io.read_file(path).numpy() if cache else path


def _people_to_centre(sample: PoseSample, skeleton: Skeleton) -> list[int]:
    """CMU's choice of the people who get crops of their own."""
    labelled = np.delete(~np.isnan(sample.keypoints).any(-1), skeleton.derived_indices[:, 0], axis=1)
    enough = labelled.sum(1) >= min(MIN_KEYPOINTS, labelled.shape[1])
    middles, reaches = (
        sample.boxes[:, :2] + sample.boxes[:, 2:] / 2,
        MIN_DISTANCE * sample.boxes[:, 2:].max(1),
    )
    chosen = []
    for person in np.flatnonzero(enough & (sample.areas >= MIN_AREA)):
        distances = np.linalg.norm(middles[chosen] - middles[person], axis=1)
        if (distances >= reaches[chosen]).all():
            chosen.append(person)
    return chosen


def _read_all(dataset, table: _Table, size, augmentation, on_error) -> tf.data.Dataset:
    """Sample numbers and random numbers -> the latter, the photographs' numbers and what `read_pixels` returns."""
    skipped = tf.Variable(0, trainable=False)

    def read(number, draw):
        photograph = tf.gather(table.shown, number)
        if augmentation:
            box = tf.gather(table.boxes, number)
            affine = random_affine([draw, 0], box, size=size, augmentation=augmentation)
            place = lambda _: affine  # noqa: E731
        else:
            place = partial(fit_affine, size=size)
        source, on_disk = tf.gather(table.sources, photograph), tf.gather(table.on_disk, photograph)
        return photograph, draw, *read_pixels(source, on_disk, place=place, size=size)

    def report(number, draw):
        name = tf.gather(table.names, tf.gather(table.shown, number))
        if on_error == "raise":
            tf.debugging.Assert(False, ["Photograph cannot be read:", name])
        else:
            count = skipped.assign_add(1)
            tf.print(
                "Skipped a photograph that cannot be read:",
                name,
                "- so far:",
                count,
                output_stream=sys.stderr,
            )
        return False

    def attempt(*element):  # the `try` of tf.data: the first branch that gives an element
        one = tf.data.Dataset.from_tensors(element)
        return one.map(read).ignore_errors().concatenate(one.filter(report).map(read)).take(1)

    count = dataset.cardinality()
    dataset = dataset.interleave(attempt, cycle_length=os.cpu_count(), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)) if on_error == "raise" else dataset


def _draw(
    table: _Table, photograph, draw, pixels, to_pixels, to_input, *, skeleton, size, stride, augmentation
):
    """The image, its targets and its mask."""
    image = warp(pixels, to_pixels, size=size, border=TRAINING_BORDER if augmentation else VALIDATION_BORDER)
    if augmentation and augmentation.color_jitter:
        image = jitter_color(image, [draw, 1], augmentation.color_jitter)
    keypoints = transform(to_input, table.keypoints[photograph])
    if augmentation:
        mirrored = tf.gather(keypoints, skeleton.flip_keypoints, axis=1)
        keypoints = tf.where(tf.linalg.det(to_input[:, :2]) < 0, mirrored, keypoints)

    cells = (size[0] // stride, size[1] // stride)
    targets = {"heatmaps": draw_heatmaps(keypoints, size=cells, stride=stride)}
    if skeleton.num_limbs:
        targets["pafs"] = draw_pafs(keypoints, skeleton=skeleton, size=cells, stride=stride)
    rows, columns = (cell_to_pixel(index.ravel(), stride) for index in np.indices(cells))
    middles = tf.constant(np.stack([columns, rows], axis=1), tf.float32)
    mask = draw_mask(table.regions[photograph], transform(invert(to_input), middles))
    mask = tf.reshape(mask, cells)
    return image, targets, mask


def _usable(samples: Sequence[PoseSample], skeleton: Skeleton, on_error: str) -> list[PoseSample]:
    problems = {}
    for number, sample in enumerate(samples):
        if sample.keypoints.shape[1] != skeleton.num_keypoints:
            raise ValueError(
                f"Samples must have the {skeleton.num_keypoints} keypoints of skeleton {skeleton.name}. "
                f"Received: {sample.keypoints.shape[1]} for {sample}."
            )
        if isinstance(sample.image, np.ndarray):
            if sample.image.dtype != np.uint8 or sample.image.ndim != 3 or sample.image.shape[-1] != 3:
                raise ValueError(
                    "Image arrays must be `uint8` RGB of shape (height, width, 3). Received: "
                    f"{sample.image.dtype} of shape {sample.image.shape} for sample {number}."
                )
        elif not tf.io.gfile.exists(os.fspath(sample.image)):
            problems[number] = f"Not found: {sample}"
    report_problems(list(problems.values()), on_error)
    return [sample for number, sample in enumerate(samples) if number not in problems]


def _check_options(input_size, stride, shard):
    if any(length <= 0 or length % stride for length in input_size):
        raise ValueError(
            f"`input_size` must be height and width, multiples of the stride {stride}. Received: {input_size}."
        )
    if shard and not 0 <= shard[0] < shard[1]:
        raise ValueError(f"`shard` must be (index, count) with 0 <= index < count. Received: {shard}.")
