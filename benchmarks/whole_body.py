"""Bodies, hands and faces of one photograph: the time in all against the networks' forward passes alone.

    python benchmarks/whole_body.py [--repeats 5]

The networks are `body_25`, `hand_openpose` and `face_openpose` with random weights, crops of 368×368 in
batches of 8. Random weights find nobody: the body network runs, and then gives maps of ten synthetic people
instead of its own, of whom seven show their arms and seven their faces, twenty-one crops.
`predict_whole_body` and the forward passes on batches of those shapes take turns. Prints the seconds of both
by the clock and of the processor, which other work on the machine hardly changes, and the median ratios.
"""

import argparse
import time

import numpy as np

from keras_openpose import (
    BODY_25,
    FACE_70,
    HAND_21,
    body_25,
    face_openpose,
    hand_openpose,
    predict_whole_body,
)
from keras_openpose.inference.forward import forward_pass
from keras_openpose.inference.runtimes import ExportedNetwork

SIZE, CROP, BATCH = (368, 656), 368, 8
# From the neck, in pixels.
PLACES = {
    "neck": (0, 0), "nose": (0, -28), "right_eye": (-7, -34), "left_eye": (7, -34), "right_ear": (-13, -31),
    "left_ear": (13, -31), "right_shoulder": (-15, 2), "right_elbow": (-22, 34), "right_wrist": (-24, 64),
    "left_shoulder": (15, 2), "left_elbow": (22, 34), "left_wrist": (24, 64), "mid_hip": (0, 70),
}  # fmt: skip
HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")


def people() -> list[dict]:
    """Ten people in two rows. The first three hide their wrists, the last three turn their backs."""
    found = []
    for n in range(10):
        neck = np.array([60 + 125 * (n // 2), 70 + 180 * (n % 2)])
        hidden = ("right_wrist", "left_wrist") if n < 3 else HEAD if n > 6 else ()
        found.append({name: neck + place for name, place in PLACES.items() if name not in hidden})
    return found


def draw_maps(people: list[dict]) -> dict[str, np.ndarray]:
    """The maps of a network that sees these people: `(1, height / 8, width / 8, channels)` each."""
    height, width = SIZE[0] // 8, SIZE[1] // 8
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) * 8 + 3.5
    heatmaps = np.zeros((height, width, BODY_25.num_keypoints + 1), np.float32)
    pafs = np.zeros((height, width, 2 * BODY_25.num_limbs), np.float32)
    for person in people:
        for name, place in person.items():
            n, distance = BODY_25.keypoints.index(name), ((pixels - place) ** 2).sum(axis=-1)
            heatmaps[..., n] = np.maximum(heatmaps[..., n], np.exp(-distance / (2 * 7**2)))
        for n, (start, end) in enumerate(BODY_25.limbs):
            if start in person and end in person:
                along = person[end] - person[start]
                part = np.clip((pixels - person[start]) @ along / (along @ along), 0, 1)
                distance = np.linalg.norm(pixels - (person[start] + part[..., None] * along), axis=-1)
                pafs[distance <= 8, 2 * n : 2 * n + 2] = along / np.linalg.norm(along)
    return {"heatmaps": heatmaps[None], "pafs": pafs[None]}


def seconds(work) -> tuple[float, float]:
    """By the clock, and of the processor."""
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    bodies, hands, face = body_25(), hand_openpose(), face_openpose()
    looks = [forward_pass(*pair) for pair in ((bodies, BODY_25), (hands, HAND_21), (face, FACE_70))]
    maps = draw_maps(people())

    def call(images):
        looks[0](images)
        return maps

    channels = {name: value.shape[-1] for name, value in maps.items()}
    body = ExportedNetwork((1, *SIZE, 3), channels, call)
    photograph = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)

    def find():
        return predict_whole_body(photograph, body=body, hands=hands, face=face, batch_size=BATCH)

    found = find()  # compiles
    boxes = (found.left_hand_boxes, found.right_hand_boxes), (found.face_boxes,)
    counts = [int(np.isfinite(np.concatenate(group)[:, 0]).sum()) for group in boxes]
    batches = [(looks[0], np.zeros((1, *SIZE, 3), np.float32))]
    for look, count in zip(looks[1:], counts, strict=True):
        for first in range(0, count, BATCH):
            shape = min(BATCH, count - first), CROP, CROP, 3
            batches.append((look, np.zeros(shape, np.float32)))

    rows = [
        (seconds(find), seconds(lambda: [look(crops) for look, crops in batches])) for _ in range(repeats)
    ]
    rows = np.array(rows)  # (repeats, together and alone, clock and processor)
    print(f"{len(found)} people, {counts[0]} crops of hands, {counts[1]} of faces, median of {repeats}")
    ratios = np.median(rows[:, 0] / rows[:, 1], axis=0)
    for n, kind in enumerate(("clock", "processor")):
        together, alone = np.median(rows[..., n], axis=0)
        print(f"{kind}: {together:.2f} s, the networks alone {alone:.2f} s, ratio {ratios[n]:.3f}")


if __name__ == "__main__":
    main()
