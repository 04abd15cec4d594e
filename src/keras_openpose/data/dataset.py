"""From labeled photographs to training batches, as a `tf.data.Dataset`."""

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_openpose.data.augmentation import (
    Augmentation,
    fit,
    fit_affine,
    invert,
    jitter_color,
    random_affines,
    transform,
    warp,
)
from keras_openpose.data.coco import coco_samples
from keras_openpose.data.masks import draw_mask, pack_regions
from keras_openpose.data.reading import find_orientation, plan_reading, read_pixels, read_size
from keras_openpose.data.samples import (
    MIN_AREA,
    PoseSample,
    fewest_keypoints,
    fill_derived,
    people_to_center,
    report_problems,
)
from keras_openpose.data.targets import heatmap_targets, paf_targets
from keras_openpose.geometry import cell_to_pixel
from keras_openpose.skeletons import COCO_18, Skeleton

if keras.backend.backend() != "tensorflow":
    # TensorFlow only loads data then: it must not take the memory of the GPUs that JAX or PyTorch use.
    with contextlib.suppress(RuntimeError):  # after its first operation it is too late
        tf.config.set_visible_devices([], "GPU")

_STRIDE = 8  # pixels per cell of the maps
_BORDER = 128  # of training crops: caffe_train pads with the gray that CMU's normalization makes 0
_CROPS_AT_ONCE = 64  # laid out by one call: TensorFlow's ops cost more per call than per crop


def coco_dataset(
    images: str | os.PathLike | Sequence[str | os.PathLike],
    annotations: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    skeleton: Skeleton = COCO_18,
    on_error: str = "raise",
    **options,
) -> tf.data.Dataset:
    """Make training batches of COCO photographs and keypoint labels.

    `pose_dataset` describes the batches and the options.

    Args:
        images: folder of the photographs, such as `coco/train2017`, or a list of folders. Labels are of
            the photographs turned upright by their EXIF tags, as `read_image` does.
        annotations: keypoint file, such as `coco/annotations/person_keypoints_train2017.json`, or a list
            of files, one for each folder.
        skeleton: keypoints and limbs of the network.
        on_error: `"raise"` or `"skip"`; also for faulty labels.
        **options: `input_size`, `batch_size`, `augment` and all others of `pose_dataset`.

    Returns:
        Dataset of `(images, {"heatmaps", "pafs"}, mask)`.

    Raises:
        ValueError: as in `pose_dataset`; or the labels do not fit the skeleton, or are faulty. The
            message names file and id.

    Example:
        ```python
        from keras_openpose import StageLoss, coco_dataset, openpose

        dataset = coco_dataset(IMAGES, ANNOTATIONS, input_size=(96, 128), batch_size=2)
        model = openpose("mobilenet", num_stages=2)
        model.compile("adam", loss=StageLoss())
        history = model.fit(dataset, steps_per_epoch=1, verbose=0)
        assert history.history["loss"][0] > 0
        ```
    """
    folders, files = (
        [one] if isinstance(one, (str, os.PathLike)) else list(one) for one in (images, annotations)
    )
    if len(folders) != len(files):
        raise ValueError(
            "`images` and `annotations` must be equally many: a label file for each folder. "
            f"Received: {len(folders)} and {len(files)}."
        )
    samples = []
    for folder, file in zip(folders, files, strict=True):
        samples += coco_samples(folder, file, skeleton=skeleton, on_error=on_error)
    return pose_dataset(samples, skeleton=skeleton, on_error=on_error, **options)


def pose_dataset(
    samples: Sequence[PoseSample],
    *,
    skeleton: Skeleton = COCO_18,
    input_size: tuple[int, int] = (368, 368),
    batch_size: int = 4,
    augment: bool | Augmentation = True,
    min_keypoints: int | None = None,
    min_area: float = MIN_AREA,
    shuffle: bool | None = None,
    seed: int | None = None,
    shard: tuple[int, int] | None = None,
    repeat: int = 1,
    cache: bool = False,
    drop_remainder: bool = False,
    on_error: str = "raise",
) -> tf.data.Dataset:
    """Make training batches of labeled photographs.

    For training (`augment`), every person with enough labeled keypoints gives one crop in each epoch. It is
    scaled, rotated, shifted and mirrored at random. Its targets hold all people in sight. For validation
    (`augment=False`), every photograph comes once, fitted into the input as in `predict_poses`, without
    randomness. `dataset.cache()` then saves repeated work.

    Args:
        samples: photographs and their people.
        skeleton: keypoints and limbs of the network.
        input_size: height and width of the images, multiples of 8.
        batch_size: images in a batch.
        augment: whether to augment as CMU did, or an `Augmentation` of your own.
        min_keypoints: people with fewer labeled keypoints get no crop of their own; they are in the crops
            of others. Defaults to 5, or half of the skeleton's keypoints where that is fewer.
        min_area: people who cover fewer square pixels of the photograph get no crop either. Defaults
            to 1,024 (both defaults: CMU's genJSON.m).
        shuffle: whether every epoch has a new order. Defaults to `augment`.
        seed: makes order and augmentation of each epoch repeatable.
        shard: `(index, count)`: every count-th sample from index on, for one of count workers.
        repeat: number of epochs in one pass; −1 repeats forever.
        cache: whether to read all files now and keep them in memory, undecoded.
        drop_remainder: whether to drop the last batch if it is not full.
        on_error: what happens if a photograph cannot be read, or is not of the size that its labels say.
            `"raise"` stops with its name. `"skip"` leaves it out, and prints its name and the number of
            skipped photographs to standard error.

    Returns:
        Dataset of `(images, targets, mask)`. The images are `uint8` RGB, `(batch, height, width, 3)`. The
        targets are a dict of `float32` `"heatmaps"`, `(batch, height / 8, width / 8, keypoints +
        1)`, and, if the skeleton has limbs, `"pafs"`, `(..., 2 * limbs)`. The mask is `float32`,
        `(batch, height / 8, width / 8)`, 0 where the loss is ignored. `fit` takes it as the sample
        weight of both outputs.

    Raises:
        ValueError: an option is out of range, a sample does not fit the skeleton, a photograph is missing
            or of a format that TensorFlow does not read (unless skipped), or there is nobody to train on.

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
    _check_options(input_size, batch_size, repeat, shard)
    augmentation = Augmentation() if augment is True else augment or None
    samples, orientations = _usable(samples, skeleton, on_error)
    chosen = None
    if augmentation:
        fewest = fewest_keypoints(skeleton) if min_keypoints is None else min_keypoints
        chosen = _choose_people(samples, skeleton, min_keypoints=fewest, min_area=min_area)
    table = _tabulate(samples, orientations, skeleton, input_size, chosen, cache)

    dataset = tf.data.Dataset.range(len(table.photographs))
    if shard:
        index, count = shard
        dataset = dataset.shard(count, index)
    shuffle = bool(augment) if shuffle is None else shuffle
    if shuffle:
        dataset = dataset.shuffle(len(table.photographs), seed=seed)
    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    dataset = tf.data.Dataset.zip(dataset.repeat(repeat), draws)
    length = dataset.cardinality()
    if 0 <= length < (batch_size if drop_remainder else 1):
        raise ValueError(
            f"There must be a batch. Received: {length} crop(s) of {len(table.photographs)}, with "
            f"`shard={shard}`, `batch_size={batch_size}` and `drop_remainder={drop_remainder}`."
        )

    aim = partial(_aim, table, size=input_size, augmentation=augmentation)
    draw = partial(_draw, table, skeleton=skeleton, size=input_size, augmentation=augmentation)
    dataset = dataset.batch(_CROPS_AT_ONCE).map(aim, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
    dataset = _read(dataset, table, on_error).map(draw, num_parallel_calls=tf.data.AUTOTUNE)
    if on_error == "raise":  # skips change it
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    dataset = dataset.batch(batch_size, drop_remainder=drop_remainder).prefetch(tf.data.AUTOTUNE)
    dataset.skeleton = skeleton  # `fit` refuses networks of others
    return dataset


class _Table(NamedTuple):
    """Everything that is known before reading, for look-up by number."""

    sources: tf.Tensor  # (photographs,) path, or contents of the file
    on_disk: tf.Tensor  # (photographs,) whether it is a path
    names: tf.Tensor  # (photographs,) for messages
    sizes: tf.Tensor  # (photographs, 2) height and width, upright
    orientations: tf.Tensor  # (photographs,) of EXIF, 1 to 8
    keypoints: tf.RaggedTensor  # (photographs, people, keypoints, 2)
    regions: tf.RaggedTensor  # (photographs, positions), of pack_regions
    photographs: tf.Tensor  # (samples,) number of the photograph
    boxes: tf.Tensor  # (samples, 4) box of the person in the middle; only for training
    affines: tf.Tensor  # (samples, 2, 3) from photograph to input; only for validation


def _choose_people(samples, skeleton, **least) -> list[list[int]]:
    """The people of each sample who get a crop. Says how many they are, and how many are left out."""
    chosen = [people_to_center(sample, skeleton, **least) for sample in samples]
    people, crops = sum(len(sample.keypoints) for sample in samples), sum(map(len, chosen))
    rule = (
        f"at least {least['min_keypoints']} labeled keypoints (`min_keypoints`), an area of at least "
        f"{least['min_area']:g} pixels (`min_area`), and nobody chosen close by"
    )
    if not crops:
        raise ValueError(
            f"There must be someone to train on, with {rule}. Received: {people} people in {len(samples)} "
            "sample(s), none of them such."
        )
    if crops < people:
        print(f"Training on {crops} of {people} people in {len(samples)} photographs: those with {rule}.")
    return chosen


def _tabulate(samples, orientations, skeleton, size, chosen, cache) -> _Table:
    if chosen is not None:
        photographs = np.repeat(np.arange(len(samples)), [len(people) for people in chosen])
        boxes = [box for sample, people in zip(samples, chosen, strict=True) for box in sample.boxes[people]]
        affines = []
    else:
        photographs, boxes = np.arange(len(samples)), []
        affines = [fit_affine(sample.size, size) for sample in samples]
    if not len(photographs):
        raise ValueError("`samples` must hold at least one.")
    return _Table(
        sources=tf.constant([_source(sample.image, cache) for sample in samples]),
        on_disk=tf.constant([not cache and not isinstance(sample.image, np.ndarray) for sample in samples]),
        names=tf.constant([str(sample) for sample in samples]),
        sizes=tf.constant([sample.size for sample in samples], tf.int32),
        orientations=tf.constant(orientations, tf.int32),
        keypoints=_ragged([fill_derived(sample.keypoints, skeleton) for sample in samples]),
        regions=_ragged([pack_regions(sample.ignore) for sample in samples]),
        photographs=tf.constant(photographs),
        boxes=tf.constant(np.reshape(boxes, (-1, 4)), tf.float32),
        affines=tf.constant(np.reshape(affines, (-1, 2, 3)), tf.float32),
    )


def _ragged(arrays: Sequence[np.ndarray]) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_row_lengths(np.concatenate(arrays), [len(array) for array in arrays])


def _source(image, cache: bool) -> str | bytes:
    if isinstance(image, np.ndarray):
        return tf.io.encode_png(image, compression=1).numpy()
    return tf.io.read_file(os.fspath(image)).numpy() if cache else os.fspath(image)


def _aim(table: _Table, numbers, draws, *, size, augmentation) -> dict[str, tf.Tensor]:
    """Lay out crops: their affine maps, and what to read for them."""
    photographs = tf.gather(table.photographs, numbers)
    sizes = tf.gather(table.sizes, photographs)
    if augmentation:
        boxes = tf.gather(table.boxes, numbers)
        to_input = random_affines([draws[0], 0], boxes, size=size, augmentation=augmentation)
        from_input = invert(to_input)
        reading = plan_reading(from_input, sizes, size=size)
    else:
        to_input = tf.gather(table.affines, numbers)
        from_input = invert(to_input)
        scales = tf.linalg.diag_part(to_input[:, :, :2])[:, ::-1]
        reading = {
            "reduction": tf.zeros_like(sizes[:, 0]),
            "window": tf.concat([tf.zeros_like(sizes), sizes], axis=1),
            "fitted": tf.cast(tf.round(tf.cast(sizes, tf.float32) * scales), tf.int32),
        }
    return {
        "photograph": photographs,
        "draw": draws,
        "to_input": to_input,
        "from_input": from_input,
        **reading,
    }


def _read(crops: tf.data.Dataset, table: _Table, on_error: str) -> tf.data.Dataset:
    """Add `"pixels"`. Raise, or leave the crop out, if that fails."""
    skipped, some_read = tf.Variable(0, trainable=False), tf.Variable(0, trainable=False)

    def read(crop):
        columns = (table.sources, table.on_disk, table.sizes, table.orientations)
        photograph = [tf.gather(column, crop["photograph"]) for column in columns]
        pixels = read_pixels(*photograph, crop["reduction"], crop["window"])
        if on_error == "skip":
            with tf.control_dependencies([pixels]):  # once it has succeeded
                some_read.assign(1)
        return {**crop, "pixels": pixels}

    def report(crop):
        name = tf.gather(table.names, crop["photograph"])
        problem = ["Photograph cannot be read, or is not of the size that its labels say:", name]
        if on_error == "raise":
            tf.debugging.Assert(False, [tf.strings.join(problem, " ")])
        else:
            count = skipped.assign_add(1)
            tf.print("Left out.", *problem, "- so far", count, output_stream=sys.stderr)
            # Else a set that repeats forever would never give a batch, and never stop.
            none = ["None of the photographs can be read. Tried:", count]
            tf.debugging.Assert((some_read > 0) | (count < len(table.photographs)), none)
        return False

    def attempt(crop):  # the `try` of tf.data: the second part runs only if the first gave nothing
        crop = tf.data.Dataset.from_tensors(crop)
        return crop.map(read).ignore_errors().concatenate(crop.filter(report).map(read)).take(1)

    return crops.interleave(attempt, cycle_length=os.cpu_count(), num_parallel_calls=tf.data.AUTOTUNE)


def _draw(table: _Table, crop, *, skeleton, size, augmentation):
    """Make the input, its targets and its mask."""
    keypoints = transform(crop["to_input"], table.keypoints[crop["photograph"]])
    if augmentation is None:
        image = fit(crop["pixels"], crop["fitted"], size=size)
    else:
        image = warp(crop["pixels"], crop["to_pixels"], size=size, border=_BORDER)
        if augmentation.color_jitter:
            image = jitter_color(image, [crop["draw"], 1], augmentation.color_jitter)
        mirrored = tf.gather(keypoints, skeleton.flip_keypoints, axis=1)
        keypoints = tf.where(tf.linalg.det(crop["to_input"][:, :2]) < 0, mirrored, keypoints)

    cells = (size[0] // _STRIDE, size[1] // _STRIDE)
    targets = {"heatmaps": heatmap_targets(keypoints, size=cells, stride=_STRIDE)}
    if skeleton.num_limbs:
        targets["pafs"] = paf_targets(keypoints, skeleton=skeleton, size=cells, stride=_STRIDE)
    rows, columns = (cell_to_pixel(index.ravel(), _STRIDE) for index in np.indices(cells))
    middles = tf.constant(np.stack([columns, rows], axis=1), tf.float32)
    mask = draw_mask(table.regions[crop["photograph"]], transform(crop["from_input"], middles))
    return image, targets, tf.reshape(mask, cells)


def _usable(
    samples: Sequence[PoseSample], skeleton: Skeleton, on_error: str
) -> tuple[list[PoseSample], list[int]]:
    """Samples with their sizes, and EXIF orientations, without unreadable photographs."""
    usable, problems = [], []
    for sample in samples:
        if sample.keypoints.shape[1] != skeleton.num_keypoints:
            raise ValueError(
                f"Samples must have the {skeleton.num_keypoints} keypoints of skeleton {skeleton.name}. "
                f"Received: {sample.keypoints.shape[1]} for {sample}."
            )
        try:
            usable.append(_look_up(sample))
        except tf.errors.NotFoundError:
            problems.append(f"not found: {sample}")
        except tf.errors.OpError as error:
            problems.append(f"cannot be read: {sample}: {error.message}")
    report_problems(problems, on_error)
    return [sample for sample, _ in usable], [orientation for _, orientation in usable]


def _look_up(sample: PoseSample) -> tuple[PoseSample, int]:
    """The sample with its size, and the EXIF orientation of its file."""
    if isinstance(sample.image, np.ndarray):
        return sample, 1
    orientation = find_orientation(sample.image)
    if not sample.size:
        sample = replace(sample, size=read_size(sample.image, orientation))
    return sample, orientation


def _check_options(input_size, batch_size, repeat, shard):
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if repeat is None or (repeat < 1 and repeat != -1):
        raise ValueError(f"`repeat` must be at least 1, or -1 for no end. Received: {repeat}.")
    if np.shape(input_size) != (2,) or any(length <= 0 or length % _STRIDE for length in input_size):
        raise ValueError(
            f"`input_size` must be height and width, multiples of {_STRIDE}. Received: {input_size}."
        )
    if shard and not 0 <= shard[0] < shard[1]:
        raise ValueError(f"`shard` must be (index, count) with 0 <= index < count. Received: {shard}.")
