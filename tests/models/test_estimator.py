"""Networks that know their skeleton: what survives, what trains, what is refused."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_openpose as ko

LAMP = ko.Skeleton(
    "lamp",
    keypoints=("base", "left_joint", "right_joint", "neck", "head"),
    limbs=(("base", "left_joint"), ("base", "right_joint"), ("left_joint", "neck"), ("right_joint", "neck")),
    flips=(("left_joint", "right_joint"),),
    sigmas=(0.05, 0.06, 0.06, 0.07, 0.08),
)
# As many keypoints and limbs as a lamp, of another meaning.
STAR = ko.Skeleton(
    "star", keypoints=("a", "b", "c", "d", "e"), limbs=(("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"))
)
FEET = ko.Skeleton(
    "feet",
    keypoints=[f"{side}_{part}" for side in ("left", "right") for part in ("ankle", "heel", "toe", "ball")],
    limbs=[
        (f"{side}_ankle", f"{side}_{part}") for side in ("left", "right") for part in ("heel", "toe", "ball")
    ],
    flips=[(f"left_{part}", f"right_{part}") for part in ("ankle", "heel", "toe", "ball")],
)
OPTIONS = {"input_size": (64, 96), "min_score": 0.3}
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


def network(skeleton, **arguments):
    """The smallest there is: a backbone of one layer, one stage."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    features = keras.layers.Conv2D(8, 8, 8, padding="same", activation="relu", name="patches")(x)
    backbone = keras.Model(images, features, name="patches")
    return ko.openpose(backbone, skeleton=skeleton, num_stages=1, feature_channels=(), **arguments)


@pytest.fixture(scope="module", params=[LAMP, FEET], ids=lambda skeleton: skeleton.name)
def model(request):
    model = network(request.param)
    model.predict_options = OPTIONS
    return model


def assert_knows(model, other):
    assert isinstance(other, ko.PoseEstimator)
    assert other.skeleton == model.skeleton
    assert dict(other.predict_options, input_size=(64, 96)) == OPTIONS  # JSON makes a list of the size


# What survives


@pytest.mark.backend
def test_a_saved_network_knows_its_skeleton_and_finds_the_same(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_knows(model, loaded)
    poses, expected = loaded.detect(IMAGE), model.detect(IMAGE)
    assert poses.skeleton == model.skeleton
    np.testing.assert_array_equal(poses.keypoints, expected.keypoints)


@pytest.mark.backend
def test_clones_and_json_know_it_too(model):
    assert_knows(model, keras.models.clone_model(model))
    assert_knows(model, keras.models.model_from_json(model.to_json()))


def test_a_checkpoint_knows_it(model, tmp_path):
    other = keras.models.clone_model(model)
    other.compile()
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss")
    other.fit(*batch(model.skeleton), verbose=0, callbacks=[callback])
    assert_knows(model, keras.models.load_model(tmp_path / "best.keras"))


def test_mixed_precision_changes_nothing(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(LAMP)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.skeleton == LAMP
    assert {maps.dtype for maps in loaded.output.values()} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import keras_openpose, keras", "import keras, keras_openpose"])
def test_both_orders_of_import_load_compiled_networks(imports, arm_model, tmp_path):
    models = {"lamp": network(LAMP), "feet": network(FEET), "plain": arm_model}
    for name, model in models.items():
        model.compile("sgd", ko.StageLoss())
        model.save(tmp_path / f"{name}.keras")
    code = f"{imports}; models = [keras.models.load_model(f'{{name}}.keras') for name in {list(models)}]\n"
    code += "print([model.skeleton.name for model in models[:2]], type(models[2]).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['lamp', 'feet'] Functional\n"


def test_a_network_that_version_0_1_saved_works_with_its_skeleton(tmp_path):
    model = network(LAMP)
    stages = {kind: model.get_layer(kind).input for kind in ("heatmaps", "pafs")}
    stages = {kind: maps[0] if isinstance(maps, list) else maps for kind, maps in stages.items()}
    expand = keras.ops.expand_dims
    old = keras.Model(model.input, {kind: expand(maps, 1) for kind, maps in stages.items()})  # as 0.1 did
    old.save(tmp_path / "old.keras")
    loaded = keras.models.load_model(tmp_path / "old.keras")
    assert type(loaded) is not ko.PoseEstimator
    with pytest.raises(ValueError, match="`skeleton` must be given for this network"):
        ko.predict_poses(loaded, IMAGE)
    poses = ko.predict_poses(loaded, IMAGE, skeleton=LAMP)
    np.testing.assert_array_equal(poses.keypoints, model.detect(IMAGE).keypoints)


# What is refused


def test_a_skeleton_that_contradicts_the_network_is_an_error_that_names_both():
    model = network(LAMP)
    with pytest.raises(ValueError, match=r"that of the network, lamp, .* Received: star, .* its keypoints"):
        model.detect(IMAGE, skeleton=STAR)
    reordered = ko.Skeleton(
        "reordered", keypoints=LAMP.keypoints[::-1], limbs=LAMP.limbs, flips=LAMP.flips, sigmas=LAMP.sigmas
    )
    with pytest.raises(ValueError, match="the order of its keypoints"):
        model.detect(IMAGE, skeleton=reordered)


def test_other_oks_constants_do_not_contradict_the_network():
    looser = ko.Skeleton("lamp", keypoints=LAMP.keypoints, limbs=LAMP.limbs, flips=LAMP.flips)
    assert network(LAMP).detect(IMAGE, skeleton=looser).skeleton is looser


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        keras.losses.MeanSquaredError(),
        keras.losses.mean_squared_error,
        {"heatmaps": "mae"},
        ["mse", "mse"],
    ],
)
def test_losses_that_mix_stages_and_images_are_refused(loss):
    with pytest.raises(ValueError, match="`loss` must be a `StageLoss`, or a loss of your own"):
        network(LAMP).compile("adamw", loss=loss)


def test_options_of_a_network_must_be_those_of_predict_poses():
    with pytest.raises(TypeError, match=r"no argument `min_scor`\. Did you mean `min_score`"):
        network(LAMP).predict_options = {"min_scor": 0.5}


# Training


def batch(skeleton, number=4):
    cells = {"heatmaps": skeleton.num_keypoints + 1, "pafs": 2 * skeleton.num_limbs}
    images = np.random.default_rng(1).uniform(0, 255, (number, 64, 64, 3)).astype("float32")
    return images, {kind: np.zeros((number, 8, 8, count), "float32") for kind, count in cells.items()}


@pytest.mark.backend
def test_compile_without_arguments_trains():
    keras.utils.set_random_seed(0)
    model = network(LAMP)
    model.compile()
    history = model.fit(*batch(LAMP), epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_a_loss_of_ones_own_and_one_for_each_map_are_taken():
    def largest(target, maps):
        return keras.ops.max(keras.ops.abs(maps - keras.ops.expand_dims(target, 1)), axis=(1, 2, 3, 4))

    for loss in (largest, {"heatmaps": ko.StageLoss(), "pafs": largest}):
        model = network(LAMP)
        model.compile("sgd", loss=loss)
        assert np.isfinite(model.fit(*batch(LAMP), verbose=0).history["loss"]).all()


@pytest.fixture(scope="module")
def lamps():
    """A data set of lamps on gray."""
    sample = ko.PoseSample(
        np.full((64, 64, 3), 128, np.uint8),
        [[[32, 60], [20, 40], [44, 40], [32, 20], [32, 8]]],
        boxes=[[16, 4, 32, 58]],
        areas=[1856],
    )
    return ko.pose_dataset([sample] * 4, skeleton=LAMP, input_size=(64, 64), batch_size=2)


def test_a_data_set_needs_no_shuffle_and_no_warning(lamps):
    model = network(LAMP)
    model.compile()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(lamps, verbose=0)


def test_a_data_set_of_another_skeleton_is_refused_before_the_first_step(lamps):
    model = network(STAR)
    model.compile()
    with pytest.raises(ValueError, match=r"the skeleton of the network, star\. Received: lamp"):
        model.fit(lamps, verbose=0)
    model = network(FEET)
    model.compile()
    with pytest.raises(ValueError, match="Received channels"):
        model.fit(lamps.take(1), verbose=0)  # which forgets whose it is


# Without limbs


POINTS = ko.Skeleton("points", keypoints=("red", "green", "blue"))


@pytest.mark.parametrize(
    "build",
    [
        network,
        lambda skeleton: ko.openpose("mobilenet", skeleton=skeleton, num_stages=2),
        lambda skeleton: ko.body_25(skeleton=skeleton),
        lambda skeleton: ko.lightweight_openpose(skeleton=skeleton),
        lambda skeleton: ko.mobilenet_openpose("v2_small", skeleton=skeleton),
        lambda skeleton: ko.compact_openpose(skeleton=skeleton),
        lambda skeleton: ko.efficientnet_openpose(skeleton=skeleton),
    ],
    ids=["own", "openpose", "body_25", "lightweight", "mobilenet", "compact", "efficientnet"],
)
def test_every_builder_makes_a_network_without_pafs(build):
    model = build(POINTS)
    assert set(model.output) == {"heatmaps"}
    assert model(np.zeros((1, 64, 64, 3), "float32"))["heatmaps"].shape[-1] == 4


@pytest.mark.slow
def test_a_network_without_limbs_finds_three_points_among_distractors():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)

    def scene():
        """Dots of the three colors, and two gray ones, none near another."""
        cells = rng.permutation(36)[:5]
        places = np.stack([cells % 6, cells // 6], axis=1) * 16.0 + rng.uniform(6, 10, (5, 2))
        y, x = np.mgrid[:96, :96]
        image = np.zeros((96, 96, 3))
        for place, color in zip(places, [*np.eye(3), [1, 1, 1], [1, 1, 0]], strict=True):
            dot = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * 3.0**2))
            image = np.maximum(image, 255 * dot[..., None] * color)
        return image.astype(np.uint8), places[:3]

    samples = []
    for _ in range(64):
        image, places = scene()
        box = [19.2, 19.2, 57.6, 57.6]  # of which 0.6 of a crop is filled: the crop is the image
        samples.append(ko.PoseSample(image, [places], boxes=[box], areas=[3318]))
    model = network(POINTS)
    model.compile(ko.ConvMuon(5e-3, exclude=["heatmaps_conv5"]))
    dataset = ko.pose_dataset(
        samples, skeleton=POINTS, input_size=(96, 96), batch_size=16, augment=False
    ).cache()
    model.fit(dataset, epochs=20, verbose=0)
    for _ in range(8):
        image, places = scene()
        points = model.detect(image, input_size=(96, 96))
        for name, place in zip(POINTS.keypoints, places, strict=True):
            (found,) = points[name][~np.isnan(points[name][:, 0])]  # and no distractor
            assert np.linalg.norm(found - place) < 4  # half a cell
        (together,) = model.detect(image, input_size=(96, 96), max_people=1).keypoints
        np.testing.assert_allclose(together, places, atol=4)
