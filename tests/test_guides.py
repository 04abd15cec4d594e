"""The guides: their code runs."""

import re
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
NEEDS_ALL_OF_COCO = '"coco/'


@pytest.mark.parametrize("name", ["training.md"])
def test_the_code_of_the_guide_runs(name, coco_folder, tmp_path, monkeypatch):
    """One block after the other, with IMAGES and ANNOTATIONS a small COCO data set."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    images, annotations = (str(path) for path in coco_folder)
    names = {"IMAGES": images, "ANNOTATIONS": annotations}
    exec("import keras\nimport keras_openpose as ko", names)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text(), re.DOTALL)
    run = [block for block in blocks if NEEDS_ALL_OF_COCO not in block]
    assert len(run) == len(blocks) - 1
    for block in run:
        exec(compile(block, f"<{name}>", "exec"), names)
