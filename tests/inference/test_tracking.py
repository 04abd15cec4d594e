"""Identities: by hand, through a crossing, out of sight and back; and the filter."""

import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.inference.tracking import PoseTracker, _oks, _OneEuro

# A body of 18 keypoints, 200 pixels tall.
BODY = np.random.default_rng(0).uniform((-40, -100), (40, 100), (18, 2))
OTHER_BODY = BODY * (0.9, 1.05) + (4, -3)


def moved(body, x, y):
    return body + np.array([x, y])


def poses(*people):
    keypoints = np.array(people, float).reshape(-1, 18, 2)
    scores = (~np.isnan(keypoints[..., 0])).astype(float)
    return ko.Poses(keypoints, scores, scores.sum(axis=1), ko.COCO_18)


def track(frames, **options):
    tracker = PoseTracker(ko.COCO_18, **options)
    return [tracker.update(poses(*frame)) for frame in frames]


def test_oks_is_that_of_coco():
    # Two keypoints in a box of 100 × 40, sigma 0.1; one moved by 10 pixels.
    pose, expected = np.array([[[0, 0], [100, 50]]]), np.array([[[0, 10], [100, 50]]])
    oks = _oks(pose.astype(float), expected.astype(float), np.array([0.1, 0.1]))
    assert oks == pytest.approx((1 + np.exp(-(10**2) / (2 * 100 * 40 * 0.2**2))) / 2)


def test_people_keep_their_ids_whatever_their_order():
    for n, found in enumerate(
        track([[moved(BODY, n, 0), moved(BODY, 300 - n, 0)][:: (-1) ** n] for n in range(10)])
    ):
        assert found.ids.tolist() == [0, 1][:: (-1) ** n]


def test_two_people_who_cross_keep_their_ids():
    # One walks to the right, the other to the left; on frames 18 to 22 the one behind is not found.
    frames = []
    for n in range(40):
        right, left = moved(BODY, 10 * n, 0), moved(OTHER_BODY, 400 - 10 * n, 6)
        frames.append([right] if 18 <= n <= 22 else [left, right] if n % 3 else [right, left])
    found = track(frames)
    first = {found[0].ids[k]: found[0].keypoints[k, :, 0].mean() for k in (0, 1)}
    last = {found[-1].ids[k]: found[-1].keypoints[k, :, 0].mean() for k in (0, 1)}
    assert first.keys() == last.keys() == {0, 1}
    assert first[0] < first[1]
    assert last[0] > last[1]
    assert set(np.concatenate([one.ids for one in found])) == {0, 1}


def test_without_the_expected_movement_the_crossing_would_swap_them(monkeypatch):
    monkeypatch.setattr("keras_openpose.inference.tracking._NEW_SPEED", 0)
    with pytest.raises(AssertionError):
        test_two_people_who_cross_keep_their_ids()


@pytest.mark.parametrize(("away", "comes_back"), [(1, True), (5, True), (6, False)])
def test_who_is_out_of_sight_comes_back_within_the_memory(away, comes_back):
    frames = [[moved(BODY, 3 * n, 0)] for n in range(20)]
    frames[10 : 10 + away] = [[]] * away
    ids = [one.ids.tolist() for one in track(frames, memory=5)]
    assert ids[9] == [0]
    assert ids[10 + away] == ([0] if comes_back else [1])


def test_a_part_of_a_body_is_that_person():
    upper = np.where(np.arange(18)[:, None] < 6, BODY, np.nan)
    ids = [one.ids.tolist() for one in track([[BODY], [upper], [upper + 2], [BODY + 4]])]
    assert ids == [[0]] * 4


def test_somebody_new_gets_a_new_id():
    far = moved(BODY, 500, 0)
    assert [one.ids.tolist() for one in track([[BODY], [far, BODY], [far]])] == [[0], [1, 0], [1]]


def test_nobody_at_all():
    assert [one.ids.tolist() for one in track([[], [BODY], []])] == [[], [0], []]


def test_the_filter_is_that_of_the_paper():
    # The reference algorithm, step by step, for one number.
    values, fps = np.array([10.0, 12, 11, 30, 50]), 20.0

    def weight(cutoff):
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau * fps)

    value, speed, expected = values[0], 0.0, [values[0]]
    for new in values[1:]:
        speed = weight(1.0) * (new - value) * fps + (1 - weight(1.0)) * speed
        a = weight(1.0 + 0.007 * abs(speed))
        value = a * new + (1 - a) * value
        expected.append(value)
    smooth = _OneEuro(fps)
    np.testing.assert_allclose([smooth(np.array([[one, 0.0]]))[0, 0] for one in values], expected)


def test_smoothed_keypoints_tremble_less_and_arrive():
    rng = np.random.default_rng(1)
    frames = [[BODY + rng.normal(0, 2, BODY.shape)] for _ in range(60)] + [[moved(BODY, 20, 0)]] * 60
    raw, smooth = track(frames), track(frames, smooth=25)

    def trembling(found):
        return np.stack([one.keypoints[0] for one in found[20:60]]).std(axis=0).mean()

    assert trembling(smooth) < 0.6 * trembling(raw)
    np.testing.assert_allclose(smooth[-1].keypoints[0], moved(BODY, 20, 0), atol=1)


def test_a_keypoint_that_leaves_and_comes_back_is_where_it_is_seen():
    hidden = BODY.copy()
    hidden[3] = np.nan
    found = track([[BODY], [hidden], [BODY + 5]], smooth=25)
    assert np.isnan(found[1].keypoints[0, 3]).all()
    np.testing.assert_array_equal(found[2].keypoints[0, 3], BODY[3] + 5)
