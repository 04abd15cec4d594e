"""Fetch the photographs, labels and weights that the accuracy tests and the benchmarks use.

    python benchmarks/fetch_photographs.py [--folder ../shared] [--training] [--source ADDRESS]

522 photographs of COCO 2017 (0.1 GB) and the labels of 930 images, which are cut from COCO's own archive of
labels (241 MB, deleted afterwards), and tf-pose's `mobilenet_v2_small` graph (2 MB). `--training` adds the
2,071 photographs (0.3 GB) that the package's own network was trained on. What is there and whole is kept, so
the command goes on where it was interrupted.

One set is not reproduced to the byte: that network was trained on copies of at most 512 pixels, whose labels
lacked outlines, areas and crowds. Here they are COCO's own. The ids are in `photograph_ids.json`.
"""

import argparse
import hashlib
import json
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import cv2
import numpy as np
from tqdm import tqdm

from keras_openpose.models.presets import PRESETS

SOURCE = "http://images.cocodataset.org"
ARCHIVE = "annotations_trainval2017.zip"
SETS = json.loads(Path(__file__).with_name("photograph_ids.json").read_text())
GRAPH = PRESETS["mobilenet_v2_small_coco"].downloads[0]
TIMEOUT = 60  # seconds without a byte


def read(address: str) -> bytes:
    with urlopen(address, timeout=TIMEOUT) as answer:
        return answer.read()


def write(path: Path, content: bytes):
    """Under its own name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def download_archive(address: str, path: Path):
    """Goes on behind what `path` has, where the server lets it."""
    there = path.stat().st_size if path.exists() else 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    with urlopen(Request(address, headers=headers), timeout=TIMEOUT) as answer:
        if answer.status != 206:  # the whole file, from its start
            there = 0
        size = there + int(answer.headers["Content-Length"])
        with (
            path.open("ab" if there else "wb") as file,
            tqdm(desc=ARCHIVE, initial=there, total=size, unit="B", unit_scale=True) as bar,
        ):
            while block := answer.read(1 << 20):
                file.write(block)
                bar.update(len(block))
    if path.stat().st_size != size:
        raise OSError(f"{address} ended after {path.stat().st_size} of {size} bytes.")


def fetch_labels(source: str, folder: Path):
    """Every label file that is not there yet, in COCO's order."""
    missing = [entry for entry in SETS if not (folder / entry["labels"]).exists()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / ARCHIVE
    if not zipfile.is_zipfile(archive):
        download_archive(f"{source}/annotations/{ARCHIVE}", archive)
    try:
        official = read_archive(archive, {split for entry in missing for split in entry["ids"]})
    except zipfile.BadZipFile as error:
        archive.unlink()  # to go on behind damaged bytes would be in vain
        raise OSError(f"{archive} was damaged and is deleted: {error}") from error
    for entry in missing:
        write(folder / entry["labels"], json.dumps(select(official, entry["ids"])).encode())
    archive.unlink()


def read_archive(path: Path, splits: set[str]) -> dict[str, dict]:
    with zipfile.ZipFile(path) as archive:
        return {
            split: json.loads(archive.read(f"annotations/person_keypoints_{split}.json")) for split in splits
        }


def select(official: dict[str, dict], ids: dict[str, list[int]]) -> dict:
    """What the official files say of these images."""
    labels = {**official[next(iter(ids))], "images": [], "annotations": []}
    for split, wanted in ids.items():
        images = {image["id"]: image for image in official[split]["images"]}
        labels["images"] += [images[image_id] for image_id in wanted]
        wanted = set(wanted)
        labels["annotations"] += [row for row in official[split]["annotations"] if row["image_id"] in wanted]
    return labels


def fault(content: bytes, image: dict) -> str:
    """Why these bytes are not the photograph that was labeled; empty if they are."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if pixels is None or b"\xff\xd9" not in content[-1024:]:  # OpenCV decodes half a JPEG
        return "damaged"
    size = image["height"], image["width"]
    return "" if pixels.shape[:2] == size else f"{pixels.shape[:2]} instead of {size}"


def fetch_photograph(source: str, path: Path, image: dict, split: str) -> str:
    """Why the photograph could not be had; empty if it is there."""
    if path.exists() and not fault(path.read_bytes(), image):
        return ""
    address = f"{source}/{split}/{path.name}"
    try:
        content = read(address)
    except (OSError, HTTPException) as error:
        return f"{address}: {error}"
    if problem := fault(content, image):
        return f"{address}: {problem}"
    write(path, content)
    return ""


def fetch_photographs(source: str, folder: Path, training: bool) -> list[str]:
    """What could not be had."""
    todo = []
    for entry in SETS:
        if not entry["photographs"] or (entry["photographs"].endswith("/train") and not training):
            continue
        images = {
            image["id"]: image for image in json.loads((folder / entry["labels"]).read_text())["images"]
        }
        for split, ids in entry["ids"].items():
            for image_id in ids:
                path = folder / entry["photographs"] / images[image_id]["file_name"]
                todo.append((path, images[image_id], split))
    with ThreadPoolExecutor(8) as pool:
        run = pool.map(partial(fetch_photograph, source), *zip(*todo, strict=True))
        return [problem for problem in tqdm(run, "photographs", total=len(todo)) if problem]


def fetch_graph(address: str, path: Path):
    algorithm, digest = GRAPH.checksum.split(":")
    if path.exists() and hashlib.new(algorithm, path.read_bytes()).hexdigest() == digest:
        return
    content = read(address)
    if (found := hashlib.new(algorithm, content).hexdigest()) != digest:
        raise OSError(f"{address} must have {algorithm} {digest}. It has {found}.")
    write(path, content)


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--training", action="store_true", help="the photographs of the training, too")
    parser.add_argument(
        "--source", default=SOURCE, help="address that has annotations/, val2017/ and train2017/"
    )
    parser.add_argument("--graph", default=GRAPH.url, help="address of tf-pose's graph")
    options = parser.parse_args(arguments)
    problems = []
    try:
        fetch_labels(options.source, options.folder / "data")
        problems = fetch_photographs(options.source, options.folder / "data", options.training)
        fetch_graph(options.graph, options.folder / "weights/mobilenet_v2_small_graph_opt.pb")
    except (OSError, HTTPException) as error:
        problems.append(str(error))
    if problems:
        shown = "\n".join(problems[:10])
        sys.exit(f"{shown}\n{len(problems)} faults. The same command again tries what is missing.")


if __name__ == "__main__":
    main()
