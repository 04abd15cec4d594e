"""Title: People in a video, with ids that stay
Description: From frames to a drawn video, in which everybody keeps a number.

    python examples/video.py --output crossing.mp4

The video is drawn: two people who walk past each other. A file, a camera or a stream goes the same way:
`ko.predict_video(ko.from_preset(), "clip.mp4")`.
"""

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--frames", type=int, default=60)
parser.add_argument("--output", type=Path, default=Path("crossing.mp4"))
arguments = parser.parse_args()
height, width, fps = 192, 320, 20

# ## The cast
#
# One drawn person a scene, cut out by the outline of the label: those who stand upright, and of whom most is
# seen.

images, labels = ko.synthetic_people(60, size=(height, height), people=(1, 1), seed=3, progress=False)
cast = []
for person in labels["annotations"]:
    left, top, wide, high = (round(n) for n in person["bbox"])
    if person["num_keypoints"] >= 14 and 0.6 < high / height < 0.85 and high > 2 * wide:
        outline = [np.reshape(ring, (-1, 2)).astype(int) for ring in person["segmentation"]]
        mask = cv2.fillPoly(np.zeros((height, height), np.uint8), outline, 1).astype(bool)
        cut = slice(top, top + high), slice(left, left + wide)
        cast.append((images[person["image_id"] - 1][cut], mask[cut]))
cast = sorted(cast, key=lambda person: -len(person[0]))[:2]

# ## The video
#
# A wall and a floor. The taller one walks to the right; the other passes in front, to the left.

rng = np.random.default_rng(0)
stage = np.full((height, width, 3), (150, 160, 170), np.uint8)
stage[150:] = (110, 100, 90)
stage = np.clip(stage + rng.normal(0, 4, stage.shape), 0, 255).astype(np.uint8)


def film():
    for time in np.linspace(0, 1, arguments.frames):
        frame = stage.copy()
        for way, (picture, mask) in zip((time, 1 - time), cast):
            high, wide = mask.shape
            left, top = round(way * (width - wide)), height - high - 8 + round(3 * np.sin(40 * time))
            frame[top : top + high, left : left + wide][mask] = picture[mask]
        yield frame


# ## People, frame by frame
#
# `ids` stay with people through the crossing. Frames are read and the network runs while the last result is
# drawn and written.

model = ko.from_preset("demo_synthetic")
writer = cv2.VideoWriter(str(arguments.output), cv2.VideoWriter_fourcc(*"mp4v"), fps, (width, height))
seen = []
people = ko.predict_video(model, film(), fps=fps, smooth=True, flip=True, min_score=0.4, min_keypoints=8)
for frame, poses in people:
    writer.write(ko.draw_poses(frame, poses)[..., ::-1])
    seen.append(poses.ids.tolist())
writer.release()

# ## Who was there
#
# Two people, two ids. In the frames where one hides the other, either may be missed: the id waits.

counts = {id: sum(id in ids for ids in seen) for id in sorted(set(itertools.chain(*seen)))}
for id, count in counts.items():
    print(f"person {id}: in {count} of {len(seen)} frames")
print(f"{len(cast)} people were drawn. {arguments.output}: {arguments.output.stat().st_size // 1024} kB")
