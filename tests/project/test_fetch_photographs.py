"""`benchmarks/fetch_photographs.py` against a server on this machine that stands in for COCO's."""

import http.server
import io
import json
import sys
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import fetch_photographs as script

from keras_openpose.models.presets import Download

SPLITS = ("val2017", "train2017")
GRAPH = b"a graph"
ARCHIVE = f"/annotations/{script.ARCHIVE}"


def photograph(name):
    """A JPEG of its own for each name, 24 high and 32 wide."""
    pixels = np.random.default_rng(int(Path(name).stem)).integers(0, 255, (3, 4, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(pixels, (32, 24)))[1].tobytes()


def official_labels(split):
    """Labels of every image of the ids, and of one that is not among them; one person on each, last first."""
    ids = sorted({i for entry in script.SETS for i in entry["ids"].get(split, ())} | {999_999})
    images = [{"id": i, "file_name": f"{i:012}.jpg", "height": 24, "width": 32} for i in ids]
    people = [{"id": i + 7, "image_id": i, "category_id": 1, "keypoints": [0] * 51} for i in reversed(ids)]
    return {"info": split, "images": images, "annotations": people, "categories": [{"id": 1}]}


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for split in SPLITS:
            file.writestr(f"annotations/person_keypoints_{split}.json", json.dumps(official_labels(split)))
    return content.getvalue()


@pytest.fixture
def server():
    """`log`: paths and ranges asked for. `instead`: other answers. `ends`: where a connection breaks off."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            self.log.append((self.path, asked))
            content = {**self.files, **self.instead}.get(self.path) or photograph(self.path)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : self.ends.pop(self.path, None)])

        def log_message(self, *arguments):
            pass

    Answer.files, Answer.log = {ARCHIVE: archive(), "/graph.pb": GRAPH}, []
    Answer.instead, Answer.ends = {}, {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        Answer.address = f"http://127.0.0.1:{served.server_port}"
        yield Answer
        served.shutdown()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "GRAPH", Download("", f"sha256:{sha256(GRAPH).hexdigest()}"))

    def run(*more):
        server.log.clear()
        options = ["--source", server.address, "--graph", f"{server.address}/graph.pb"]
        script.main(["--folder", str(tmp_path), *options, *more])
        return tmp_path

    return run


@pytest.fixture
def few(monkeypatch):
    """Three photographs of each kind."""
    sets = [
        {**entry, "ids": {split: ids[:3] for split, ids in entry["ids"].items()}} for entry in script.SETS
    ]
    monkeypatch.setattr(script, "SETS", sets)


def count(folder):
    return {path.name: len(list(path.iterdir())) for path in folder.iterdir() if path.is_dir()}


def test_the_folder_is_that_of_the_tests_and_a_second_run_asks_for_nothing(fetch, server):
    folder = fetch()
    data = folder / "data"
    assert count(data / "coco") == {"annotations": 2, "val2017": 57, "train2017": 130}
    assert count(data / "photographs") == {"val": 335}
    assert (folder / "weights/mobilenet_v2_small_graph_opt.pb").read_bytes() == GRAPH
    assert not list(folder.rglob("*.zip")) + list(folder.rglob("*.part"))
    for labels, number in (("photographs/train", 2071), ("person_keypoints_val2017_labels_only", 408)):
        content = json.loads((data / f"{labels}.json").read_text())
        ids = {image["id"] for image in content["images"]}
        assert len(content["images"]) == len(content["annotations"]) == len(ids) == number
        assert {row["image_id"] for row in content["annotations"]} == ids
        assert (content["info"], content["categories"]) == ("val2017", [{"id": 1}])
    photo = data / "coco/val2017/000000000139.jpg"
    assert photo.read_bytes() == photograph(photo.name)
    fetch()
    assert not server.log


@pytest.mark.usefixtures("few")
def test_the_photographs_of_the_training_come_if_asked_for(fetch, server):
    folder = fetch("--training")
    assert count(folder / "data/photographs") == {"val": 3, "train": 6}
    assert ("/train2017/000000000036.jpg", None) in server.log


@pytest.mark.usefixtures("few")
def test_what_is_damaged_or_of_another_size_comes_anew(fetch, server):
    photographs = fetch() / "data/coco/val2017"
    half, other = sorted(photographs.iterdir())[:2]
    half.write_bytes(half.read_bytes()[:300])
    cv2.imwrite(str(other), np.zeros((32, 24, 3), np.uint8))
    fetch()
    assert sorted(server.log) == [(f"/val2017/{path.name}", None) for path in (half, other)]
    assert all(path.read_bytes() == photograph(path.name) for path in (half, other))


@pytest.mark.usefixtures("few")
def test_what_did_not_come_is_named_and_the_rest_is_there(fetch, server, tmp_path):
    cut, wrong = "/val2017/000000000139.jpg", "/val2017/000000000802.jpg"
    server.ends[cut] = 300
    server.instead[wrong] = cv2.imencode(".jpg", np.zeros((32, 24, 3), np.uint8))[1].tobytes()
    with pytest.raises(SystemExit) as stopped:
        fetch()
    message = str(stopped.value)
    assert "2 faults" in message
    assert f"{cut}: IncompleteRead" in message
    assert f"{wrong}: (32, 24) instead of (24, 32)" in message
    assert count(tmp_path / "data/coco")["val2017"] == 1
    del server.instead[wrong]
    fetch()
    assert {path for path, _ in server.log} == {cut, wrong}


@pytest.mark.usefixtures("few")
def test_an_interrupted_archive_goes_on(fetch, server):
    server.ends[ARCHIVE] = 5000
    with pytest.raises(SystemExit, match="ended after 5000 of"):
        fetch()
    fetch()
    assert server.log[0] == (ARCHIVE, "bytes=5000-")


@pytest.mark.usefixtures("few")
def test_an_archive_with_damaged_bytes_is_not_gone_on_with(fetch, server):
    content = bytearray(server.files[ARCHIVE])
    content[200] ^= 255
    server.instead[ARCHIVE] = bytes(content)
    with pytest.raises(SystemExit, match="damaged and is deleted"):
        fetch()
    server.instead.clear()
    fetch()
    assert server.log[0] == (ARCHIVE, None)


@pytest.mark.usefixtures("few")
def test_another_graph_is_refused(fetch, server):
    server.instead["/graph.pb"] = b"another"
    with pytest.raises(SystemExit, match="must have sha256"):
        fetch()
