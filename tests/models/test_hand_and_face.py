"""CMU's hand and face networks: published files against OpenCV's reading of them, and one from its maps."""

import cv2
import keras
import numpy as np
import pytest

import caffe_network
from keras_openpose import (
    HAND_21,
    Skeleton,
    decode_poses,
    draw_poses,
    from_preset,
    hand_openpose,
    predict_poses,
)
from keras_openpose.models.presets import PRESETS
from torch_files import CONTAINERS

DOT = Skeleton("dot", keypoints=["dot"])
SIZES = [(64, 64), (104, 72)]
# Float32 sums of up to 7,000 products through 50 layers, which OpenCV adds up in another order.
SAME = 1e-3
STAGES = {"heatmaps": ["conv6_2_CPM", *(f"Mconv7_stage{stage}" for stage in range(2, 7))]}
# Parameters that CMU's prototxt files count.
PUBLISHED = {"hand_21": 36_832_324, "face_70": 38_425_706}


@pytest.fixture(scope="module", params=PUBLISHED)
def preset(request):
    return request.param


@pytest.fixture(scope="module")
def published(preset, tmp_path_factory):
    network = caffe_network.hand_or_face(PRESETS[preset].skeleton.num_keypoints)
    return caffe_network.Published(network, tmp_path_factory.mktemp(preset), STAGES, SIZES)


@pytest.fixture(scope="module")
def model(preset, published):
    return from_preset(preset, file=published.file)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_stage_is_what_opencv_gets_from_the_caffe_model(size, model, published):
    assert published.largest_difference(model, size) < SAME


@pytest.mark.slow
def test_all_of_the_file_is_in_the_model(preset, model, published):
    assert (
        model.count_params() == sum(array.size for array in published.weights.values()) == PUBLISHED[preset]
    )


MISTAKES = {
    "BGR taken for RGB": ("block1_conv1", lambda kernel: kernel[:, :, ::-1]),
    "a transposed kernel": ("stage3_heatmaps_conv2", lambda kernel: kernel.transpose(1, 0, 2, 3)),
    "maps and features exchanged": ("stage2_heatmaps_conv1", lambda kernel: np.roll(kernel, 22, axis=2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_sees(mistake, model, published):
    with caffe_network.changed(model, *MISTAKES[mistake]):
        assert published.largest_difference(model) > 10 * SAME


@pytest.mark.slow
def test_the_pytorch_file_gives_the_same_weights(preset, model, published, tmp_path):
    (tmp_path / "model.pth").write_bytes(CONTAINERS["stream"](published.weights))
    other = from_preset(preset, file=tmp_path / "model.pth")
    for weight, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


@pytest.mark.slow
def test_the_file_of_the_other_is_refused(preset, published):
    (other,) = set(PUBLISHED) - {preset}
    with pytest.raises(ValueError, match=f"does not hold the weights of {PRESETS[other].network}"):
        from_preset(other, file=published.file)


@pytest.mark.slow
def test_a_saved_model_comes_back_equal_and_gives_float32(tmp_path, arm):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = hand_openpose(skeleton=arm)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    image = caffe_network.photograph((64, 64))
    maps, again = model(image)["heatmaps"], loaded(image)["heatmaps"]
    assert maps.shape == (1, 6, 8, 8, 4)
    assert keras.backend.standardize_dtype(maps.dtype) == "float32"
    np.testing.assert_array_equal(np.asarray(maps), np.asarray(again))


@pytest.fixture
def hand():
    """A hand, `(21, 2)` in pixels of 368×368: the fingers as rays from the wrist, without the pinky's tip."""
    angles = np.radians([-60, -30, 0, 30, 60])
    rays = np.stack([np.sin(angles), -np.cos(angles)], axis=-1)
    joints = [(184, 300) + 50 * length * ray for ray in rays for length in (1, 2, 3, 4)]
    keypoints = np.array([(184, 300), *joints])
    keypoints[-1] = np.nan
    return keypoints


def test_one_hand_is_the_highest_peak_of_each_heatmap(hand, draw_maps):
    strong, _ = draw_maps([hand], HAND_21, (46, 46))
    weak, _ = draw_maps([hand[:, ::-1]], HAND_21, (46, 46))
    poses = decode_poses(np.maximum(strong, 0.6 * weak), np.zeros((46, 46, 0)), skeleton=HAND_21)
    assert len(poses) == 1
    present = ~np.isnan(hand[:, 0])
    # Peaks of heatmaps drawn at stride 8 are found to half a pixel.
    np.testing.assert_allclose(poses.keypoints[0, present], hand[present], atol=1)
    assert poses.scores[0, present].min() > 0.8
    assert draw_poses(np.zeros((368, 368, 3), np.uint8), poses).any()


@pytest.mark.parametrize("smoothed", [0.5, 1.5])
def test_in_maps_of_noise_the_highest_of_all_peaks_is_found(smoothed):
    """All peaks of a heatmap are what a skeleton of one keypoint without limbs finds there."""
    maps = np.random.default_rng(0).standard_normal((46, 46, 22)).astype(np.float32)
    maps = cv2.GaussianBlur(maps, (0, 0), smoothed)
    everything = {"peak_threshold": 0, "min_score": 0, "min_peak_score": 0, "merge_distance": 0}
    one = decode_poses(maps, maps[..., :0], skeleton=HAND_21, **everything)
    for n in range(HAND_21.num_keypoints):
        peaks = decode_poses(maps[..., [n, -1]], maps[..., :0], skeleton=DOT, **everything)
        assert len(peaks) > 1
        np.testing.assert_allclose(one.keypoints[0, n], peaks.keypoints[0, 0], atol=1e-3)


def test_no_peaks_are_no_hand():
    poses = decode_poses(np.zeros((46, 46, 22)), np.zeros((46, 46, 0)), skeleton=HAND_21)
    assert len(poses) == 0


def test_a_crop_of_any_size_gives_one_hand_in_its_pixels(hand, draw_maps):
    """A network that gives the drawn maps whatever it sees."""
    maps, _ = draw_maps([hand], HAND_21, (46, 46))
    images = keras.Input((368, 368, 3), name="images")
    cells = keras.layers.AveragePooling2D(8)(images)
    heatmaps = keras.layers.Conv2D(22, 1, kernel_initializer="zeros")(cells) + maps
    model = keras.Model(images, {"heatmaps": keras.ops.expand_dims(heatmaps, 1)})
    poses = predict_poses(model, np.zeros((184, 184, 3), np.uint8), skeleton=HAND_21)
    present = ~np.isnan(hand[:, 0])
    np.testing.assert_allclose(poses.keypoints[0, present], (hand[present] + 0.5) / 2 - 0.5, atol=0.5)
    for option in ("flip", "refine"):
        with pytest.raises(ValueError, match=r"`flip` and `refine`, .*, need a network with PAFs"):
            predict_poses(model, np.zeros((184, 184, 3), np.uint8), skeleton=HAND_21, **{option: True})
