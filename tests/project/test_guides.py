"""The README and the guides: their code runs."""

import re
from pathlib import Path

import cv2
import keras
import pytest

import keras_openpose as ko
from keras_openpose.models.presets import DEFAULT_PRESET

ROOT = Path(__file__).parents[2]
GUIDES = [
    "README.md",
    "docs/backends.md",
    "docs/coco.md",
    "docs/coming_from.md",
    "docs/detect.md",
    "docs/evaluation.md",
    "docs/export.md",
    "docs/labels.md",
    "docs/networks.md",
    "docs/own_keypoints.md",
    "docs/paper.md",
    "docs/quickstart.md",
    "docs/save_load_share.md",
    "docs/training.md",
    "docs/whole_body.md",
]
# Blocks that need weights which have to be downloaded, or a package that the tests do without.
NEEDS_MORE = re.compile(
    r'weights="imagenet"|from_preset\("(openpose_vgg19_coco|hand_21|body_25)"|keras_cv|keras_hub'
)


@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDES)
def test_the_code_of_the_guide_runs(name, tmp_path, monkeypatch):
    """One block after the other, in a folder with a photograph and a small COCO, both drawn.

    IMAGE, IMAGES and ANNOTATIONS are their paths. The network that comes along stands in for the published.
    """
    if name == "docs/export.md":
        pytest.importorskip("ai_edge_litert", reason='needs the extra "export"')
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    images, annotations = ko.synthetic_people(
        4, size=(96, 128), people=(1, 2), folder="coco", split="val2017", progress=False
    )
    scene = ko.synthetic_people(1, size=(256, 256), seed=1, progress=False)[0][0]
    cv2.imwrite("photo.jpg", scene[..., ::-1])
    presets = {None: DEFAULT_PRESET, "mobilenet_v2_small_coco": DEFAULT_PRESET}
    from_preset = ko.from_preset

    def choose(preset=None, **options):
        return from_preset(presets.get(preset, preset), **options)

    monkeypatch.setattr(ko, "from_preset", choose)
    names = {"IMAGE": "photo.jpg", "IMAGES": str(images), "ANNOTATIONS": str(annotations)}
    exec("import keras\nimport keras_openpose as ko", names)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    run = [block for block in blocks if not NEEDS_MORE.search(block)]
    assert run
    for block in run:
        exec(compile(block, f"<{name}>", "exec"), names)
