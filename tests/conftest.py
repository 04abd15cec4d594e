"""What the test modules share: the real data beside the checkout, a trained network, synthetic people."""

import json
import os
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when Keras loads TensorFlow

import cv2
import hypothesis
import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.skeletons import COCO_KEYPOINTS


def pytest_configure(config):
    """Few examples in the fast tier, many in the full one; the same in every run of a tier."""
    examples = 10 if "not slow" in config.option.markexpr else 100
    # No deadline: how long an example takes depends on the machine.
    hypothesis.settings.register_profile(
        "tier", derandomize=True, deadline=None, database=None, max_examples=examples
    )
    hypothesis.settings.load_profile("tier")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs, labels and weights beside the checkout."""
    folder = Path(__file__).parents[2] / "shared"
    needed = ("data/coco/val2017", "weights/mobilenet_v2_small_graph_opt.pb")
    if not all((folder / name).exists() for name in needed):
        pytest.skip(f"needs the real data in {folder}: python benchmarks/fetch_photographs.py")
    return folder


@pytest.fixture(scope="session")
def mobilenet(shared) -> keras.Model:
    """A network with its published weights."""
    return ko.from_preset("mobilenet_v2_small_coco", file=shared / "weights/mobilenet_v2_small_graph_opt.pb")


@pytest.fixture(scope="session")
def arm() -> ko.Skeleton:
    """A body of three keypoints and two limbs."""
    return ko.Skeleton(
        "arm",
        keypoints=("shoulder", "elbow", "wrist"),
        limbs=(("shoulder", "elbow"), ("elbow", "wrist")),
    )


@pytest.fixture(scope="session")
def draw_maps():
    """Draws the maps that a perfect network would give of people, independently of `targets`.

    Peaks are Gaussians of 7 pixels, PAFs unit vectors up to one cell from the limb. A cell lies in the
    middle of the pixels that it covers.
    """

    def draw(people, skeleton, size, stride=8):
        """`people`: `(people, keypoints, 2)` in pixels, NaN where absent. `size`: of the maps."""
        height, width = size
        cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)  # (height, width, xy)
        pixels = np.stack([np.arange(n * stride, (n + 1) * stride).mean() for n in range(max(size))])[cells]
        heatmaps = np.zeros((height, width, skeleton.num_keypoints + 1), np.float32)
        pafs = np.zeros((height, width, 2 * skeleton.num_limbs), np.float32)
        number = {name: n for n, name in enumerate(skeleton.keypoints)}
        for person in np.asarray(people, float):
            for n, xy in enumerate(person):
                if not np.isnan(xy).any():
                    bump = np.exp(-((pixels - xy) ** 2).sum(axis=-1) / (2 * 7**2))
                    heatmaps[..., n] = np.maximum(heatmaps[..., n], bump)
            for n, (start, end) in enumerate(skeleton.limbs):
                start, end = person[number[start]], person[number[end]]
                if np.isnan(start).any() or np.isnan(end).any() or (start == end).all():
                    continue
                along = end - start
                place = np.clip((pixels - start) @ along / (along @ along), 0, 1)
                distance = np.linalg.norm(pixels - (start + place[..., None] * along), axis=-1)
                pafs[distance <= stride, 2 * n : 2 * n + 2] = along / np.linalg.norm(along)
        heatmaps[..., -1] = 1 - heatmaps[..., :-1].max(axis=-1)
        return heatmaps, pafs

    return draw


@pytest.fixture(scope="session")
def arm_model() -> keras.Model:
    """A network that sees shoulders, elbows and wrists in red, green and blue dots, of hanging arms."""
    images = keras.Input((None, None, 3), name="images")
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(images))
    heatmaps = keras.layers.Conv2D(4, 1, name="heatmaps_conv")
    pafs = keras.layers.Conv2D(4, 1, name="pafs_conv")
    outputs = {"heatmaps": heatmaps(cells)[:, None], "pafs": pafs(cells)[:, None]}
    colors_and_background = np.concatenate([np.eye(3), -np.ones((3, 1))], axis=1)[None, None]
    heatmaps.set_weights([colors_and_background, np.array([0, 0, 0, 1])])
    pafs.set_weights([np.zeros((1, 1, 3, 4)), np.array([0, 1, 0, 1])])
    return keras.Model(images, outputs)


@pytest.fixture(scope="session")
def photograph_arms():
    """Paints arms as the dots that `arm_model` sees."""

    def paint(size, arms, sigma=10.0, brightness=1.0):
        """`arms`: `(arms, 3, 2)` in pixels. `sigma`: of the dots, in pixels. RGB, `(height, width, 3)`."""
        y, x = np.mgrid[: size[0], : size[1]]
        image = np.zeros((*size, 3))
        for arm in np.asarray(arms, float):
            for color, xy in enumerate(arm):
                dot = np.exp(-((x - xy[0]) ** 2 + (y - xy[1]) ** 2) / (2 * sigma**2))
                image[..., color] = np.maximum(image[..., color], 255 * brightness * dot)
        return np.rint(image).astype(np.uint8)

    return paint


@pytest.fixture(scope="session")
def coco_folder(tmp_path_factory):
    """A few synthetic people as a COCO folder: photographs and labels."""
    folder = tmp_path_factory.mktemp("coco")
    return ko.synthetic_people(4, size=(96, 128), people=(1, 2), folder=folder, progress=False)


# COCO's 17 keypoints of somebody who stands: from the middle of the body, in heights of it.
STANDING = np.array([
    (0, -0.42), (0.03, -0.45), (-0.03, -0.45), (0.07, -0.43), (-0.07, -0.43), (0.13, -0.28), (-0.13, -0.28),
    (0.19, -0.1), (-0.19, -0.1), (0.23, 0.04), (-0.23, 0.04), (0.09, 0.03), (-0.09, 0.03), (0.1, 0.26),
    (-0.1, 0.26), (0.11, 0.47), (-0.11, 0.47),
])  # fmt: skip


@pytest.fixture(scope="session")
def drawn_labels(tmp_path_factory):
    """A COCO label file of people who stand side by side, of a crowd, and of a photograph of no one."""
    random, images, rows = np.random.default_rng(0), [], []
    for image_id in range(13):
        height, width = (int(side) for side in random.integers(160, 700, 2))
        images.append({"id": image_id, "file_name": f"{image_id}.jpg", "height": height, "width": width})
        count = 0 if image_id == 12 else 1 + image_id % 3
        for n in range(count):
            tall = min(0.9 * height, 1.6 * width / count) * random.uniform(0.8, 1)
            keypoints = STANDING * tall + ((n + 0.5) * width / count, height / 2)
            keypoints = np.rint(keypoints + random.normal(0, 0.01 * tall, (17, 2)))
            seen = np.where(random.random(17) < 0.15, 0, random.integers(1, 3, 17))
            box = [*keypoints.min(axis=0), *np.ptp(keypoints, axis=0)]
            rows.append({
                "id": len(rows) + 1, "image_id": image_id, "category_id": 1, "iscrowd": 0,
                "keypoints": (np.column_stack([keypoints, seen]) * (seen > 0)[:, None]).ravel().tolist(),
                "num_keypoints": int((seen > 0).sum()), "bbox": box, "area": 0.3 * tall**2,
            })  # fmt: skip
    rows.append({
        **rows[0], "id": len(rows) + 1, "iscrowd": 1, "num_keypoints": 0, "keypoints": [0] * 51,
        "bbox": [0, 0, 20, 20], "segmentation": {"size": [1, 1], "counts": [1]},
    })  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINTS)}
    path = tmp_path_factory.mktemp("labels") / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": [category]}))
    return path


@pytest.fixture(scope="session")
def write_turned():
    """Writes a photograph as a camera does that is held otherwise: turned pixels, and a tag that says how."""

    def write(path: Path, upright, orientation):
        """`upright`: RGB. `orientation`: of EXIF, 1 to 8. The path ends in `.jpg` or `.png`."""
        # EXIF 2.3, 4.6.4: at which sides of the scene the first row and the first column of the file lie.
        row, column = ("tl", "tr", "br", "bl", "lt", "rt", "rb", "lb")[orientation - 1]
        stored = upright.swapaxes(0, 1) if row in "lr" else upright
        stored = stored[::-1] if row in "br" else stored
        stored = stored[:, ::-1] if column in "br" else stored
        data = cv2.imencode(path.suffix, stored[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 100))[1].tobytes()
        exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + bytes(6)
        if path.suffix == ".jpg":
            segment, place = b"Exif\0\0" + exif, 2
            segment = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
        else:
            segment, place = b"eXIf" + exif, 33  # behind the header
            segment = len(exif).to_bytes(4, "big") + segment + zlib.crc32(segment).to_bytes(4, "big")
        path.write_bytes(data[:place] + segment + data[place:])
        return path

    return write
