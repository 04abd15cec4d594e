"""OpenPose's default network: its form, and its published file against OpenCV's reading of it."""

import keras
import numpy as np
import pytest

import caffe_network
from keras_openpose import BODY_25, COCO_18, body_25, from_preset, predict_poses
from torch_files import CONTAINERS

SIZES = [(64, 96), (104, 72)]  # 104 is a multiple of 8 but not of 16
# Float32 sums of up to 3,500 products through 70 layers, which OpenCV adds up in another order.
SAME = 1e-3
STAGES = {
    "heatmaps": ["Mconv7_stage0_L1", "Mconv7_stage1_L1"],
    "pafs": [f"Mconv7_stage{stage}_L2" for stage in range(4)],
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    network = caffe_network.body_25()
    return caffe_network.Published(network, tmp_path_factory.mktemp("body_25"), STAGES, SIZES)


@pytest.fixture(scope="module")
def model(published):
    return from_preset("body_25", file=published.file)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_stage_is_what_opencv_gets_from_the_caffe_model(size, model, published):
    assert published.largest_difference(model, size) < SAME


@pytest.mark.slow
def test_all_of_the_file_is_in_the_model(model, published):
    assert model.count_params() == sum(array.size for array in published.weights.values()) == 26_166_084


MISTAKES = {
    "BGR taken for RGB": ("block1_conv1", lambda kernel: kernel[:, :, ::-1]),
    "a transposed kernel": ("stage2_heatmaps_block3_conv2", lambda kernel: kernel.transpose(1, 0, 2, 3)),
    "slopes of zero": ("stage1_pafs_block2_prelu3", np.zeros_like),
    "slopes of another order": ("block4_prelu2", lambda slopes: slopes[..., ::-1]),
    "the maps exchanged before the last stage": (
        "stage2_heatmaps_block1_conv1",
        lambda kernel: np.concatenate(
            [kernel[:, :, :128], kernel[:, :, 154:], kernel[:, :, 128:154]], axis=2
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_sees(mistake, model, published):
    with caffe_network.changed(model, *MISTAKES[mistake]):
        assert published.largest_difference(model) > 10 * SAME


@pytest.mark.slow
def test_the_torch_copy_gives_the_same_weights(model, published, tmp_path):
    (tmp_path / "pose_iter_584000.caffemodel.pt").write_bytes(CONTAINERS["zip"](published.weights))
    other = from_preset("body_25", file=tmp_path / "pose_iter_584000.caffemodel.pt")
    for weight, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


@pytest.mark.slow
def test_converted_weights_make_an_equal_network(model, tmp_path):
    model.save_weights(tmp_path / "mine.weights.h5")
    other = body_25(weights=tmp_path / "mine.weights.h5")
    for weight, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


@pytest.mark.slow
def test_the_file_of_another_network_is_an_error(published):
    with pytest.raises(ValueError, match=r"does not hold the weights of hand_openpose, nothing was loaded"):
        from_preset("hand_21", file=published.file)


@pytest.mark.slow
def test_people_of_25_keypoints_come_out(model):
    poses = predict_poses(model, np.zeros((64, 96, 3), np.uint8), skeleton=BODY_25, input_size=(64, 96))
    assert poses.skeleton is BODY_25
    assert poses.keypoints.shape[1:] == (25, 2)
    with pytest.raises(ValueError, match=r"must be that of the network, BODY_25.* Received: COCO_18"):
        predict_poses(model, np.zeros((64, 96, 3), np.uint8), skeleton=COCO_18, input_size=(64, 96))


@pytest.mark.slow
def test_maps_are_float32_under_mixed_precision_and_the_model_comes_back_equal(arm, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = body_25(skeleton=arm)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    image = caffe_network.photograph((64, 96))
    maps, again = model(image), loaded(image)
    for name, shape in (("heatmaps", (1, 2, 8, 12, 4)), ("pafs", (1, 4, 8, 12, 4))):
        assert maps[name].shape == shape
        assert keras.backend.standardize_dtype(maps[name].dtype) == "float32"
        np.testing.assert_array_equal(np.asarray(again[name]), np.asarray(maps[name]))
