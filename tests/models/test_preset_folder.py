"""Networks as folders to share."""

import json
import sys
import types

import numpy as np
import pytest

import keras_openpose as ko

ROD = ko.Skeleton("rod", keypoints=("base", "tip"), limbs=(("base", "tip"),))
IMAGES = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")


def heatmaps(model):
    return np.asarray(model(IMAGES)["heatmaps"])


@pytest.fixture
def model():
    model = ko.openpose("mobilenet", skeleton=ROD, num_stages=1)
    model.predict_options = {"input_size": (64, 96), "min_score": 0.3}
    return model


@pytest.fixture
def folder(model, tmp_path):
    return model.save_to_preset(tmp_path / "rod", license="CC0-1.0, a rod of our own")


def test_a_network_comes_back_from_its_folder(model, folder):
    loaded = ko.from_preset(folder)
    assert loaded.skeleton == ROD
    assert loaded.predict_options.keys() == model.predict_options.keys()
    np.testing.assert_array_equal(heatmaps(loaded), heatmaps(model))


def test_the_folder_is_read_by_people(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.json",
        "model.weights.h5",
        "preset.json",
    ]
    card = json.loads((folder / "preset.json").read_text())
    assert card["license"] == "CC0-1.0, a rod of our own"
    assert card["skeleton"]["limbs"] == [["base", "tip"]]


def test_options_that_were_edited_in_the_file_hold(folder):
    card = json.loads((folder / "preset.json").read_text())
    card["predict_options"] = {"max_people": 1}
    (folder / "preset.json").write_text(json.dumps(card))
    assert ko.from_preset(folder).predict_options == {"max_people": 1}


def test_a_skeleton_that_was_edited_in_one_file_alone_is_refused(folder):
    card = json.loads((folder / "preset.json").read_text())
    card["skeleton"]["keypoints"] = ["base", "top"]
    card["skeleton"]["limbs"] = [["base", "top"]]
    (folder / "preset.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"preset\.json and model\.json have different skeletons"):
        ko.from_preset(folder)


def test_a_folder_of_the_hub_is_downloaded_by_its_own_package(model, folder, monkeypatch):
    asked = []
    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = lambda name: asked.append(name) or str(folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    loaded = ko.from_preset("hf://someone/rod")
    assert asked == ["someone/rod"]
    np.testing.assert_array_equal(heatmaps(loaded), heatmaps(model))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="hf://someone/rod needs huggingface_hub: pip install"):
        ko.from_preset("hf://someone/rod")


def test_what_is_no_such_folder_is_told(folder, tmp_path):
    with pytest.raises(ValueError, match=r"a folder of `save_to_preset`; or hf://user/name\. Received"):
        ko.from_preset(tmp_path)
    with pytest.raises(ValueError, match="`file` and `skeleton` are for presets by name"):
        ko.from_preset(folder, skeleton=ko.COCO_18)
    (folder / "model.json").write_text("{}")
    with pytest.raises(ValueError, match="does not hold a network that `save_to_preset` wrote"):
        ko.from_preset(folder)
