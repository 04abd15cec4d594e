"""Videos, cameras and streams: frames in, people with identities, frames out."""

import contextlib
import errno
import math
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from keras_openpose.inference.forward import Network, find_skeleton
from keras_openpose.inference.predict import check_prediction, load_photograph, predict_poses
from keras_openpose.inference.tracking import PoseTracker
from keras_openpose.inference.whole_body import PartFinder
from keras_openpose.poses import Poses, WholeBody
from keras_openpose.skeletons import Skeleton
from keras_openpose.writing import write_whole

_Item = TypeVar("_Item")

# Files without an index state a rough number of frames, from their length in seconds.
_COUNT_TOLERANCE = 0.02


def predict_video(
    model: Network,
    video: int | str | os.PathLike | Iterable[np.ndarray],
    *,
    skeleton: Skeleton | None = None,
    hands: Network | None = None,
    face: Network | None = None,
    memory: int = 15,
    smooth: bool = False,
    fps: float | None = None,
    batch_size: int | None = None,
    **predict,
) -> Iterator[tuple[np.ndarray, Poses | WholeBody]]:
    """Find the people of a video, frame by frame, with identities that stay with them.

    Poses of successive frames are matched by OKS; everybody is expected to move on as before. Reading and
    network run ahead while your code uses the results. A network that is slower than a camera or stream
    gets the latest frame, and earlier ones are dropped.

    Args:
        model: a network of this package, any model with its inputs and outputs, or an exported one
            (`load_exported`).
        video: a file, the number of a camera (0 is the first), the address of a stream
            (`rtsp://...`), or any iterable of frames, `(height, width, 3)`, RGB from 0 to 255. Frames are
            copied: the iterable may use one array for all.
        skeleton: keypoints and limbs. Defaults to the network's own; only a plain model, which has none,
            needs it.
        hands: a network of one right hand, as `predict_whole_body` takes it. The squares around hands are
            steadied by the hands of the frame before, as in OpenPose. Defaults to none: no hands.
        face: a network of one face. Defaults to none: no faces.
        memory: frames that a person may be out of sight and keep the id. Defaults to 15.
        smooth: whether to smooth the keypoints of bodies by the one-euro filter.
        fps: frames a second, for the filter. Defaults to what the video states, else 25.
        batch_size: frames that run at once. Defaults to 8, for cameras and streams to 1.
        **predict: arguments of `predict_poses` and, through it, of `decode_poses`.

    Returns:
        An iterator of frames, RGB, each with its `Poses`, whose `ids` count from 0. With `hands` or `face`,
        each frame has a `WholeBody`, whose `body` has the ids.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the video cannot be read, an argument is out of range, or the skeleton lacks what hands
            or faces need.
        TypeError: there is no such argument.

    Example:
        ```python
        import numpy as np
        from keras_openpose import openpose, predict_video

        model = openpose("mobilenet", num_stages=1)  # not trained: finds only noise
        frames = (np.zeros((96, 128, 3), "uint8") for _ in range(3))
        for frame, poses in predict_video(model, frames, input_size=(96, 128)):
            assert len(poses.ids) == len(poses)
        ```
    """
    check_prediction("predict_video", predict, predict_video)
    if memory < 0:
        raise ValueError(f"`memory` must be at least 0. Received: {memory}.")
    shape: tuple[int, ...] = getattr(video, "shape", ())
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)):
        raise ValueError(
            f"`video` must hold frames. Received: an array of shape {shape}; one image is for "
            "`predict_poses`."
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if fps is not None and not 0 < fps < math.inf:
        raise ValueError(f"`fps` must be a positive number. Received: {fps}.")
    frames = VideoReader(video) if isinstance(video, (int, str, os.PathLike)) else video
    fps = fps or getattr(frames, "fps", 25.0)
    skeleton = find_skeleton(model, skeleton)
    tracker = PoseTracker(skeleton, memory=memory, smooth=fps if smooth else None)
    parts = None
    if hands is not None or face is not None:
        parts = PartFinder(skeleton, hands=hands, face=face, batch_size=batch_size or 8)
    live = getattr(frames, "live", False)
    size = batch_size or (1 if live else 8)
    if not isinstance(frames, VideoReader):
        frames = (np.array(load_photograph(frame)) for frame in frames)

    def find(batches: Iterable[list[np.ndarray]]) -> Iterator[tuple[np.ndarray, Poses | WholeBody]]:
        before: WholeBody | None = None
        for batch in batches:
            found = predict_poses(model, batch, skeleton=skeleton, batch_size=size, **predict)
            for frame, poses in zip(batch, found, strict=True):
                people = tracker.update(poses)
                if parts:
                    (before,) = parts.find([frame], [people], before)
                    yield frame, before
                else:
                    yield frame, people

    if live:
        batches = _batches_until_error(_ahead(frames, 1, latest=True), size)
    else:
        batches = _ahead(_batches_until_error(frames, size), 1)
    return _ahead(find(batches), size)


def _batches_until_error(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items in lists of `size`; items before an error come before it."""
    batch = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _ahead(items: Iterable[_Item], count: int, *, latest: bool = False) -> Iterator[_Item]:
    """The items; a thread makes up to `count` ahead. With `latest`, new ones replace those that wait."""
    made: queue.Queue = queue.Queue(count)
    given_up = threading.Event()
    end = object()

    def hand_over(item, error=None):
        while not given_up.is_set():
            try:
                made.put((item, error), timeout=0.1)
                return
            except queue.Full:
                continue

    def make():
        try:
            for item in items:
                if latest:
                    with contextlib.suppress(queue.Empty):
                        made.get_nowait()
                hand_over(item)
                if given_up.is_set():
                    return
            hand_over(end)
        except BaseException as error:  # raised where the items are used
            hand_over(end, error)
        finally:
            getattr(items, "close", lambda: None)()  # also ends what it reads from

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error:
                raise error
            if item is end:
                return
            yield item
    finally:
        given_up.set()
        thread.join(timeout=5)  # a stream that has stalled may keep its reader for longer


class VideoReader:
    """The frames of a video, once: iterating gives RGB arrays `(height, width, 3)`, `uint8`.

    Args:
        source: a file of any kind that OpenCV reads, the number of a camera, or the address of a stream
            (with `://`).

    Attributes:
        fps: frames a second.
        frame_count: number of frames that the file states, perhaps roughly; 0 if it states none.
        live: whether it is a camera or a stream, whose number of frames is unknown.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no video, or the file, camera or stream gives no readable frame.
    """

    def __init__(self, source: int | str | os.PathLike):
        self._source, live = source, is_live(source)
        if not (isinstance(source, int) or live or Path(source).is_file()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
        self._capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        self._more = self._capture.isOpened() and self._capture.grab()
        if not self._more:
            if live:
                raise ValueError(f"Not a camera or stream that OpenCV can open: {source}")
            raise ValueError(f"Not a video that OpenCV can read, or a damaged one: {source}")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and fps > 0 else 25.0
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.live = live and not self.frame_count  # an address may be that of a file
        self._read, self._milliseconds = 0, 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        while self._more:
            retrieved, frame = self._capture.retrieve()
            if not retrieved:
                return
            self._read, self._milliseconds = self._read + 1, self._capture.get(cv2.CAP_PROP_POS_MSEC)
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            self._more = self._capture.grab()

    def check_complete(self):
        """Refuse a video that gave fewer frames than the file states and ended too early.

        At a variable frame rate, OpenCV states the length in seconds times a nominal rate.

        Raises:
            ValueError: the video broke off.
        """
        tolerance = max(1, _COUNT_TOLERANCE * self.frame_count)
        left = self.frame_count - self._milliseconds / 1000 * self.fps  # the last frame has no end
        if self.frame_count - self._read > tolerance and left > tolerance + 1:
            raise ValueError(
                f"The video breaks off after {self._read} of {self.frame_count} frames: {self._source}"
            )


def is_live(source: int | str | os.PathLike) -> bool:
    """Whether a source is the number of a camera or the address of a stream, not a file."""
    return isinstance(source, int) or (isinstance(source, str) and "://" in source)


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray], *, fps: float) -> int:
    """Write frames as an MP4 file, whole or not at all.

    Ctrl-C ends the video: the file keeps the frames until then, and the interrupt is raised again.

    Args:
        path: file to write, ending in `.mp4`. One that exists is replaced.
        frames: RGB arrays `(height, width, 3)`, `uint8`, all of one size, at least one. The codec cuts
            an odd height or width by one pixel.
        fps: frames a second.

    Returns:
        How many frames were written.

    Raises:
        ValueError: there are no frames, or one of another size than the first.
        OSError: the file cannot be written.
    """
    interrupt = None
    with write_whole(path) as temporary:
        count, writer, size = 0, None, None
        try:
            for frame in frames:
                size = size or frame.shape[:2]
                if frame.shape[:2] != size:
                    raise ValueError(f"Frames must be of one size, {size}. Received: {frame.shape[:2]}.")
                writer = writer or _open_writer(temporary, size, fps)
                writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
                count += 1
        except KeyboardInterrupt as error:
            if not count:
                raise
            interrupt = error
        finally:
            if writer:
                writer.release()
        if not count:
            raise ValueError("A video must have at least one frame. Received: none.")
        # OpenCV says nothing when the disk is full: the file then lacks its end, with the index.
        # The file may hold one frame more: Ctrl-C can come between a frame and its count.
        if cv2.VideoCapture(str(temporary)).get(cv2.CAP_PROP_FRAME_COUNT) < count:
            raise OSError(
                errno.EIO, f"Not all of the {count} frames could be written; is the disk full?", str(path)
            )
    if interrupt:
        raise interrupt
    return count


def _open_writer(path: Path, size: tuple[int, int], fps: float) -> cv2.VideoWriter:
    # MPEG-4, which every build of OpenCV writes; its clock takes no finer fractions at high rates.
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), max(round(fps, 2), 0.01), size[::-1])
    if not writer.isOpened():
        raise OSError(errno.EIO, f"OpenCV cannot write a video of height {size[0]} and width {size[1]}")
    return writer
