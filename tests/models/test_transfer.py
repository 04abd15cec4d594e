"""Weights for one skeleton in a network of another."""

import zipfile

import keras
import numpy as np
import pytest

import keras_openpose as ko

COCO = ko.COCO_18
IMAGES = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
ROD = ko.Skeleton("rod", keypoints=("base", "tip"), limbs=(("base", "tip"),))


def shuffled(skeleton):
    """The skeleton with its keypoints and limbs in another order, and the channels that they had."""
    rng = np.random.default_rng(1)
    keypoints, limbs = rng.permutation(skeleton.num_keypoints), rng.permutation(skeleton.num_limbs)
    other = ko.Skeleton(
        "shuffled",
        keypoints=[skeleton.keypoints[n] for n in keypoints],
        limbs=[skeleton.limbs[n] for n in limbs],
    )
    pafs = np.stack([2 * limbs, 2 * limbs + 1], axis=1).reshape(-1)
    return other, {"heatmaps": [*keypoints, skeleton.num_keypoints], "pafs": pafs}


def builders():
    yield "openpose", lambda **skeleton: ko.openpose("mobilenet", num_stages=3, **skeleton)
    yield "lightweight", lambda **skeleton: ko.lightweight_openpose(**skeleton)
    yield "mobilenet", lambda **skeleton: ko.mobilenet_openpose("v2_small", **skeleton)
    yield "compact", lambda **skeleton: ko.compact_openpose(**skeleton)
    yield "efficientnet", lambda **skeleton: ko.efficientnet_openpose(**skeleton)
    yield "body_25", lambda **skeleton: ko.body_25(**skeleton)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(build, id=name, marks=[pytest.mark.slow] * (name == "body_25"))
        for name, build in builders()
    ],
)
def test_the_same_keypoints_in_another_order_have_the_same_maps(build, tmp_path):
    other, channels = shuffled(COCO)
    source = build(skeleton=COCO)
    source.save(tmp_path / "source.keras")
    target = build(skeleton=other, weights=tmp_path / "source.keras")
    expected, maps = source(IMAGES), target(IMAGES)
    for kind, order in channels.items():
        # The order of sums differs.
        np.testing.assert_allclose(
            np.asarray(maps[kind]), np.asarray(expected[kind])[..., order], rtol=1e-4, atol=1e-5
        )


def test_of_a_body_that_is_part_of_another_the_first_stage_is_kept():
    arms = ko.Skeleton(
        "arms",
        keypoints=("right_wrist", "right_elbow", "hat"),
        limbs=(("right_elbow", "right_wrist"), ("hat", "right_elbow")),
    )
    source, target = ko.from_preset(), ko.from_preset(skeleton=arms)
    expected, maps = source(IMAGES), target(IMAGES)
    numbers = [COCO.keypoints.index(name) for name in arms.keypoints[:2]] + [COCO.num_keypoints]
    heatmaps = np.asarray(maps["heatmaps"])[:, 0][..., [0, 1, 3]]
    np.testing.assert_allclose(heatmaps, np.asarray(expected["heatmaps"])[:, 0][..., numbers], atol=1e-5)
    limb = COCO.limbs.index(arms.limbs[0])
    pafs = np.asarray(expected["pafs"])[:, 0][..., 2 * limb : 2 * limb + 2]
    np.testing.assert_allclose(np.asarray(maps["pafs"])[:, 0][..., :2], pafs, atol=1e-5)


def test_of_a_stranger_the_features_are_kept_and_the_stages_start_anew(capsys):
    source, target, new = (
        ko.from_preset(),
        ko.from_preset(skeleton=ROD),
        ko.efficientnet_openpose(skeleton=ROD),
    )
    said = capsys.readouterr().out
    assert "They know 0 of 2 keypoints and 0 of 1 limbs of rod: the stages start anew." in said
    assert said.count("\n") == 1
    for name in ("features_block1_conv1", "features_fine_conv"):
        kernels = [model.get_layer(name).get_weights()[0] for model in (source, target, new)]
        np.testing.assert_array_equal(kernels[0], kernels[1])
        assert np.abs(kernels[1] - kernels[2]).max() > 0
    hidden = [model.get_layer("stage1_block1_conv1").get_weights()[0] for model in (source, target)]
    assert np.abs(hidden[0] - hidden[1]).max() > 0
    assert target.skeleton == ROD
    assert target.predict_options == {}  # those of the preset suit its own maps


@pytest.mark.parametrize("feature_channels", [(), (8,)])
@pytest.mark.parametrize("other", [ROD, shuffled(COCO)[0]], ids=["stranger", "of the same keypoints"])
def test_a_backbone_of_ones_own_keeps_its_weights_whatever_its_name(other, feature_channels, tmp_path):
    def backbone():
        images = keras.Input((None, None, 3))
        patches = keras.layers.Conv2D(4, 8, 8, padding="same", activation="relu", name="stage1_patches")
        return keras.Model(images, patches(images), name="stage1_backbone")

    def build(**arguments):
        return ko.openpose(backbone(), num_stages=2, feature_channels=feature_channels, **arguments)

    source = build()
    source.save(tmp_path / "source.keras")
    target = build(skeleton=other, weights=tmp_path / "source.keras")
    kernels = [model.get_layer("stage1_backbone").get_weights()[0] for model in (source, target)]
    np.testing.assert_array_equal(*kernels)


def test_weights_of_another_network_are_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"of another network\. Choose 'lightweight_coco', .*'body_25'"):
        ko.lightweight_openpose(weights="body_25")
    with pytest.raises(ValueError, match=r"must be trained ones\. Choose 'body_25', or a file.*'coco'"):
        ko.body_25(weights="coco")


def test_a_damaged_file_is_told_by_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "damaged.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ValueError, match=r"damaged\.keras is not a weight file"):
        ko.compact_openpose(weights=tmp_path / "damaged.keras")
