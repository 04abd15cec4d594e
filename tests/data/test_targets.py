"""Targets: hand arithmetic, a second opinion, and the way back through the decoder."""

import contextlib
import io
import math

import numpy as np
import pytest
import tensorflow as tf
from pycocotools.coco import COCO

from ideal_maps import ideal_maps
from keras_openpose import COCO_18, Skeleton, decode_poses, poses_to_coco
from keras_openpose.data.coco import coco_samples
from keras_openpose.data.samples import fill_derived
from keras_openpose.data.targets import heatmap_targets, paf_targets
from keras_openpose.evaluation import coco_figures
from keras_openpose.geometry import resize_coordinates

NAN = (np.nan, np.nan)
ROD = Skeleton("rod", keypoints=("start", "end"), limbs=[("start", "end")])
DOT = Skeleton("dot", keypoints=("dot",))


def heatmaps_of(*people, size=(6, 9), stride=8):
    keypoints = tf.constant(np.asarray(people, np.float32))
    return heatmap_targets(keypoints, size=size, stride=stride).numpy()


def pafs_of(*people, size=(6, 9), stride=8, skeleton=ROD):
    keypoints = tf.constant(np.reshape(people, (-1, skeleton.num_keypoints, 2)), tf.float32)
    return paf_targets(keypoints, skeleton=skeleton, size=size, stride=stride).numpy()


def drawn_cells(pafs):
    """Cells that a limb touches, as {(column, row)}."""
    return {(int(x), int(y)) for y, x in np.argwhere(np.abs(pafs).max(axis=-1) > 0)}


# Heatmaps


def test_three_cells_of_a_gaussian_written_out():
    """Cells of stride 8 lie at 3.5, 11.5, 19.5, ...: 2 and 1, 6 and 1, 10 and 1 pixels from (13.5, 20.5)."""
    heatmap = heatmaps_of([(13.5, 20.5)])[..., 0]
    assert heatmap[2, 1] == pytest.approx(math.exp(-(2**2 + 1**2) / (2 * 49)), rel=1e-6)
    assert heatmap[2, 2] == pytest.approx(math.exp(-(6**2 + 1**2) / 98), rel=1e-6)
    assert heatmap[2, 0] == pytest.approx(math.exp(-(10**2 + 1**2) / 98), rel=1e-6)


def test_below_a_hundredth_a_gaussian_is_0():
    """Of cells at (24, 0), (16, 8) and (16, 16) pixels, exp(-d²/98) is 0.003, 0.038 and 0.005."""
    heatmap = heatmaps_of([(27.5, 27.5)])[..., 0]
    assert heatmap[3, 6] == 0
    assert heatmap[4, 5] == pytest.approx(math.exp(-(16**2 + 8**2) / 98), rel=1e-6)
    assert heatmap[5, 5] == 0


def test_where_people_meet_the_larger_gaussian_counts():
    one, other = [(20.0, 20.0)], [(31.0, 24.0)]
    both = heatmaps_of(one, other)[..., 0]
    np.testing.assert_array_equal(both, np.maximum(heatmaps_of(one)[..., 0], heatmaps_of(other)[..., 0]))


def test_the_background_is_what_the_highest_keypoint_leaves():
    heatmaps = heatmaps_of([(20, 20), (31, 24), (60, 10)])
    np.testing.assert_array_equal(heatmaps[..., -1], 1 - heatmaps[..., :-1].max(axis=-1))
    assert heatmaps[..., -1].min() < 0.1


def test_an_absent_keypoint_draws_nothing():
    heatmaps = heatmaps_of([(20, 20), NAN])
    assert heatmaps[..., 0].max() > 0.9
    assert heatmaps[..., 1].max() == 0


def test_of_no_one_only_the_background_is_lit():
    heatmaps = heatmap_targets(tf.zeros((0, 3, 2)), size=(2, 4)).numpy()
    np.testing.assert_array_equal(heatmaps, np.broadcast_to([0, 0, 0, 1], (2, 4, 4)))


@pytest.mark.parametrize("stride", [4, 16])
def test_sigma_stays_in_pixels_at_other_strides(stride):
    middle = 2 * stride + (stride - 1) / 2
    heatmap = heatmaps_of([(middle, middle)], stride=stride)[..., 0]
    assert heatmap[2, 2] == pytest.approx(1)
    assert heatmap[2, 3] == pytest.approx(math.exp(-(stride**2) / 98), rel=1e-6)


# PAFs


def test_a_level_limb_fills_the_cells_within_one_of_it():
    """From cell 2 to cell 5 of row 2: three rows, and one cell beyond either end."""
    pafs = pafs_of([(19.5, 19.5), (43.5, 19.5)])
    assert drawn_cells(pafs) == {(x, y) for x in range(1, 7) for y in (1, 2, 3)}
    np.testing.assert_array_equal(pafs[2, 3], [1, 0])


def test_a_slanted_limb_holds_its_unit_vector_where_the_line_is_within_a_cell():
    """From cell (1, 1) to (4, 5): 3 across, 4 down, so the unit vector is (0.6, 0.8)."""
    pafs = pafs_of([(11.5, 11.5), (35.5, 43.5)], size=(8, 8))
    np.testing.assert_allclose(pafs[3, 2], [0.6, 0.8], rtol=1e-6)
    # Distance of (x, y) from the line: |0.8 (x - 1) - 0.6 (y - 1)|.
    near = {(x, y) for x in range(6) for y in range(7) if abs(0.8 * (x - 1) - 0.6 * (y - 1)) <= 1 + 1e-6}
    assert drawn_cells(pafs) == near


def test_a_limb_points_from_its_start_to_its_end():
    start, end = (19.5, 19.5), (43.5, 19.5)
    np.testing.assert_array_equal(pafs_of([end, start]), -pafs_of([start, end]))


def test_where_people_cross_the_mean_of_their_vectors_counts():
    across, down = [(3.5, 19.5), (67.5, 19.5)], [(35.5, 3.5), (35.5, 43.5)]
    pafs = pafs_of(across, down)
    np.testing.assert_allclose(pafs[2, 4], [0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(pafs[2, 1], [1, 0])
    np.testing.assert_allclose(pafs[0, 4], [0, 1])


def test_limbs_of_different_kinds_do_not_mix(arm):
    people = [[(3.5, 19.5), (35.5, 19.5), (35.5, 43.5)]]
    pafs = pafs_of(*people, skeleton=arm)
    np.testing.assert_allclose(pafs[2, 2], [1, 0, 0, 0])
    np.testing.assert_allclose(pafs[5, 4], [0, 0, 0, 1])
    np.testing.assert_allclose(pafs[2, 4], [1, 0, 0, 1])


@pytest.mark.parametrize(
    "limb",
    [[(20, 20), NAN], [NAN, (20, 20)], [(20, 20), (20, 20)], [(300, 20), (340, 20)], [(20, -50), (30, -20)]],
    ids=["no end", "no start", "no length", "right of the image", "above the image"],
)
def test_what_is_no_limb_in_sight_draws_nothing(limb):
    assert not pafs_of(limb).any()


def test_a_limb_that_leaves_the_image_is_drawn_up_to_its_border():
    pafs = pafs_of([(43.5, 19.5), (403.5, 19.5)])
    assert drawn_cells(pafs) == {(x, y) for x in range(4, 9) for y in (1, 2, 3)}


def test_a_skeleton_without_limbs_has_maps_without_channels():
    assert pafs_of([(20, 20)], skeleton=DOT).shape == (6, 9, 0)


# The way back through the decoder


def decoded_distance(shift, arm):
    """Mean distance in pixels of decoded keypoints from where they were, before they were shifted."""
    rng = np.random.default_rng(0)
    distances = []
    for _ in range(40):
        person = np.array([(40, 40), (90, 60), (60, 120)]) + rng.uniform(-16, 16, (3, 2))
        keypoints = tf.constant(person[None] + shift, tf.float32)
        heatmaps = heatmap_targets(keypoints, size=(20, 20)).numpy()
        pafs = paf_targets(keypoints, skeleton=arm, size=(20, 20)).numpy()
        poses = decode_poses(heatmaps, pafs, skeleton=arm)
        assert len(poses) == 1
        distances.append(np.linalg.norm(poses.keypoints[0] - person, axis=1))
    return np.mean(distances)


def test_what_is_drawn_is_decoded_where_it_was(arm):
    assert decoded_distance(0, arm) < 0.5  # pixels, of a cell of 8


def test_half_a_cell_off_would_be_seen(arm):
    assert decoded_distance(4, arm) > 5


# A second opinion


def test_maps_drawn_by_a_fixture_agree(draw_maps, arm):
    people = np.array([[(20, 20), (60, 30), (80, 70)], [(100, 90), (60, 95), NAN]], np.float32)
    heatmaps, _ = draw_maps(people, arm, (14, 16))
    drawn = heatmap_targets(tf.constant(people), size=(14, 16)).numpy()
    np.testing.assert_allclose(drawn, heatmaps, atol=0.0101)  # the fixture does not cut Gaussians off


@pytest.fixture(scope="module")
def second_opinion(request):
    """Labeled people in input pixels, with what `ideal_maps`, which shares no code, draws of them."""
    labels = request.getfixturevalue(request.param)
    samples = coco_samples("", labels)
    people = {sample.image_id: fill_derived(sample.keypoints, COCO_18) for sample in samples}
    return labels, [
        (image_id, resize_coordinates(people[image_id], 1 / scale), scale, heatmaps, pafs)
        for image_id, heatmaps, pafs, scale in ideal_maps(labels)
    ]


@pytest.fixture(scope="module")
def real_labels(shared):
    return shared / "data/person_keypoints_val2017_labels_only.json"


DRAWN = pytest.param("drawn_labels", id="synthetic people")
REAL = pytest.param("real_labels", id="real people", marks=[pytest.mark.shared, pytest.mark.slow])


def draw(keypoints, shift_of_pafs=0.0):
    keypoints, size = tf.constant(keypoints, tf.float32), (46, 54)
    pafs = paf_targets(keypoints + shift_of_pafs, skeleton=COCO_18, size=size)
    return heatmap_targets(keypoints, size=size).numpy(), pafs.numpy()


def differing_cells(one, other):
    return (np.abs(one - other) > 1e-4).any(axis=-1)


@pytest.mark.parametrize("second_opinion", [DRAWN, REAL], indirect=True)
def test_maps_of_labels_agree(second_opinion):
    """A cell at the very edge of a limb or Gaussian may fall to either side: fewer than 1 in 10,000 do."""
    cells, differing = 0, 0
    for _, keypoints, _, heatmaps, pafs in second_opinion[1]:
        drawn_heatmaps, drawn_pafs = draw(keypoints)
        np.testing.assert_allclose(drawn_heatmaps, heatmaps, atol=0.0101)  # 0.01: where Gaussians end
        differing += differing_cells(drawn_heatmaps, heatmaps).sum() + differing_cells(drawn_pafs, pafs).sum()
        cells += 2 * pafs[..., 0].size
    assert differing < 1e-4 * cells


@pytest.mark.parametrize("second_opinion", [DRAWN, REAL], indirect=True)
def test_pafs_half_a_cell_off_would_be_seen(second_opinion):
    """As CMU draws them, against the half cell of the heatmaps."""

    def share_of_limb_cells_that_differ(shift):
        counts = [
            (differing_cells(draw(keypoints, shift)[1], pafs).sum(), np.abs(pafs).any(axis=-1).sum())
            for _, keypoints, _, _, pafs in second_opinion[1][:20]
        ]
        return np.divide(*np.sum(counts, axis=0))

    assert share_of_limb_cells_that_differ(0) < 0.01
    assert share_of_limb_cells_that_differ(3.5) > 0.1


@pytest.mark.parametrize("second_opinion", [REAL], indirect=True)
def test_drawn_decoded_and_scored_real_people_reach_the_ap_of_maps_drawn_apart(second_opinion):
    labels, images = second_opinion
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))

    def ap(maps_of):
        found = []
        for image_id, keypoints, scale, *ideal in images:
            poses = decode_poses(*maps_of(keypoints, ideal))
            poses.keypoints[:] = resize_coordinates(poses.keypoints, scale)
            found += poses_to_coco(poses, image_id)
        return coco_figures(truth, found, [image_id for image_id, *_ in images])["AP"]

    ours, theirs = ap(lambda keypoints, ideal: draw(keypoints)), ap(lambda keypoints, ideal: ideal)
    assert theirs > 88
    # They differ in keypoints labeled outside of their image, which count as unlabeled here.
    assert ours == pytest.approx(theirs, abs=0.3)
    half_a_cell_off = ap(lambda keypoints, ideal: draw(keypoints + 4))
    assert half_a_cell_off < ours - 10
