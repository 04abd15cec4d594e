"""
Title: More photographs than one machine
Author: The keras-openpose authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Ray Data shares a folder or bucket out among workers; people become Parquet.
Accelerator: None
"""

"""
## Introduction

    pip install "keras-openpose[ray]"
    python examples/many_photographs.py photographs found --workers 2
    python examples/many_photographs.py s3://bucket/photographs s3://bucket/found --workers 16 --gpus 0.25

The same command, started again, goes on with what is missing. One run at a time for an output.
"""

import argparse
import hashlib
import os
import tempfile
from pathlib import Path

import cv2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import ray.data
from pyarrow import fs

import keras_openpose as ko

"""
## Three tables

`people` has a row for each person, keypoints by name and empty where they are not seen. `photographs` has a
row for each photograph, those with nobody, too. `unreadable` has the other files, with the reason.
"""

KEYPOINTS = [f"{name}_{part}" for name in ko.COCO_18.keypoints for part in ("x", "y", "score")]
BOX = ["box_x", "box_y", "box_width", "box_height"]
PATH = ("path", pa.string())
SCHEMAS = {
    "people": pa.schema(
        [PATH, ("person", pa.int32()), *((name, pa.float32()) for name in ("score", *BOX, *KEYPOINTS))]
    ),
    "photographs": pa.schema([PATH, ("people", pa.int32())]),
    "unreadable": pa.schema([PATH, ("reason", pa.string())]),
}


def person_row(path: str, number: int, person: ko.Poses) -> dict:
    """One person, as a row of `people`."""
    row = {"path": path, "person": number, "score": person.pose_scores.item()}
    row |= zip(BOX, person.boxes[0].tolist())
    scores = dict(zip(person.skeleton.keypoints, person.scores[0].tolist()))
    for name, (x, y) in person.as_dict().items():
        row |= {f"{name}_x": x, f"{name}_y": y, f"{name}_score": scores[name]}
    return row


"""
## Reading and writing

A file has its name only once it is whole. Readers of Parquet pass over names that begin with a line.
"""


def read_photograph(store: fs.FileSystem, path: str):
    """A photograph of a folder or bucket, as an array."""
    if isinstance(store, fs.LocalFileSystem):
        return ko.read_image(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "photograph")
        with store.open_input_stream(path) as stream:
            copy.write_bytes(stream.read())
        return ko.read_image(copy)


def write_table(store: fs.FileSystem, folder: str, name: str, rows: list[dict], schema: pa.Schema):
    """Rows as a Parquet file."""
    unfinished = f"{folder}/_{name}"
    with store.open_output_stream(unfinished) as stream:
        pq.write_table(pa.Table.from_pylist(rows, schema), stream)
    store.move(unfinished, f"{folder}/{name}.parquet")


"""
## A worker

It holds the network and is called with one block of paths after the other. Files are named after the paths
in them, so a block that is done twice, because a worker was killed, is written twice to the same place.
`photographs` comes last: a block is finished when its file is there.
"""


class FindPeople:
    """Finds the people of a block of photographs and writes the tables of the block."""

    def __init__(self, source: str, target: str, preset: str, size: list[int] | None, cpus: int):
        self.source, _ = fs.FileSystem.from_uri(source)
        self.target, self.folder = fs.FileSystem.from_uri(target)
        # Workers that each take all cores would wait for one another. TensorFlow reads it when it is loaded.
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(cpus)
        cv2.setNumThreads(cpus)
        self.model, self.size = ko.from_preset(preset), size

    def __call__(self, block: pa.Table) -> pa.Table:
        paths = block["path"].to_pylist()
        read, rows = [], {"people": [], "photographs": [], "unreadable": []}

        def photographs():  # as the network asks for them: few are in memory at a time
            for path in paths:
                try:
                    image = read_photograph(self.source, path)
                except (OSError, ValueError) as error:
                    rows["unreadable"].append({"path": path, "reason": str(error)})
                else:
                    read.append(path)
                    yield image

        found = ko.predict_poses(self.model, photographs(), input_size=self.size)
        for path, poses in zip(read, found, strict=True):
            rows["photographs"].append({"path": path, "people": len(poses)})
            rows["people"] += [person_row(path, number, person) for number, person in enumerate(poses)]
        name = hashlib.sha256("\n".join(paths).encode()).hexdigest()[:16]
        for table in ("unreadable", "people", "photographs"):
            if rows[table] or table != "unreadable":
                write_table(self.target, f"{self.folder}/{table}", name, rows[table], SCHEMAS[table])
        return pa.table({table: [len(rows[table])] for table in rows})


"""
## What is missing

What a killed run left of unfinished blocks is removed. Unreadable files are looked at again: a network
that failed may be back.
"""


def finished(target: str) -> pa.ChunkedArray:
    """Paths of the photographs that are done, after the rest of unfinished blocks is removed."""
    store, folder = fs.FileSystem.from_uri(target)
    files = {}
    for table in SCHEMAS:
        store.create_dir(f"{folder}/{table}")
        files[table] = [info.base_name for info in store.get_file_info(fs.FileSelector(f"{folder}/{table}"))]
    whole = {name for name in files["photographs"] if not name.startswith("_")}
    for table, names in files.items():
        for name in set(names) - (set() if table == "unreadable" else whole):
            store.delete_file(f"{folder}/{table}/{name}")
    photographs = f"{folder}/photographs"
    done = pyarrow.dataset.dataset(photographs, SCHEMAS["photographs"], format="parquet", filesystem=store)
    return done.to_table(["path"])["path"]


def missing(source: str, target: str) -> pa.Array:
    """Paths of all files under `source` that are not done, in order."""
    store, folder = fs.FileSystem.from_uri(source)
    infos = store.get_file_info(fs.FileSelector(folder, recursive=True))
    paths = pa.array(sorted(info.path for info in infos if info.is_file), pa.string())
    return paths.filter(pc.invert(pc.is_in(paths, finished(target))))


"""
## The run

Every block is a table of its own for Ray Data, which shares them out, starts a killed worker again and
gives its block to the next. Only paths go out and counts come back.
"""


def main(arguments: list[str] | None = None) -> dict[str, int]:
    """Find everybody, and return how many rows were written to each table."""
    parser = argparse.ArgumentParser(description="People of many photographs, as Parquet.")
    parser.add_argument("source", help="folder or address of a bucket, such as s3://bucket/photographs")
    parser.add_argument("target", help="folder or address for the tables, outside of the source")
    parser.add_argument("--preset", default="efficientnet_lite0_coco", choices=ko.list_presets())
    parser.add_argument(
        "--size", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="of the network's input"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cpus", type=int, default=1, help="cores of each worker")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of each worker; 0.25: four share one")
    parser.add_argument("--block", type=int, default=256, help="photographs that are done or not done as one")
    asked = parser.parse_args(arguments)
    source, target = (
        place if "://" in place else os.path.abspath(place) for place in (asked.source, asked.target)
    )

    paths = missing(source, target)
    counts = dict.fromkeys(SCHEMAS, 0)
    if len(paths):
        blocks = [
            pa.table({"path": paths[first : first + asked.block]})
            for first in range(0, len(paths), asked.block)
        ]
        found = ray.data.from_arrow(blocks).map_batches(
            FindPeople,
            fn_constructor_args=(source, target, asked.preset, asked.size, asked.cpus),
            batch_size=None,  # a whole block
            batch_format="pyarrow",
            concurrency=asked.workers,
            num_cpus=asked.cpus,
            num_gpus=asked.gpus,
        )
        for written in found.iter_rows():
            counts = {table: counts[table] + written[table] for table in counts}
    print(", ".join(f"{table}: {count}" for table, count in counts.items()))
    return counts


if __name__ == "__main__":
    main()
