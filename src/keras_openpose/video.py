"""Video files: frames in, frames out."""

import errno
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from keras_openpose.writing import write_whole

# Files without an index state about how many frames they have, from their length in seconds.
_COUNT_TOLERANCE = 0.02


class VideoReader:
    """The frames of a video file: iterating gives them once, RGB arrays `(height, width, 3)`, `uint8`.

    Args:
        path: file of any kind that OpenCV reads.

    Attributes:
        fps: frames a second.
        frame_count: how many frames the file states, which may be about; 0 if it states none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no video, or one without a frame that can be read.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self._capture = cv2.VideoCapture(str(path))
        self._more = self._capture.isOpened() and self._capture.grab()
        if not self._more:
            raise ValueError(f"Not a video that OpenCV can read, or a damaged one: {path}")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and fps > 0 else 25.0
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._read = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        while self._more:
            retrieved, frame = self._capture.retrieve()
            if not retrieved:
                return
            self._read += 1
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            self._more = self._capture.grab()

    def check_complete(self):
        """Refuse a video of which fewer frames came than the file states.

        Raises:
            ValueError: the video broke off.
        """
        if self.frame_count - self._read > max(1, _COUNT_TOLERANCE * self.frame_count):
            raise ValueError(
                f"The video breaks off after {self._read} of {self.frame_count} frames: {self._path}"
            )


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray], *, fps: float) -> int:
    """Write frames as an MP4 file, whole or not at all.

    Ctrl-C ends the video there: the file of the frames until then is kept, and the interrupt goes on.

    Args:
        path: file to write, ending in `.mp4`. One that exists is replaced.
        frames: RGB arrays `(height, width, 3)`, `uint8`, all of one size, at least one. The codec cuts
            an odd height or width by one pixel.
        fps: frames a second.

    Returns:
        How many frames were written.

    Raises:
        OSError: the file cannot be written.
    """
    interrupt = None
    with write_whole(path) as temporary:
        count, writer = 0, None
        try:
            for frame in frames:
                writer = writer or _open_writer(temporary, frame.shape[:2], fps)
                writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
                count += 1
        except KeyboardInterrupt as error:
            if not count:
                raise
            interrupt = error
        finally:
            if writer:
                writer.release()
        # OpenCV says nothing when the disk is full: the file then lacks its end, with the index.
        # It may hold one more: Ctrl-C can come between a frame and its count.
        if cv2.VideoCapture(str(temporary)).get(cv2.CAP_PROP_FRAME_COUNT) < max(count, 1):
            raise OSError(
                errno.EIO, f"Not all of the {count} frames could be written; is the disk full?", str(path)
            )
    if interrupt:
        raise interrupt
    return count


def _open_writer(path: Path, size: tuple[int, int], fps: float) -> cv2.VideoWriter:
    # MPEG-4, which every build of OpenCV writes; its clock takes no finer fractions at high rates.
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), max(round(fps, 2), 0.01), size[::-1])
    if not writer.isOpened():
        raise OSError(errno.EIO, f"OpenCV cannot write a video of height {size[0]} and width {size[1]}")
    return writer
