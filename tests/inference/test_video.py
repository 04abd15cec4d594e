"""Videos: what goes in comes out, people keep their ids, work overlaps, and what a bad file is told."""

import math
import threading
import time

import cv2
import numpy as np
import pytest

from keras_openpose import predict_video
from keras_openpose.inference.runtimes import ExportedNetwork
from keras_openpose.inference.video import VideoReader, _ahead, write_video

COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)]


def plain_frames(count, size=(48, 64)):
    return [np.full((*size, 3), COLORS[n % len(COLORS)], np.uint8) for n in range(count)]


class Capture:
    """A `cv2.VideoCapture` of so many frames; `answer` is asked for properties, with the frames so far."""

    def __init__(self, count, answer):
        self.count, self.read, self.answer = count, 0, answer

    def isOpened(self):
        return True

    def grab(self):
        self.read += 1
        return self.read <= self.count

    def retrieve(self):
        return True, np.full((8, 8, 3), (1, 2, 3), np.uint8)

    def get(self, what):
        return self.answer(what, self.read)


@pytest.fixture
def broken_off(tmp_path):
    """An AVI of noise, cut in the middle: its head states 40 frames."""
    path, noise = tmp_path / "broken.avi", np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(40):
        writer.write(noise.integers(0, 256, (48, 64, 3)).astype(np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("fps", [25, 29.97, 7.5, 120.0055])
def test_a_video_comes_back_with_its_frames_rate_and_colors(tmp_path, fps):
    assert write_video(tmp_path / "colors.mp4", plain_frames(12), fps=fps) == 12
    video = VideoReader(tmp_path / "colors.mp4")
    assert video.frame_count == 12
    assert video.fps == pytest.approx(fps, abs=0.005)  # written to 2 decimals
    frames = list(video)
    video.check_complete()
    assert len(frames) == 12
    for frame, color in zip(frames, COLORS * 3, strict=True):
        # MPEG-4 keeps plain colors to a few levels; swapped channels would differ by 160.
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), color, atol=12)
    assert [path.name for path in tmp_path.iterdir()] == ["colors.mp4"]


def test_an_odd_size_loses_at_most_a_pixel(tmp_path):
    write_video(tmp_path / "odd.mp4", plain_frames(3, size=(49, 65)), fps=25)
    assert next(iter(VideoReader(tmp_path / "odd.mp4"))).shape == (48, 64, 3)


def test_an_interrupt_leaves_a_playable_file_of_the_frames_until_then(tmp_path):
    def frames():
        yield from plain_frames(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "cut.mp4", frames(), fps=25)
    assert len(list(VideoReader(tmp_path / "cut.mp4"))) == 5


def test_an_error_or_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path):
    def frames(count, error):
        yield from plain_frames(count)
        raise error

    with pytest.raises(OSError, match="disk"):
        write_video(tmp_path / "cut.mp4", frames(5, OSError("disk")), fps=25)
    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "cut.mp4", frames(0, KeyboardInterrupt()), fps=25)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3)).astype(np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Not all of the 60 frames .* is the disk full\?") as error:
            write_video(tmp_path / "noise.mp4", noise, fps=25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(tmp_path / "noise.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_breaks_off_gives_its_frames_and_then_is_refused(broken_off):
    video = VideoReader(broken_off)
    assert video.frame_count == 40
    assert 15 <= len(list(video)) <= 20
    with pytest.raises(ValueError, match=r"breaks off after \d+ of 40 frames: .*broken\.avi"):
        video.check_complete()


@pytest.mark.parametrize(("milliseconds", "whole"), [(10_285, True), (2_933, False)])
def test_of_a_variable_rate_the_time_says_whether_it_is_whole(monkeypatch, tmp_path, milliseconds, whole):
    """90 frames, of which the later ones stay for longer: 10.3 s, which are stated as 310 of a 30th each."""

    stated = {cv2.CAP_PROP_FPS: 30.0, cv2.CAP_PROP_FRAME_COUNT: 310.0}
    capture = Capture(90, lambda what, read: stated.get(what, milliseconds * (read - 1) / 89))
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: capture)
    (tmp_path / "clip.mkv").touch()
    video = VideoReader(tmp_path / "clip.mkv")
    assert len(list(video)) == 90
    if whole:
        video.check_complete()
    else:
        with pytest.raises(ValueError, match="breaks off after 90 of 310 frames"):
            video.check_complete()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "A video must have at least one frame"),
        (plain_frames(2) + plain_frames(1, size=(64, 64)), r"of one size, \(48, 64\). Received: \(64, 64\)"),
    ],
)
def test_frames_that_make_no_video_are_refused(frames, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "clip.mp4", frames, fps=25)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        VideoReader(tmp_path / "missing.mp4")
    assert error.value.filename == str(tmp_path / "missing.mp4")
    for content in (b"", b"no video at all" * 100):
        (tmp_path / "bad.mp4").write_bytes(content)
        with pytest.raises(ValueError, match=r"Not a video that OpenCV can read.*bad\.mp4"):
            VideoReader(tmp_path / "bad.mp4")


@pytest.mark.parametrize("source", [99, "rtsp://127.0.0.1:1/none"])
def test_a_camera_or_stream_that_is_not_there_is_refused(source):
    with pytest.raises(ValueError, match=f"Not a camera or stream that OpenCV can open: {source}"):
        VideoReader(source)


def test_an_address_of_so_many_frames_is_that_of_a_file(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: Capture(3, lambda what, read: 3.0))
    assert not VideoReader("http://127.0.0.1/clip.mp4").live


def test_a_camera_is_read_frame_by_frame(monkeypatch):
    camera = Capture(3, lambda what, read: -1.0)  # as cameras answer
    monkeypatch.setattr(cv2, "VideoCapture", {0: camera}.get)
    video = VideoReader(0)
    assert (video.live, video.fps, video.frame_count) == (True, 25.0, 0)
    assert [frame[0, 0].tolist() for frame in video] == [[3, 2, 1]] * 3


# People with identities


def crossing(count=24):
    """Two arms that hang down; one goes right, the other left, a little lower. `(count, 2, 3, 2)`."""
    n = np.arange(count)[:, None]
    arm = np.array([(0, 10), (2, 60), (0, 110)])
    right, left = (arm + np.concatenate([x, 0 * x], axis=1)[:, None] for x in (40 + 10 * n, 270 - 10 * n))
    return np.stack([right, left + np.array([0, 70])], axis=1)


@pytest.mark.parametrize("as_file", [False, True], ids=["frames", "a file"])
def test_two_people_who_cross_in_a_video_keep_their_ids(as_file, arm, arm_model, photograph_arms, tmp_path):
    arms = crossing()
    video = [photograph_arms((224, 320), people) for people in arms]
    if as_file:
        write_video(tmp_path / "crossing.mp4", video, fps=25)
        video = tmp_path / "crossing.mp4"
    options = {"skeleton": arm, "input_size": (224, 320), "min_score": 0.5, "merge_distance": 0}
    found = list(predict_video(arm_model, video, **options))
    assert len(found) == len(arms)
    for (frame, poses), people in zip(found, arms, strict=True):
        assert frame.shape == (224, 320, 3)
        assert sorted(poses.ids) == [0, 1]
        # The codec moves dots by a pixel or two.
        order = poses.ids if found[0][1].keypoints[0, 0, 0] < 150 else 1 - poses.ids
        np.testing.assert_allclose(poses.keypoints, people[order], atol=6)


def test_frames_may_share_one_array(arm, arm_model, photograph_arms):
    buffer = np.empty((224, 320, 3), np.uint8)

    def frames():
        for people in (crossing(1)[0], []):
            buffer[:] = photograph_arms((224, 320), people)
            yield buffer

    options = {"skeleton": arm, "input_size": (224, 320), "min_score": 0.5, "merge_distance": 0}
    assert [len(poses) for _, poses in predict_video(arm_model, frames(), **options)] == [2, 0]


def test_frames_may_be_paths_or_a_grey_array(arm, arm_model, photograph_arms, tmp_path):
    frame = photograph_arms((224, 320), crossing(1)[0])
    cv2.imwrite(str(tmp_path / "frame.png"), frame[..., ::-1])
    options = {"skeleton": arm, "input_size": (224, 320), "min_score": 0.5, "merge_distance": 0}
    assert [len(poses) for _, poses in predict_video(arm_model, [tmp_path / "frame.png"], **options)] == [2]
    assert len(list(predict_video(arm_model, np.zeros((2, 224, 320), np.uint8), **options))) == 2


def test_one_image_is_no_video(arm, arm_model):
    with pytest.raises(ValueError, match=r"`video` must hold frames.*\(48, 64, 3\).*`predict_poses`"):
        predict_video(arm_model, np.zeros((48, 64, 3), np.uint8), skeleton=arm)


class Slow:
    """A network and a camera that take their time, and do nothing else."""

    def __init__(self, seconds):
        self.seconds = seconds
        maps = {"heatmaps": 4, "pafs": 4}
        self.network = ExportedNetwork((None, None, None, 3), maps, self.call)

    def call(self, images):
        time.sleep(self.seconds * len(images))
        return dict.fromkeys(("heatmaps", "pafs"), np.zeros((len(images), 4, 4, 4), np.float32))

    def frames(self, count):
        for _ in range(count):
            time.sleep(self.seconds)
            yield np.zeros((32, 32, 3), np.uint8)


def test_reading_network_and_use_overlap(arm):
    slow, count, start = Slow(0.02), 40, time.perf_counter()
    for _ in predict_video(slow.network, slow.frames(count), skeleton=arm, input_size=(32, 32), batch_size=1):
        time.sleep(slow.seconds)
    # One after the other they take three times 0.02 s a frame.
    assert time.perf_counter() - start < 0.75 * 3 * count * slow.seconds


@pytest.mark.parametrize(("frame_count", "all_of_them"), [(-1.0, False), (60.0, True)])
def test_of_a_camera_or_stream_the_latest_frame_is_looked_at(frame_count, all_of_them, arm, monkeypatch):
    stream = Capture(60, lambda what, read: frame_count)  # as quick as it is read
    stream.retrieve = lambda: (True, np.full((32, 32, 3), stream.read, np.uint8))
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: stream)
    options = {"skeleton": arm, "input_size": (32, 32), "batch_size": 1}
    found = predict_video(Slow(0.02).network, "rtsp://127.0.0.1/stream", **options)
    numbers = [int(frame[0, 0, 0]) for frame, _ in found]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 60
    assert (len(numbers) == 60) == all_of_them


def test_an_error_on_the_way_arrives_and_no_thread_stays(arm):
    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise OSError("the cable")

    before = threading.active_count()
    found = predict_video(Slow(0).network, frames(), skeleton=arm, input_size=(32, 32), batch_size=8)
    next(found)
    with pytest.raises(OSError, match="the cable"):
        next(found)
    assert threading.active_count() == before


def test_a_video_that_is_left_early_is_read_no_further(arm):
    before, read = threading.active_count(), []

    def frames():
        for n in range(1000):
            read.append(n)
            yield np.zeros((32, 32, 3), np.uint8)

    video = predict_video(Slow(0.001).network, frames(), skeleton=arm, input_size=(32, 32), batch_size=1)
    next(video)
    video.close()
    assert threading.active_count() == before
    assert len(read) < 20


def test_items_made_ahead_come_in_order_and_no_more_than_asked_for():
    made = []
    items = _ahead((made.append(n) or n for n in range(50)), 3)
    assert next(items) == 0
    time.sleep(0.1)
    assert len(made) <= 5  # one used, three waiting, one in hand
    assert list(items) == list(range(1, 50))


def test_a_wrong_argument_is_told_before_the_first_frame(arm_model):
    with pytest.raises(ValueError, match=r"`memory` must be at least 0. Received: -1"):
        predict_video(arm_model, [], memory=-1)
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 1. Received: 0"):
        predict_video(arm_model, [], batch_size=0)
    for fps in (0, -25, math.nan, math.inf):
        with pytest.raises(ValueError, match=rf"`fps` must be a positive number. Received: {fps}"):
            predict_video(arm_model, [], fps=fps)
    with pytest.raises(FileNotFoundError):
        predict_video(arm_model, "missing.mp4")
