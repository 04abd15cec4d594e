"""COCO's keypoint figures, over every image asked for."""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from tqdm import tqdm

from keras_openpose.data.coco import read_labels, sort_people
from keras_openpose.images import read_image
from keras_openpose.inference.forward import Network, find_skeleton, forward_pass
from keras_openpose.inference.predict import check_prediction, predict_poses
from keras_openpose.output.people_json import poses_to_coco
from keras_openpose.output.visualization import draw_poses
from keras_openpose.skeletons import COCO_18, COCO_KEYPOINTS, Skeleton
from keras_openpose.writing import write_whole

if TYPE_CHECKING:
    from pycocotools.coco import COCO

# Arguments of `evaluate_coco` that it does not hand on to `predict_poses`.
_NOT_FOR_PREDICTION = ("image_ids", "results", "verbose")
FIGURES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")


def evaluate_coco(
    model: Network,
    images: str | os.PathLike,
    annotations: str | os.PathLike,
    *,
    image_ids: Sequence[int] | None = None,
    skeleton: Skeleton | None = None,
    results: str | os.PathLike | None = None,
    batch_size: int = 8,
    verbose: bool = True,
    **predict,
) -> dict[str, float]:
    """Measure a network on COCO keypoint labels, or on labels of that form.

    Every image counts, with or without people, with or without detections: leaving images out would
    raise AP. How many were evaluated is printed. A labeled keypoint that the skeleton lacks counts as not
    found; a warning names it.

    Args:
        model: a network of this package, or any model with its inputs and outputs.
        images: folder of the photographs.
        annotations: COCO keypoint file, such as `person_keypoints_val2017.json`.
        image_ids: ids of the images to count. Defaults to every image of the file.
        skeleton: keypoints and limbs. Defaults to the network's own; only a plain model, which has none,
            needs it.
        results: file to write the detections to, in COCO's result form. Defaults to none.
        batch_size: photographs that run at once. Defaults to 8.
        verbose: show a progress bar and the number of images. Defaults to True.
        **predict: arguments of `predict_poses` and, through it, of `decode_poses`.

    Returns:
        AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm and ARl in percent; −1 where no label is of the size.
        All are 0 if nobody is found.

    Raises:
        ValueError: the file is no label file of COCO's form, or holds faulty labels, nobody, no keypoint
            category or several; `image_ids` holds an id that the file lacks, or a photograph cannot be read
            or is not of the size that its labels say.
        TypeError: there is no such argument.
        OSError: a photograph is missing, or `results` cannot be written; raised before the work.

    Example:
        ```python
        from keras_openpose import evaluate_coco, openpose

        model = openpose("mobilenet", num_stages=2)
        figures = evaluate_coco(model, IMAGES, ANNOTATIONS, input_size=(96, 128))
        assert set(figures) >= {"AP", "AP50", "AR"}
        ```
    """
    check_prediction("evaluate_coco", predict, evaluate_coco)
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    skeleton = find_skeleton(model, skeleton)
    truth, category, photographs = _look_up(images, annotations, image_ids)
    _warn_of_lacking(truth, category, skeleton, annotations)
    ids, found = list(photographs), []
    with contextlib.ExitStack() as stack:
        # First, so that a file that cannot be written raises before the work.
        file = stack.enter_context(write_whole(results)) if results is not None else None
        progress = stack.enter_context(
            tqdm(total=len(ids), desc="Evaluating", unit="image", disable=not verbose)
        )
        for first in range(0, len(ids), batch_size):
            group = ids[first : first + batch_size]
            read = [_read_photograph(photographs[image_id], truth.imgs[image_id]) for image_id in group]
            batch = predict_poses(model, read, skeleton=skeleton, batch_size=batch_size, **predict)
            for image_id, poses in zip(group, batch, strict=True):
                found += poses_to_coco(
                    poses, image_id, keypoints=category["keypoints"], category_id=category["id"]
                )
            progress.update(len(batch))
        if file:
            file.write_text(json.dumps(found))
    if verbose:
        print(f"Evaluated {len(ids)} of the {len(truth.imgs)} images of {annotations}.")
    return coco_figures(truth, found, ids, skeleton=skeleton)


class CocoEvaluation(keras.callbacks.Callback):
    """Measures the network on COCO keypoint labels while it trains.

    The figures of `evaluate_coco` go into the logs as `val_AP`, `val_AP50`, … Callbacks listed after this
    one see them: `ModelCheckpoint(path, monitor="val_AP", mode="max", save_best_only=True)`,
    `EarlyStopping(monitor="val_AP", mode="max")`. Give `mode`: Keras knows the direction of its own
    metrics only.

    Args:
        images: folder of the photographs.
        annotations: COCO keypoint file.
        every: evaluate after every so many epochs, and after the last. Defaults to 1.
        log_dir: folder to write pictures of found people to, for TensorBoard, which must be installed.
            Defaults to none.
        pictures: how many of the photographs to write there, always the same. Defaults to 4.
        **evaluate: arguments of `evaluate_coco`, such as `image_ids`, `skeleton` or `input_size`.

    Raises:
        ValueError: `every` or `pictures` is less than 1.
        TypeError: an argument is none of these.
        FileNotFoundError: `images` or `annotations` does not exist; raised before training.

    Example:
        ```python
        from keras_openpose import CocoEvaluation

        callback = CocoEvaluation(IMAGES, ANNOTATIONS, every=5, input_size=(96, 128))
        ```
    """

    def __init__(
        self,
        images: str | os.PathLike,
        annotations: str | os.PathLike,
        *,
        every: int = 1,
        log_dir: str | os.PathLike | None = None,
        pictures: int = 4,
        **evaluate,
    ):
        super().__init__()
        if every < 1 or pictures < 1:
            raise ValueError(f"`every` and `pictures` must be at least 1. Received: {every} and {pictures}.")
        check_prediction("CocoEvaluation", evaluate, CocoEvaluation, evaluate_coco)
        for path in (images, annotations):
            if not os.path.exists(path):
                raise FileNotFoundError(f"`images` and `annotations` must exist. Not there: {path}.")
        self.images, self.annotations, self.every, self.pictures = images, annotations, every, pictures
        self.evaluate = {"verbose": False, **evaluate}
        self.log_dir = log_dir
        self._writer: Any = None  # of TensorFlow, which has no types

    def on_train_begin(self, logs=None):
        """Refuses faulty labels, missing photographs, and a network that the skeleton does not fit.

        Of the photographs, only the first is read, to see whether it has the size that its labels say.
        """
        forward_pass(self.model, find_skeleton(self.model, self.evaluate.get("skeleton")))
        truth, _, photographs = _look_up(self.images, self.annotations, self.evaluate.get("image_ids"))
        for image_id, path in list(photographs.items())[:1]:
            _read_photograph(path, truth.imgs[image_id])

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates, and adds the figures to the logs."""
        last = (self.params or {}).get("epochs")  # loops other than `fit` need not set it
        if (epoch + 1) % self.every and epoch + 1 != last:
            return
        figures = evaluate_coco(self.model, self.images, self.annotations, **self.evaluate)
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in figures.items()})
        if self.log_dir is not None:
            self._write_pictures(self.log_dir, epoch)

    def on_train_end(self, logs=None):
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()

    def _write_pictures(self, log_dir: str | os.PathLike, epoch: int):
        import tensorflow as tf

        self._writer = self._writer or tf.summary.create_file_writer(os.fspath(log_dir))
        truth, _, photographs = _look_up(self.images, self.annotations, self.evaluate.get("image_ids"))
        predict = {key: value for key, value in self.evaluate.items() if key not in _NOT_FOR_PREDICTION}
        with self._writer.as_default(step=epoch):
            for image_id, path in list(photographs.items())[: self.pictures]:
                image = read_image(path)
                picture = draw_poses(image, predict_poses(self.model, image, **predict))
                tf.summary.image(truth.imgs[image_id]["file_name"], picture[None])


def coco_figures(
    truth: "COCO", found: list[dict], image_ids: Sequence[int], *, skeleton: Skeleton = COCO_18
) -> dict[str, float]:
    """The ten figures of COCO's keypoint evaluation, in percent.

    Args:
        truth: the labels.
        found: detections in COCO's result form.
        image_ids: ids of the images to count.
        skeleton: gives the OKS constants of keypoints that are not COCO's. Defaults to `COCO_18`.

    Returns:
        The figures by name, see `evaluate_coco`.
    """
    from pycocotools.cocoeval import COCOeval  # 0.3 s, which few who import the package need

    if not found:  # pycocotools takes no empty list
        return dict.fromkeys(FIGURES, 0.0)
    category = truth.cats[found[0]["category_id"]]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(found), "keypoints")
        evaluation.params.imgIds = list(image_ids)
        evaluation.params.catIds = [category["id"]]
        evaluation.params.kpt_oks_sigmas = _sigmas(category["keypoints"], skeleton)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {
        name: 100 * float(value) if value >= 0 else -1.0
        for name, value in zip(FIGURES, evaluation.stats, strict=True)
    }


def _look_up(images, annotations, image_ids) -> tuple["COCO", dict, dict[int, Path]]:
    """Labels, their category with keypoints, and the photographs to count by id."""
    truth, category = _read_truth(annotations)
    ids = sorted(truth.imgs) if image_ids is None else list(dict.fromkeys(map(int, image_ids)))
    if strangers := [image_id for image_id in ids if image_id not in truth.imgs]:
        raise ValueError(
            f"`image_ids` must be among the images of {annotations}. Not there: {strangers[:5]}."
        )
    photographs = {image_id: Path(images, truth.imgs[image_id]["file_name"]) for image_id in ids}
    if missing := [path for path in photographs.values() if not path.is_file()]:
        raise FileNotFoundError(
            f"{len(missing)} of {len(photographs)} photographs are missing, first {missing[0]}"
        )
    return truth, category, photographs


def _read_photograph(path: Path, record: dict) -> np.ndarray:
    """A photograph of the size that its labels say; with another, all keypoints would be elsewhere."""
    image = read_image(path)
    height, width = record.get("height"), record.get("width")
    if (
        isinstance(height, (int, float))
        and isinstance(width, (int, float))
        and (int(height), int(width)) != image.shape[:2]
    ):
        raise ValueError(
            f"{path} must be {height} high and {width} wide, as its labels say. "
            f"Received: {image.shape[0]} and {image.shape[1]}."
        )
    return image


def _warn_of_lacking(truth: "COCO", category: dict, skeleton: Skeleton, annotations):
    """Warn of labeled keypoints that the network cannot find."""
    labeled = np.any([person["keypoints"][2::3] > 0 for person in truth.anns.values()], axis=0)
    names = [name for name, some in zip(category["keypoints"], labeled, strict=True) if some]
    lacking = [f"`{name}`" for name in names if name not in skeleton.keypoints]
    if 0 < len(lacking) < len(names):
        warnings.warn(
            f"Skeleton {skeleton.name} lacks {', '.join(lacking)}, which lowers AP: the keypoint(s) are "
            f"labeled in {annotations}, and count as not found.",
            stacklevel=3,
        )


def _read_truth(path: str | os.PathLike) -> tuple["COCO", dict]:
    """Labels as pycocotools has them, and their category with keypoints."""
    from pycocotools.coco import COCO

    labels = read_labels(path)
    category = _keypoint_category(labels, path)
    # A file of a part of the images may still have all labels.
    known = {record["id"] for record in labels["images"]} | {None}
    labels["annotations"] = [person for person in labels["annotations"] if person.get("image_id") in known]
    for person in labels["annotations"]:
        person.pop("segmentation", None)  # not needed
    people, problems = sort_people(labels, path, {category["id"]: category["keypoints"]})
    if problems:
        raise ValueError(next(iter(problems.values())))
    labels["annotations"] = [person for group in people.values() for person in group]
    for number, person in enumerate(labels["annotations"], 1):
        person["id"] = number  # pycocotools takes 0 for nobody
        # pycocotools needs these; files of other tools lack them.
        person.setdefault("iscrowd", 0)
        if len(person["keypoints"]) != 3 * len(category["keypoints"]):  # of a crowd
            person["keypoints"] = np.zeros(3 * len(category["keypoints"]), np.float32)
        person.setdefault("num_keypoints", int((person["keypoints"][2::3] > 0).sum()))
        person["area"] = person.get("area") or person["bbox"][2] * person["bbox"][3]
    if not any(person["num_keypoints"] for person in labels["annotations"]):
        raise ValueError(f"{path} must hold someone with labeled keypoints, or nothing can be measured.")
    truth = COCO()
    truth.dataset = labels
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth, category


def _keypoint_category(labels: dict, path) -> dict:
    categories = [category for category in labels["categories"] if category.get("keypoints")]
    if len(categories) == 1:
        return categories[0]
    names = [category.get("name") for category in categories or labels["categories"]]
    raise ValueError(
        f"{path} must hold one category with keypoints, as person_keypoints_*.json do: AP is of one. "
        f"Has {len(categories)}; names: {names}."
    )


def _sigmas(keypoints: Sequence[str], skeleton: Skeleton) -> np.ndarray:
    """OKS constants in the order of the labels; COCO's own for COCO's keypoints."""
    own = dict(zip(skeleton.keypoints, skeleton.sigmas, strict=True))
    coco = dict(zip(COCO_18.keypoints, COCO_18.sigmas, strict=True))
    source = coco if tuple(keypoints) == COCO_KEYPOINTS else {**coco, **own}
    return np.array([source.get(name, 0.07) for name in keypoints])
