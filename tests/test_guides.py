"""The guides: their code runs."""

import re
from pathlib import Path

import cv2
import keras
import pytest

import keras_openpose as ko

ROOT = Path(__file__).parents[1]
GUIDES = ("detect", "evaluation", "networks", "own_keypoints", "paper", "training")
# Blocks that need COCO, published weights, or a photograph of the reader's.
NEEDS_MORE = re.compile(r'"coco/|from_preset\("(?!demo_synthetic)|keras_cv|keras_hub')


@pytest.mark.parametrize("name", GUIDES)
def test_the_code_of_the_guide_runs(name, coco_folder, tmp_path, monkeypatch):
    """One block after the other; IMAGE is a picture, IMAGES and ANNOTATIONS are a small COCO data set."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    images, annotations = (str(path) for path in coco_folder)
    image = ko.synthetic_people(1, size=(256, 256), seed=1, progress=False)[0][0]
    cv2.imwrite("image.png", image[..., ::-1])
    names = {"IMAGE": "image.png", "IMAGES": images, "ANNOTATIONS": annotations}
    exec("import keras\nimport keras_openpose as ko", names)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / f"docs/{name}.md").read_text(), re.DOTALL)
    run = [block for block in blocks if not NEEDS_MORE.search(block)]
    assert run
    for block in run:
        exec(compile(block, f"<{name}>", "exec"), names)
