import keras
import numpy as np
import pytest

from keras_openpose import COCO_18, MPI_15, Skeleton, StageLoss, openpose

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype("float32")
ARM = Skeleton(
    "arm", keypoints=("shoulder", "elbow", "wrist"), limbs=(("shoulder", "elbow"), ("elbow", "wrist"))
)


@pytest.fixture
def tiny():
    """A backbone of stride 8 that builds fast."""
    images = keras.Input((None, None, 3))
    return keras.Model(images, keras.layers.Conv2D(4, 8, strides=8)(images), name="tiny")


# facts of the published networks: the sums of all weights and biases in CMU's prototxt files.
@pytest.mark.parametrize(
    ("skeleton", "num_stages", "parameters"),
    [(COCO_18, 6, 52_311_446), (MPI_15, 6, 51_481_032), (MPI_15, 4, 34_240_880)],
)
def test_parameters_are_those_of_the_published_network(skeleton, num_stages, parameters):
    assert openpose("vgg19", skeleton=skeleton, num_stages=num_stages).count_params() == parameters


def test_every_stage_gives_both_maps_for_the_skeleton(tiny):
    maps = openpose(tiny, skeleton=ARM, num_stages=3)(IMAGE)
    assert maps["heatmaps"].shape == (1, 3, 8, 12, 4)
    assert maps["pafs"].shape == (1, 3, 8, 12, 4)


def test_the_stage_axis_runs_from_the_first_stage_to_the_last(tiny):
    model = openpose(tiny, skeleton=ARM, num_stages=2)
    for stage in (1, 2):
        for kind, channels in (("heatmaps", 4), ("pafs", 4)):
            layer = [layer for layer in model.layers if layer.name.startswith(f"stage{stage}_{kind}_conv")][
                -1
            ]
            layer.set_weights(
                [np.zeros(layer.kernel.shape), np.full(channels, stage + 10.0 * (kind == "pafs"))]
            )
    maps = model(IMAGE)
    for stage in (1, 2):
        assert (np.asarray(maps["heatmaps"])[0, stage - 1] == stage).all()
        assert (np.asarray(maps["pafs"])[0, stage - 1] == stage + 10).all()


def test_a_later_stage_reads_pafs_heatmaps_and_features_in_this_order(tiny):
    # CMU's prototxt, concat_stage2: L1 (PAFs), L2 (heatmaps), conv4_4_CPM.
    model = openpose(tiny, skeleton=ARM, num_stages=2, feature_channels=(8,))
    inputs = [tensor.shape[-1] for tensor in model.get_layer("stage2_input").input]
    names = [tensor._keras_history.operation.name for tensor in model.get_layer("stage2_input").input]
    assert inputs == [4, 4, 8]
    assert names == ["stage1_pafs_conv5", "stage1_heatmaps_conv5", "features_conv1"]


def test_feature_channels_may_be_left_out(tiny):
    names = [layer.name for layer in openpose(tiny, num_stages=1, feature_channels=()).layers]
    assert not [name for name in names if name.startswith("features_conv")]


def test_black_is_minus_a_half_to_vgg19():
    model = openpose("vgg19", num_stages=1)
    normalized = keras.Model(model.input, model.get_layer("normalization").output)
    pixels = np.stack([np.zeros((8, 8, 3)), np.full((8, 8, 3), 128), np.full((8, 8, 3), 256)])
    np.testing.assert_array_equal(
        np.asarray(normalized(pixels.astype("float32")))[:, 0, 0, 0], [-0.5, 0, 0.5]
    )


def test_layers_of_a_named_backbone_can_be_tapped():
    model = openpose("vgg19", num_stages=1)
    features = keras.Model(model.input, model.get_layer("block4_conv2").output)
    assert features(IMAGE).shape == (1, IMAGE.shape[1] // 8, IMAGE.shape[2] // 8, 512)


def test_a_model_within_a_model_may_be_the_backbone(tiny):
    images = keras.Input((None, None, 3))
    wrapped = keras.Model(images, tiny(keras.layers.Rescaling(1 / 255)(images)))
    model, plain = (openpose(one, skeleton=ARM, num_stages=1) for one in (wrapped, tiny))
    plain.set_weights(model.get_weights())
    # 255 times an image, divided by 255, is off by the rounding of float32.
    maps, expected = np.asarray(model(255 * IMAGE)["pafs"]), np.asarray(plain(IMAGE)["pafs"])
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


def test_of_branches_side_by_side_the_last_is_taken():
    images = keras.Input((None, None, 3))
    one, other = (keras.layers.Conv2D(channels, 8, 8)(images) for channels in (5, 6))
    for outputs in ([one, other], [other, one]):
        model = openpose(keras.Model(images, outputs), num_stages=1, feature_channels=())
        assert model.get_layer("stage1_pafs_conv1").input.shape[-1] == outputs[-1].shape[-1]


def test_channels_first_is_an_error(tiny):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(
            ValueError, match=r"need `keras.config.image_data_format\(\)` to be 'channels_last'"
        ):
            openpose(tiny)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("backbone", ["mobilenet", "vgg19"])
def test_a_saved_model_comes_back_equal(backbone, tmp_path):
    model = openpose(backbone, skeleton=ARM, num_stages=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    expected, maps = model(IMAGE), loaded(IMAGE)
    for name in ("heatmaps", "pafs"):
        np.testing.assert_array_equal(np.asarray(maps[name]), np.asarray(expected[name]))


def test_weights_come_from_a_file(tmp_path, tiny):
    model = openpose(tiny, skeleton=ARM, num_stages=1)
    model.save_weights(tmp_path / "arm.weights.h5")
    other = openpose(tiny, skeleton=ARM, num_stages=1, weights=tmp_path / "arm.weights.h5")
    np.testing.assert_array_equal(np.asarray(other(IMAGE)["pafs"]), np.asarray(model(IMAGE)["pafs"]))


def test_weights_of_another_network_are_an_error(tmp_path, tiny):
    openpose(tiny, skeleton=ARM, num_stages=1).save_weights(tmp_path / "arm.weights.h5")
    with pytest.raises(ValueError, match=r"arm.weights.h5 is not a weight file of openpose_tiny"):
        openpose(tiny, num_stages=1, weights=tmp_path / "arm.weights.h5")
    with pytest.raises(
        ValueError, match=r"arm.weights.h5 is not a weight file .* holds 26 arrays, .* has 54"
    ):
        openpose(tiny, skeleton=ARM, num_stages=2, weights=tmp_path / "arm.weights.h5")


def test_a_file_of_more_stages_is_not_cut_down_in_silence(tmp_path, tiny):
    openpose(tiny, skeleton=ARM, num_stages=2).save(tmp_path / "two.keras")
    with pytest.raises(ValueError, match=r"two.keras is not a weight file .* holds 54 arrays, .* has 26"):
        openpose(tiny, skeleton=ARM, num_stages=1, weights=tmp_path / "two.keras")


def test_damaged_and_missing_weight_files_are_errors_that_name_the_file(tmp_path, tiny):
    (tmp_path / "bad.weights.h5").write_bytes(b"not a weight file")
    with pytest.raises(ValueError, match=r"bad.weights.h5 is not a weight file"):
        openpose(tiny, num_stages=1, weights=tmp_path / "bad.weights.h5")
    with pytest.raises(FileNotFoundError, match=r"No such weight file: nowhere.weights.h5"):
        openpose(tiny, num_stages=1, weights="nowhere.weights.h5")


def test_maps_are_float32_under_mixed_precision(tiny):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = openpose(tiny, skeleton=ARM, num_stages=2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("stage2_pafs_conv1").compute_dtype == "bfloat16"
    assert {keras.backend.standardize_dtype(maps.dtype) for maps in model(IMAGE).values()} == {"float32"}


@pytest.mark.parametrize("shape", [(100, 96, 3), (96, 100, 3), (96, 96, 1), (96, 96)])
def test_a_size_that_stride_8_does_not_divide_is_an_error(shape, tiny):
    with pytest.raises(ValueError, match=r"`input_shape` must be .* multiples of 8 or None. Received"):
        openpose(tiny, input_shape=shape)


def test_no_stages_are_an_error(tiny):
    with pytest.raises(ValueError, match=r"`num_stages` must be at least 1. Received: 0"):
        openpose(tiny, num_stages=0)


@pytest.mark.backend
@pytest.mark.parametrize("stages", [1, 2])
def test_logs_and_messages_call_the_maps_by_their_names(stages, tiny):
    model = openpose(tiny, num_stages=stages, skeleton=ARM)
    assert model.output_names == ["heatmaps", "pafs"]
    losses = {"heatmaps": StageLoss(), "pafs": StageLoss()}
    model.compile("sgd", loss=losses, metrics={name: ["mae"] for name in losses})
    cells = np.zeros((1, 4, 4, 4), "float32")
    logs = model.evaluate(
        np.zeros((1, 32, 32, 3)), {"heatmaps": cells, "pafs": cells}, verbose=0, return_dict=True
    )
    assert set(logs) == {"loss", "heatmaps_loss", "pafs_loss", "heatmaps_mae", "pafs_mae"}
