"""The maps that a perfect COCO-18 network would give of labeled people: NumPy, and nothing of the package.

A second opinion on `keras_openpose.data.targets`, and maps of real people for `decode_poses`. Every number is
that of the paper and of CMU's code, written out once more.
"""

import json
from pathlib import Path

import numpy as np

INPUT = (368, 432)  # height, width
STRIDE = 8
MAPS = (INPUT[0] // STRIDE, INPUT[1] // STRIDE)
SIGMA = 7.0  # of a Gaussian, in pixels
LIMB_WIDTH = 1.0  # to either side of a limb, in cells

COCO = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
)
CHANNELS = (
    *("nose", "neck", "right shoulder", "right elbow", "right wrist"),
    *("left shoulder", "left elbow", "left wrist", "right hip", "right knee", "right ankle"),
    *("left hip", "left knee", "left ankle", "right eye", "left eye", "right ear", "left ear"),
)
LIMBS = (
    *(("neck", "right hip"), ("right hip", "right knee"), ("right knee", "right ankle")),
    *(("neck", "left hip"), ("left hip", "left knee"), ("left knee", "left ankle")),
    *(("neck", "right shoulder"), ("right shoulder", "right elbow"), ("right elbow", "right wrist")),
    ("right shoulder", "right ear"),
    *(("neck", "left shoulder"), ("left shoulder", "left elbow"), ("left elbow", "left wrist")),
    ("left shoulder", "left ear"),
    *(("neck", "nose"), ("nose", "right eye"), ("nose", "left eye")),
    *(("right eye", "right ear"), ("left eye", "left ear")),
)


def named(keypoints):
    """A person's 51 numbers in a COCO file as `{name: (x, y)}` of what is labeled, with a neck."""
    rows = dict(zip(COCO, np.reshape(keypoints, (17, 3)).astype(float), strict=True))
    person = {name: row[:2] for name, row in rows.items() if row[2] > 0}
    if "left shoulder" in person and "right shoulder" in person:
        person["neck"] = (person["left shoulder"] + person["right shoulder"]) / 2
    return person


def draw_heatmaps(people):
    """Gaussians that end at a hundredth, the largest of all people, and what they leave as background."""
    rows, columns = np.indices(MAPS) * STRIDE + (STRIDE - 1) / 2  # the middles of the cells, in pixels
    heatmaps = np.zeros((*MAPS, len(CHANNELS) + 1), np.float32)
    for person in people:
        for name, (x, y) in person.items():
            gaussian = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SIGMA**2))
            gaussian[gaussian <= 0.01] = 0
            channel = heatmaps[..., CHANNELS.index(name)]
            np.maximum(channel, gaussian, out=channel)
    heatmaps[..., -1] = 1 - heatmaps[..., :-1].max(axis=-1)
    return heatmaps


def limb_cells(start, end, direction):
    """Cells up to `LIMB_WIDTH` beside the limb, in the box around it that is wider by as much."""
    rows, columns = np.indices(MAPS)
    beside = np.abs((columns - start[0]) * direction[1] - (rows - start[1]) * direction[0]) <= LIMB_WIDTH
    (left, top), (right, bottom) = np.minimum(start, end), np.maximum(start, end)
    across = (columns >= left - LIMB_WIDTH) & (columns <= right + LIMB_WIDTH)
    down = (rows >= top - LIMB_WIDTH) & (rows <= bottom + LIMB_WIDTH)
    return beside & across & down


def draw_pafs(people):
    """Unit vectors along the limbs, the mean of all people whose limb touches a cell."""
    pafs = np.zeros((*MAPS, len(LIMBS), 2), np.float32)
    touched = np.zeros((*MAPS, len(LIMBS), 1), np.float32)
    for person in people:
        for limb, names in enumerate(LIMBS):
            if not all(name in person for name in names):
                continue
            start, end = ((person[name] - (STRIDE - 1) / 2) / STRIDE for name in names)  # in cells
            length = np.linalg.norm(end - start)
            if length > 1e-6:
                cells = limb_cells(start, end, (end - start) / length)
                pafs[cells, limb] += (end - start) / length
                touched[cells, limb] += 1
    return (pafs / np.maximum(touched, 1)).reshape(*MAPS, 2 * len(LIMBS))


def ideal_maps(labels):
    """For each image on which a person is labeled: its id, heatmaps, PAFs, and its pixels per input pixel."""
    content = json.loads(Path(labels).read_text())
    people = {}
    for row in content["annotations"]:
        if row["category_id"] == 1:
            crowd = row["iscrowd"] or not row["num_keypoints"]
            people.setdefault(row["image_id"], []).append({} if crowd else named(row["keypoints"]))
    for image in content["images"]:
        if image["id"] in people:
            ratio = min(INPUT[0] / image["height"], INPUT[1] / image["width"])
            fitted = [
                {name: (xy + 0.5) * ratio - 0.5 for name, xy in person.items()}
                for person in people[image["id"]]
            ]
            yield image["id"], draw_heatmaps(fitted), draw_pafs(fitted), 1 / ratio


def coco_row(keypoints):
    """18 keypoints in the order of the channels, NaN where absent, as the 51 numbers of a COCO result."""
    rows = (keypoints[CHANNELS.index(name)] for name in COCO)
    return [float(v) for x, y in rows for v in ((0, 0, 0) if np.isnan(x) else (x, y, 1))]
