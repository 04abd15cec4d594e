"""CMU's networks of 2017 from their published files, against OpenCV's reading of the same files."""

import numpy as np
import pytest

import caffe_network
from keras_openpose import COCO_18, MPI_15, from_preset, openpose
from keras_openpose.models.converters.cmu import load_cmu
from torch_files import CONTAINERS

pytestmark = pytest.mark.slow
SIZES = [(64, 96), (104, 72)]  # 104 is a multiple of 8 but not of 16
# Float32 sums of up to 9,000 products through 50 layers, which OpenCV adds up in another order.
SAME = 1e-3
STAGES = {
    "heatmaps": ["conv5_5_CPM_L2", *(f"Mconv7_stage{stage}_L2" for stage in range(2, 7))],
    "pafs": ["conv5_5_CPM_L1", *(f"Mconv7_stage{stage}_L1" for stage in range(2, 7))],
}


def published(skeleton, folder):
    network = caffe_network.openpose(skeleton.num_keypoints, skeleton.num_limbs)
    return caffe_network.Published(network, folder, STAGES, SIZES)


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return published(COCO_18, tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def mpi(tmp_path_factory):
    return published(MPI_15, tmp_path_factory.mktemp("mpi"))


@pytest.fixture(scope="module")
def model(coco):
    return from_preset("openpose_vgg19_coco", file=coco.file)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_stage_is_what_opencv_gets_from_the_caffe_model(size, model, coco):
    assert coco.largest_difference(model, size) < SAME


def test_all_of_the_file_is_in_the_model(model, coco):
    assert model.count_params() == sum(array.size for array in coco.weights.values()) == 52_311_446


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stages"), [("openpose_vgg19_mpi", 6), ("openpose_vgg19_mpi_4_stages", 4)])
def test_the_networks_of_mpi_are_what_opencv_gets(name, stages, mpi):
    model = from_preset(name, file=mpi.file)
    assert model.output["pafs"].shape[1] == stages
    assert mpi.largest_difference(model) < SAME


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_pytorch_file_gives_the_same_weights_whatever_its_name(container, coco, model, tmp_path):
    (tmp_path / "body_pose_model.bin").write_bytes(CONTAINERS[container](coco.weights))
    other = from_preset("openpose_vgg19_coco", file=tmp_path / "body_pose_model.bin")
    for weight, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


MISTAKES = {
    "BGR taken for RGB": ("block1_conv1", lambda kernel: kernel[:, :, ::-1]),
    "a transposed kernel": ("stage3_pafs_conv2", lambda kernel: kernel.transpose(1, 0, 2, 3)),
    "a kernel of the first stage transposed": ("stage1_heatmaps_conv1", lambda k: k.transpose(1, 0, 2, 3)),
    "in and out exchanged": ("stage6_heatmaps_conv6", lambda kernel: kernel.transpose(0, 1, 3, 2)),
    "the maps exchanged before stage 2": (
        "stage2_pafs_conv1",
        lambda kernel: np.concatenate([kernel[:, :, 38:57], kernel[:, :, :38], kernel[:, :, 57:]], axis=2),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_sees(mistake, model, coco):
    with caffe_network.changed(model, *MISTAKES[mistake]):
        assert coco.largest_difference(model) > 10 * SAME


def test_layers_that_the_published_network_lacks_are_listed(coco):
    other = openpose("vgg19", num_stages=1, feature_channels=(256, 128, 128))
    with pytest.raises(ValueError, match=r"2 not filled: features_conv3/bias, features_conv3/kernel"):
        load_cmu(other, coco.file, network="openpose")


def test_the_comparison_sees_a_skipped_stage(model, coco):
    layers = [layer for layer in model.layers if layer.name.startswith("stage4_") and layer.weights]
    kept = [layer.get_weights() for layer in layers]
    for layer in layers:
        layer.set_weights(model.get_layer(layer.name.replace("stage4", "stage3")).get_weights())
    try:
        assert coco.largest_difference(model) > 10 * SAME
    finally:
        for layer, weights in zip(layers, kept, strict=True):
            layer.set_weights(weights)
