"""Video files: what goes in comes out, and what a bad file is told."""

import cv2
import numpy as np
import pytest

from keras_openpose.video import VideoReader, write_video

COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)]


def plain_frames(count, size=(48, 64)):
    return [np.full((*size, 3), COLORS[n % len(COLORS)], np.uint8) for n in range(count)]


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
        # MPEG-4 keeps plain colours to a few levels; swapped channels would differ by 160.
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


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        VideoReader(tmp_path / "missing.mp4")
    assert error.value.filename == str(tmp_path / "missing.mp4")
    for content in (b"", b"no video at all" * 100):
        (tmp_path / "bad.mp4").write_bytes(content)
        with pytest.raises(ValueError, match=r"Not a video that OpenCV can read.*bad\.mp4"):
            VideoReader(tmp_path / "bad.mp4")
