"""The loader: shapes, order, repetition, and what broken photographs do."""

from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_openpose import (
    Augmentation,
    PoseSample,
    Skeleton,
    StageLoss,
    coco_dataset,
    pose_dataset,
    read_image,
)
from keras_openpose.geometry import cell_to_pixel
from keras_openpose.inference.looks import letterbox

SIZE = (64, 96)
LEFT_RIGHT = Skeleton("pair", keypoints=("left", "middle", "right"), flips=[("left", "right")])
STILL = Augmentation(scale=(1, 1), rotation=0, shift=0, flip=0)


def gray_sample(brightness, size=(80, 120), **fields):
    """A photograph of one brightness, by which it is known again, and an arm of 50 pixels."""
    keypoints = [[(40, 20), (60, 45), (45, 75)]]
    return PoseSample(np.full((*size, 3), brightness, np.uint8), keypoints, **fields)


@pytest.fixture
def samples():
    return [gray_sample(10 * n) for n in range(1, 8)]


@pytest.fixture
def files(tmp_path):
    """Photographs of brightness 10, 20, 30, 40 as JPEG files."""
    paths = []
    for n in range(1, 5):
        paths.append(tmp_path / f"{n}.jpg")
        cv2.imwrite(str(paths[-1]), np.full((80, 120, 3), 10 * n, np.uint8))
    return [PoseSample(path, gray_sample(0).keypoints, image_id=n) for n, path in enumerate(paths, 1)]


def seen(dataset):
    """Numbers of the photographs, by their brightness in the middle of the image."""
    return [round(int(image[20, 20, 0]) / 10) for images, *_ in dataset for image in images]


def equal(one, other):
    pairs = zip(tf.nest.flatten(list(one)), tf.nest.flatten(list(other)), strict=True)
    return all(a.shape == b.shape and (a.numpy() == b.numpy()).all() for a, b in pairs)


# What a batch is


@pytest.mark.parametrize("augment", [True, False])
def test_a_batch_is_what_the_networks_learn_from(augment, samples, arm):
    dataset = pose_dataset(samples, skeleton=arm, input_size=SIZE, batch_size=4, augment=augment)
    images, targets, mask = next(iter(dataset))
    assert (images.shape, images.dtype) == ((4, 64, 96, 3), tf.uint8)
    assert set(targets) == {"heatmaps", "pafs"}
    assert (targets["heatmaps"].shape, targets["heatmaps"].dtype) == ((4, 8, 12, 4), tf.float32)
    assert (targets["pafs"].shape, targets["pafs"].dtype) == ((4, 8, 12, 4), tf.float32)
    assert (mask.shape, mask.dtype) == ((4, 8, 12), tf.float32)
    assert dataset.element_spec[0].shape.as_list() == [None, 64, 96, 3]


def test_a_skeleton_without_limbs_has_no_pafs(samples):
    dataset = pose_dataset(samples, skeleton=LEFT_RIGHT, input_size=SIZE)
    assert set(next(iter(dataset))[1]) == {"heatmaps"}


def lamps(hidden):
    """Photographs with ten lamps of five keypoints, of which so many have one hidden."""
    samples = []
    for n in range(10):
        points = np.array([(20, 70), (20, 40), (40, 20), (60, 20), (60, 30)], np.float32)
        points[4] = np.nan if n < hidden else points[4]
        samples.append(PoseSample(np.zeros((80, 80, 3), np.uint8), [points]))
    return samples


def test_a_hidden_keypoint_of_five_costs_no_crop_and_those_left_out_are_told(capsys):
    skeleton = Skeleton("lamp", keypoints=["base", "joint", "neck", "head", "switch"])
    options = {"skeleton": skeleton, "input_size": SIZE, "batch_size": 1}
    assert pose_dataset(lamps(9), **options).cardinality() == 10
    assert capsys.readouterr().out == ""
    assert pose_dataset(lamps(9), min_keypoints=5, **options).cardinality() == 1
    assert capsys.readouterr().out.startswith(
        "Training on 1 of 10 people in 10 photographs: those with at least 5 labeled keypoints"
    )
    with pytest.raises(ValueError, match=r"someone to train on, with .* at least 5000 pixels \(`min_area`\)"):
        pose_dataset(lamps(0), min_area=5000, **options)


def test_several_label_files_make_one_data_set(coco_folder):
    images, labels = coco_folder
    options = {"input_size": SIZE, "augment": False, "batch_size": 1}
    one = coco_dataset(images, labels, **options)
    both = list(coco_dataset([images, images], [labels, labels], **options))
    assert len(both) == 2 * one.cardinality()
    for (image, _, _), (again, _, _) in zip(both, [*one, *one], strict=True):
        np.testing.assert_array_equal(image, again)
    with pytest.raises(ValueError, match=r"`images` and `annotations` must be equally many.* 2 and 1"):
        coco_dataset([images, images], [labels], **options)


def test_a_body_that_lies_is_shown_whole_when_crops_go_by_its_longer_side():
    """100 pixels wide and 20 high: at 0.6 of 64 pixels for its width, both ends are in the crop."""
    points = [(20, 50), (120, 50), (70, 60)]
    fish = PoseSample(np.zeros((100, 140, 3), np.uint8), [points], boxes=[[20, 40, 100, 20]])
    skeleton = Skeleton("fish", keypoints=["nose", "tail", "fin"])
    still = {"scale": (1, 1), "rotation": 0, "shift": 0, "flip": 0}
    seen = {}
    for longer_side in (False, True):
        augment = Augmentation(**still, longer_side=longer_side)
        dataset = pose_dataset([fish], skeleton=skeleton, input_size=(64, 64), augment=augment, batch_size=1)
        _, targets, _ = next(iter(dataset))
        seen[longer_side] = np.asarray(targets["heatmaps"])[0, ..., :2].max(axis=(0, 1))
    assert (seen[True] > 0.5).all()
    assert (seen[False] < 0.5).all()


def test_every_person_to_be_learnt_gives_a_crop_and_every_photograph_a_look(arm):
    people = [[(20, 20), (45, 40), (30, 70)], [(120, 20), (145, 40), (130, 70)], [(5, 5), (6, 6), (7, 7)]]
    sample = PoseSample(np.zeros((80, 160, 3), np.uint8), people)
    options = {"skeleton": arm, "input_size": SIZE, "batch_size": 1}
    assert pose_dataset([sample], **options).cardinality() == 2  # the third is too small
    assert pose_dataset([sample], augment=False, **options).cardinality() == 1


def test_pixels_and_targets_move_together(arm, photograph_arms):
    """The middle of the light of a keypoint's dot, and that of its Gaussian: half a pixel is a mistake."""
    keypoints = np.array([[(240, 205), (255, 240), (230, 275)]])
    sample = PoseSample(photograph_arms((480, 480), keypoints, sigma=4), keypoints)
    # The crop stays within the black photograph, and the person with the whole Gaussian within the crop.
    augmentation = Augmentation(shift=0.05)
    dataset = pose_dataset([sample] * 12, skeleton=arm, input_size=(128, 128), augment=augmentation, seed=1)

    def middles(maps):  # (batch, height, width, 3) -> (batch, 3, xy)
        y, x = np.indices(maps.shape[1:3])[..., None]
        return (
            np.stack([(x * maps).sum((1, 2)), (y * maps).sum((1, 2))], axis=-1) / maps.sum((1, 2))[..., None]
        )

    for images, targets, _ in dataset:
        lit = middles(np.maximum(images.numpy() - 10.0, 0))
        drawn = cell_to_pixel(middles(targets["heatmaps"].numpy()[..., :3]), 8)
        np.testing.assert_allclose(lit, drawn, atol=0.3)


def test_mirroring_exchanges_left_and_right():
    keypoints = [[(20, 40), (60, 40), (100, 40)]]
    sample = PoseSample(np.zeros((80, 120, 3), np.uint8), keypoints, boxes=[(0, 0, 120, 80)])
    peaks = {}
    for flip in (0, 1):
        augmentation = Augmentation(scale=(1, 1), rotation=0, shift=0, flip=flip, person_height=1)
        dataset = pose_dataset([sample], skeleton=LEFT_RIGHT, input_size=(80, 120), augment=augmentation)
        heatmaps = next(iter(dataset))[1]["heatmaps"][0].numpy()
        peaks[flip] = [int(heatmaps[..., n].max(axis=0).argmax()) for n in range(3)]
    assert peaks[0] == [2, 7, 12]
    # The middle of the photograph stays, left is the other side of the body but the same side of the image.
    assert peaks[1] == [2, 7, 12]


def test_ignored_regions_are_masked_where_they_are(arm):
    square = np.array([(32, 16), (64, 16), (64, 48), (32, 48)])
    sample = gray_sample(9, size=SIZE, ignore=[square])
    _, _, mask = next(iter(pose_dataset([sample], skeleton=arm, input_size=SIZE, augment=False)))
    expected = np.ones((8, 12))
    expected[2:6, 4:8] = 0
    np.testing.assert_array_equal(mask[0], expected)


def test_jitter_changes_the_colors(arm):
    for jitter, brightnesses in ((0.3, 7), (0.0, 1)):
        augmentation = replace(STILL, color_jitter=jitter)
        dataset = pose_dataset([gray_sample(100)] * 8, skeleton=arm, input_size=SIZE, augment=augmentation)
        assert len({int(image[20, 20, 0]) for images, *_ in dataset for image in images}) >= brightnesses


# Validation


@pytest.mark.parametrize("size", [(80, 120), (200, 150), (37, 300), (64, 96)])
def test_validation_sees_what_predict_poses_sees(size, arm):
    photograph = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    sample = PoseSample(photograph, np.zeros((0, 3, 2)))
    images, _, _ = next(iter(pose_dataset([sample], skeleton=arm, input_size=SIZE, augment=False)))
    expected, ((height, width),) = letterbox([sample.image], SIZE, 1.0)
    ours, filled = images[0].numpy().astype(float), np.zeros(SIZE, bool)
    filled[:height, :width] = True
    assert not ours[~filled].any()
    if (height, width) == size:
        np.testing.assert_array_equal(ours[filled], expected[0][filled])
    elif height < size[0]:  # shrunk: the same up to rounding
        assert np.abs(ours - expected[0])[filled].max() <= 1
    else:  # enlarged: cubics of slopes 0.5 and 0.75
        assert np.abs(ours - expected[0])[filled].mean() < 8
    assert np.abs(ours[: height - 1, : width - 1] - expected[0][1:height, 1:width]).mean() > 20


def test_validation_is_the_same_every_time_and_in_the_order_of_the_samples(samples, arm):
    dataset = pose_dataset(samples, skeleton=arm, input_size=SIZE, augment=False)
    assert seen(dataset) == [1, 2, 3, 4, 5, 6, 7]
    assert equal(dataset, dataset)


# Order and repetition


def test_with_a_seed_epochs_differ_and_come_again(samples, arm):
    def two_epochs(seed):
        dataset = pose_dataset(samples, skeleton=arm, input_size=SIZE, seed=seed)
        return [list(dataset), list(dataset)]

    (one, two), (one_again, two_again) = two_epochs(3), two_epochs(3)
    assert equal(one, one_again)
    assert equal(two, two_again)
    assert not equal(one, two)
    assert not equal(one, two_epochs(4)[0])


def test_a_seed_of_keras_does_as_well(samples, arm):
    epochs = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        epochs.append(list(pose_dataset(samples, skeleton=arm, input_size=SIZE)))
    assert equal(*epochs)


def test_without_a_seed_data_sets_differ(samples, arm):
    one, other = (list(pose_dataset(samples, skeleton=arm, input_size=SIZE)) for _ in range(2))
    assert not equal(one, other)


def test_every_epoch_shows_everyone_once_in_a_new_order(samples, arm):
    dataset = pose_dataset(samples, skeleton=arm, input_size=SIZE, augment=STILL)
    orders = [seen(dataset) for _ in range(4)]
    assert {tuple(sorted(order)) for order in orders} == {(1, 2, 3, 4, 5, 6, 7)}
    assert len({tuple(order) for order in orders}) > 1


def test_the_order_may_be_kept(samples, arm):
    dataset = pose_dataset(samples, skeleton=arm, input_size=SIZE, augment=STILL, shuffle=False)
    assert seen(dataset) == [1, 2, 3, 4, 5, 6, 7]


def test_shards_are_disjoint_and_complete(samples, arm):
    shards = [
        seen(pose_dataset(samples, skeleton=arm, input_size=SIZE, augment=STILL, shard=(n, 3)))
        for n in range(3)
    ]
    assert [len(shard) for shard in shards] == [3, 2, 2]
    assert sorted(n for shard in shards for n in shard) == [1, 2, 3, 4, 5, 6, 7]


def test_repeated_epochs_run_into_one_another(samples, arm):
    options = {"skeleton": arm, "input_size": SIZE, "augment": STILL, "batch_size": 4}
    assert len(pose_dataset(samples, **options)) == 2
    twice = pose_dataset(samples, repeat=2, **options)
    assert len(twice) == 4
    shown = seen(twice)
    assert sorted(shown[:7]) == sorted(shown[7:]) == [1, 2, 3, 4, 5, 6, 7]
    endless = pose_dataset(samples, repeat=-1, **options)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(seen(endless.take(5))) == 20


def test_a_short_last_batch_may_be_dropped(samples, arm):
    options = {"skeleton": arm, "input_size": SIZE, "batch_size": 4}
    assert [len(images) for images, *_ in pose_dataset(samples, **options)] == [4, 3]
    dropping = pose_dataset(samples, drop_remainder=True, **options)
    assert [len(images) for images, *_ in dropping] == [4]
    assert dropping.element_spec[2].shape == (4, 8, 12)


def test_cached_files_are_not_read_again(files, arm):
    options = {"skeleton": arm, "input_size": SIZE, "augment": False}
    cached, uncached = pose_dataset(files, cache=True, **options), pose_dataset(files, **options)
    before = list(uncached)
    for sample in files:
        sample.image.unlink()
    assert equal(cached, before)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(uncached)


# The camera held otherwise


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("augment", [False, True])
def test_photographs_are_turned_upright_as_read_image_does(augment, cache, arm, write_turned, tmp_path):
    noise = np.random.default_rng(0).uniform(0, 255, (90, 140, 3)).astype(np.float32)
    photograph = cv2.GaussianBlur(noise, (0, 0), 2).astype(np.uint8)
    paths = [write_turned(tmp_path / f"{n}.png", photograph, n) for n in range(1, 9)]
    options = {"skeleton": arm, "input_size": SIZE, "batch_size": 1, "augment": augment, "seed": 0}
    people = [[(40, 20), (60, 45), (45, 75)]]
    turned = pose_dataset([PoseSample(path, people) for path in paths], **options, cache=cache)
    for path in paths:
        np.testing.assert_array_equal(read_image(path), photograph)
    assert equal(turned, pose_dataset([PoseSample(photograph, people)] * 8, **options))


def test_labels_of_the_stored_size_of_a_turned_photograph_are_refused(arm, write_turned, tmp_path):
    path = write_turned(tmp_path / "turned.jpg", np.zeros((80, 120, 3), np.uint8), 6)
    sample = PoseSample(path, gray_sample(0).keypoints, size=(120, 80))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"of the size that its labels say.*turned\.jpg"):
        list(pose_dataset([sample], skeleton=arm, input_size=SIZE))


# Photographs and labels that are broken


def test_a_missing_photograph_is_said_before_training(files, arm):
    files[1].image.unlink()
    with pytest.raises(ValueError, match=r"1 image\(s\) cannot be used.*\n  not found: .*2\.jpg \(id 2\)"):
        pose_dataset(files, skeleton=arm, input_size=SIZE)


def test_what_is_no_image_is_said_before_training(files, arm):
    files[1].image.write_text("no image")
    with pytest.raises(ValueError, match=r"\n  cannot be read: .*2\.jpg \(id 2\)"):
        pose_dataset(files, skeleton=arm, input_size=SIZE)


@pytest.mark.parametrize("suffix", [".tiff", ".avif", ".jp2", ".ppm"])
@pytest.mark.parametrize("size", [None, (80, 120)], ids=["of unknown size", "of known size"])
def test_a_format_that_tensorflow_does_not_read_is_said_before_training(size, suffix, arm, tmp_path):
    path = tmp_path / f"1{suffix}"
    # Of which OpenCV writes not all everywhere; nor does their content matter.
    beginnings = {
        ".jp2": b"\0\0\0\x0cjP  \r\n",
        ".avif": b"\0\0\0\x20ftypavif",
        ".tiff": b"II*\0",
        ".ppm": b"P6\n",
    }
    path.write_bytes(beginnings[suffix] + bytes(100))
    sample = PoseSample(path, gray_sample(0).keypoints, image_id=1, size=size)
    message = rf"cannot be read: .*1\{suffix} \(id 1\): .*Save it as JPEG or PNG\."
    with pytest.raises(ValueError, match=message):
        pose_dataset([sample], skeleton=arm, input_size=SIZE)


def test_missing_photographs_are_left_out_with_a_warning(files, arm):
    files[1].image.unlink()
    with pytest.warns(UserWarning, match=r"1 image\(s\) left out:\n  not found: .*2\.jpg \(id 2\)"):
        dataset = pose_dataset(files, skeleton=arm, input_size=SIZE, augment=False, on_error="skip")
    assert seen(dataset) == [1, 3, 4]


def cut_off(sample):
    contents = sample.image.read_bytes()
    sample.image.write_bytes(contents[: len(contents) // 2])


def turn(sample):
    cv2.imwrite(str(sample.image), np.zeros((120, 80, 3), np.uint8))


@pytest.mark.parametrize("break_file", [cut_off, turn, lambda sample: sample.image.unlink()])
def test_a_photograph_that_breaks_later_stops_training_with_its_name(break_file, files, arm):
    dataset = pose_dataset(files, skeleton=arm, input_size=SIZE, augment=False)
    break_file(files[1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"cannot be read.*2\.jpg \(id 2\)"):
        list(dataset)


@pytest.mark.parametrize("break_file", [cut_off, turn, lambda sample: sample.image.unlink()])
def test_or_is_left_out_and_counted(break_file, files, arm, capfd):
    dataset = pose_dataset(files, skeleton=arm, input_size=SIZE, augment=False, on_error="skip")
    break_file(files[1])
    break_file(files[2])
    assert sorted(seen(dataset)) == [1, 4]
    said = capfd.readouterr().err
    assert all(f"{n}.jpg (id {n})" in said for n in (2, 3))
    assert "so far 2" in said


def test_where_none_can_be_read_a_set_without_end_stops(files, arm):
    dataset = pose_dataset(files, skeleton=arm, input_size=SIZE, augment=False, on_error="skip", repeat=-1)
    for sample in files:
        cut_off(sample)
    with pytest.raises(tf.errors.InvalidArgumentError, match="None of the photographs can be read"):
        next(iter(dataset))


def test_nothing_is_said_of_whole_photographs(files, arm, capfd):
    list(pose_dataset(files, skeleton=arm, input_size=SIZE, augment=False, on_error="skip"))
    assert "Left out" not in capfd.readouterr().err


REFUSED = {
    "a size that 8 does not divide": (
        {"input_size": (64, 100)},
        r"`input_size` must be height and width, multiples of 8\. Received: \(64, 100\)",
    ),
    "a size of one side": ({"input_size": (64,)}, r"must be height and width, .* Received: \(64,\)"),
    "a size that is a number": ({"input_size": 64}, "must be height and width, .* Received: 64"),
    "empty batches": ({"batch_size": 0}, "`batch_size` must be at least 1. Received: 0"),
    "no epoch": ({"repeat": 0}, "`repeat` must be at least 1, or -1 for no end. Received: 0"),
    "larger batches than there are crops": (
        {"batch_size": 1000, "drop_remainder": True},
        r"There must be a batch\. Received: \d+ crop\(s\) .*`batch_size=1000` and `drop_remainder=True`",
    ),
    "nothing left for a worker": (
        {"shard": (99, 100)},
        r"There must be a batch\. Received: 0 crop\(s\) of \d+, with `shard=\(99, 100\)`",
    ),
    "a shard beyond the last": ({"shard": (3, 3)}, r"`shard` must be .* Received: \(3, 3\)"),
    "another skeleton": (
        {"skeleton": Skeleton("dot", keypoints=["dot"])},
        r"must have the 1 keypoints of skeleton dot\. Received: 3 for an image array",
    ),
    "an unknown way with errors": ({"on_error": "ignore"}, "`on_error` must be"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_an_option_out_of_range_is_refused(options, message, samples, arm):
    with pytest.raises(ValueError, match=message):
        pose_dataset(samples, **{"skeleton": arm, "input_size": SIZE, **options})


def test_no_one_to_train_on_is_an_error(arm):
    small = PoseSample(np.zeros((80, 120, 3), np.uint8), [[(5, 5), (6, 6), (7, 7)]])
    with pytest.raises(
        ValueError,
        match=r"There must be someone to train on.*Received: 1 people in 1 sample\(s\), none of them such",
    ):
        pose_dataset([small], skeleton=arm, input_size=SIZE)


# Only TensorFlow ops


def ops_of(dataset):
    """Names of all ops of a data set's graph and its functions."""
    ops, pending = set(), [dataset]
    while pending:
        one = pending.pop()
        pending += one._inputs()
        for function in one._functions():
            graph = function.function.graph.as_graph_def()
            nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
            ops |= {node.op for node in nodes}
    return ops


PYTHON = {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def test_no_sample_waits_for_python(samples, arm):
    augmentation = Augmentation(color_jitter=0.1)
    ops = ops_of(pose_dataset(samples, skeleton=arm, input_size=SIZE, augment=augmentation))
    assert {"DecodeAndCropJpeg", "DecodeImage", "StatelessRandomUniformV2"} <= ops
    assert not ops & PYTHON


def test_python_would_be_seen(samples, arm):
    dataset = pose_dataset(samples, skeleton=arm, input_size=SIZE)
    slow = dataset.map(lambda images, *rest: tf.numpy_function(np.copy, [images], tf.uint8)).batch(2)
    assert ops_of(slow) & PYTHON


# Training


def test_a_network_learns_from_coco_labels(coco_folder):
    dataset = coco_dataset(*coco_folder, input_size=(96, 96), augment=False)
    keras.utils.set_random_seed(0)
    images = keras.Input((96, 96, 3))
    cells = keras.layers.Conv2D(16, 8, strides=8, activation="relu")(keras.layers.Rescaling(1 / 255)(images))
    _, targets, _ = next(iter(dataset))
    outputs = {name: keras.layers.Conv2D(maps.shape[-1], 1)(cells)[:, None] for name, maps in targets.items()}
    model = keras.Model(images, outputs)
    model.compile(keras.optimizers.Adam(1e-2), loss=StageLoss())
    losses = model.fit(dataset.cache(), epochs=30, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_faulty_coco_labels_are_left_out_if_so_asked(coco_folder, tmp_path):
    images, annotations = coco_folder
    broken = tmp_path / "labels.json"
    broken.write_text(annotations.read_text().replace('"image_id": 2,', '"image_id": 99,'))
    with pytest.raises(
        ValueError, match=r"annotation \d+: its image \(id 99\) is not among the file's images"
    ):
        coco_dataset(images, broken, input_size=(96, 96))
    with pytest.warns(UserWarning, match="id 99"):
        dataset = coco_dataset(
            images, broken, input_size=(96, 96), on_error="skip", augment=False, batch_size=1
        )
    assert len(list(dataset)) == 4  # the image is there, without those people
