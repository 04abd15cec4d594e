"""Crops drawn on the card (`benchmarks/device_training.py`), compared with those of `pose_dataset`."""

import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_openpose as ko
from keras_openpose.data.augmentation import random_affines, transform
from keras_openpose.data.coco import coco_samples
from keras_openpose.data.masks import draw_mask, pack_regions
from keras_openpose.data.samples import fill_derived
from keras_openpose.data.targets import heatmap_targets, paf_targets

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import device_training
from gpu_pack import shrink, tabulate

pytestmark = [pytest.mark.backend, pytest.mark.slow]
LENGTH, SIZE = 128, (96, 112)


@pytest.fixture(scope="module")
def samples():
    """Two drawn photographs: of three people who overlap, with a region to ignore; of one, smaller."""
    random = np.random.default_rng(0)
    crowd = random.uniform(15, 95, (3, 18, 2)).astype(np.float32)
    crowd[0, 3:6], crowd[1, 1] = np.nan, np.nan  # a neck between labeled shoulders, for one
    region = np.array([(20, 30), (70, 25), (60, 80)], float)
    alone = random.uniform(8, 50, (1, 18, 2)).astype(np.float32)
    images = [
        cv2.resize(random.integers(0, 255, (9, 12, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
        for size in ((101, 128), (60, 57))
    ]
    boxes = np.array([(15, 15, 80, 80), (12, 20, 60, 75), (40, 30, 70, 70)], np.float32)
    return [
        ko.PoseSample(images[0], crowd, boxes=boxes, ignore=[region]),
        ko.PoseSample(images[1], alone),
    ]


def network():
    """A network that is compiled in no time."""
    images = keras.Input((None, None, 3))
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(images))
    widths = {"heatmaps": 19, "pafs": 38}
    maps = {name: keras.layers.Conv2D(width, 1)(cells)[:, None] for name, width in widths.items()}
    return keras.Model(images, maps)


@pytest.fixture(scope="module")
def trainer(samples):
    atlas = device_training.photographs_atlas([sample.image for sample in samples], LENGTH)
    labels = tabulate(samples, ko.COCO_18, LENGTH)
    return device_training.CropTrainer(network(), atlas, labels, size=SIZE)


def crops_of(trainer):
    return keras.ops.arange(trainer.num_crops, dtype="int32")


def affines_of(trainer, augmentation):
    uniform = keras.ops.full((trainer.num_crops, 8), 0.5)
    return device_training.random_affines(trainer.tables["boxes"], uniform, SIZE, augmentation)


@pytest.mark.parametrize(("scale", "flip"), [(0.12, 0), (0.35, 1), (0.7, 0), (1.6, 1)])  # all four reductions
def test_a_crop_is_that_of_pose_dataset(samples, trainer, scale, flip):
    augmentation = ko.Augmentation(scale=(scale, scale), rotation=0, shift=0, flip=flip)
    options = {"input_size": SIZE, "augment": augmentation, "shuffle": False, "batch_size": 9}
    images, targets, mask = next(iter(ko.pose_dataset(samples, **options)))
    drawn = trainer.draw_at(crops_of(trainer), affines_of(trainer, augmentation))
    drawn_images, drawn_targets, drawn_mask = keras.tree.map_structure(keras.ops.convert_to_numpy, drawn)
    assert len(images) == trainer.num_crops > 1
    for name, target in targets.items():
        np.testing.assert_allclose(drawn_targets[name], target, atol=1e-3)
    np.testing.assert_array_equal(drawn_mask, mask)
    # Both round, and a value near a half may go to either side.
    difference = np.abs(drawn_images - images.numpy().astype(np.float32))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01
    assert 0 < np.mean(drawn_images == 128) < 1  # border and photograph


def compare_turned(trainer, samples, seed):
    """Targets and mask of crops turned at random, beside those that TensorFlow draws of the same maps."""
    boxes = tf.constant(keras.ops.convert_to_numpy(trainer.tables["boxes"].value))
    affines = random_affines([seed, 0], boxes, size=SIZE, augmentation=ko.Augmentation()).numpy()
    drawn = trainer.draw_at(crops_of(trainer), keras.ops.convert_to_tensor(affines))
    _, targets, mask = keras.tree.map_structure(keras.ops.convert_to_numpy, drawn)
    cells = SIZE[0] // 8, SIZE[1] // 8
    rows, columns = np.indices(cells)
    middles = np.stack([columns.ravel(), rows.ravel()], axis=1) * 8 + 3.5
    photographs = keras.ops.convert_to_numpy(trainer.tables["photographs"].value)
    for n, affine in enumerate(affines):
        sample = samples[photographs[n]]
        keypoints = transform(affine, fill_derived(sample.keypoints, ko.COCO_18))
        if np.linalg.det(affine[:, :2]) < 0:
            keypoints = tf.gather(keypoints, ko.COCO_18.flip_keypoints, axis=1)
        heatmaps = heatmap_targets(keypoints, size=cells)
        pafs = paf_targets(keypoints, skeleton=ko.COCO_18, size=cells)
        np.testing.assert_allclose(targets["heatmaps"][n], heatmaps, atol=1e-3)
        np.testing.assert_allclose(targets["pafs"][n], pafs, atol=1e-3)
        points = (middles - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
        expected = draw_mask(pack_regions(sample.ignore), tf.constant(points, tf.float32))
        np.testing.assert_array_equal(mask[n].ravel(), expected)


def test_targets_and_mask_of_turned_crops(trainer, samples):
    for seed in range(8):
        compare_turned(trainer, samples, seed)


@pytest.mark.shared
@pytest.mark.slow
def test_on_photographs(shared):
    coco = shared / "data/coco"
    samples = coco_samples(coco / "train2017", coco / "annotations/person_keypoints_train2017.json")
    samples = [
        sample
        for sample in samples
        if len(sample.boxes) and not any(isinstance(region, dict) for region in sample.ignore)  # no crowds
    ]
    samples = [shrink(sample, LENGTH) for sample in samples]
    labels = tabulate(samples, ko.COCO_18, LENGTH)
    atlas = device_training.photographs_atlas([sample.image for sample in samples], LENGTH)
    trainer = device_training.CropTrainer(network(), atlas, labels, size=SIZE)
    assert trainer.num_crops > 20
    compare_turned(trainer, samples, seed=0)


def test_the_person_lies_where_the_numbers_say(trainer):
    """Scale 1.0 of 0.5 and 1.5, upright, 10 of 20 pixels to the right, mirrored."""
    ranges = device_training.Ranges(0.5, (0.5, 1.5), 90, 20 / SIZE[0], 0.5)
    uniform = keras.ops.convert_to_tensor([[0.5, 0.5, 0.75, 0.5, 0.9]])
    boxes = keras.ops.convert_to_tensor([[10.0, 20.0, 30.0, 40.0]])
    (affine,) = keras.ops.convert_to_numpy(device_training.random_affines(boxes, uniform, SIZE, ranges))
    scale = 0.5 * SIZE[0] / 40  # the person is half as tall as the crop
    np.testing.assert_allclose(affine[:, :2], [[-scale, 0], [0, scale]], atol=1e-5)
    center = affine @ (25, 40, 1)
    np.testing.assert_allclose(center, [(SIZE[1] - 1) / 2 + 10, (SIZE[0] - 1) / 2], atol=1e-4)


def test_colors_change_as_tensorflow_changes_them():
    image = np.random.default_rng(0).uniform(60, 190, (1, 8, 8, 3)).astype(np.float32)
    for changes, other in (
        ((0.1, 0, 0), tf.image.adjust_brightness(image, 25.5)),
        ((0, 0.2, 0), tf.image.adjust_contrast(image, 1.2)),
        ((0, 0, -0.2), tf.image.adjust_saturation(image / 255, 0.8) * 255),
    ):
        changed = device_training.jitter_color(*map(keras.ops.convert_to_tensor, (image, [changes])))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(changed), other, atol=0.01)


def test_the_loss_is_the_stage_loss_and_falls(trainer, monkeypatch):
    batch = trainer.draw_at(crops_of(trainer), affines_of(trainer, ko.Augmentation()))
    monkeypatch.setattr(trainer, "draw", lambda numbers: batch)  # the same crops in every step
    images, targets, mask = batch
    maps = trainer.network(images, training=False)
    parts = [ko.StageLoss()(targets[name], maps[name], sample_weight=mask) for name in targets]
    losses = trainer(crops_of(trainer), training=False)
    assert float(keras.ops.mean(losses)) == pytest.approx(float(parts[0] + parts[1]), rel=1e-5)

    trainer.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    numbers = np.arange(trainer.num_crops, dtype=np.int32)
    history = trainer.fit(numbers, batch_size=len(numbers), epochs=20, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
