"""The training recipe: fit, with everything that a run of days needs around it."""

import csv
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from keras_openpose.evaluation import FIGURES, CocoEvaluation
from keras_openpose.training.backup import Backup
from keras_openpose.training.freezing import backbone_layers, frozen
from keras_openpose.training.losses import StageLoss
from keras_openpose.training.optimizers import make_optimizer
from keras_openpose.writing import write_whole

if TYPE_CHECKING:
    import tensorflow as tf

_BEGUN_WITH = "begun_with.json"
# A run whose loss is so many times its lowest is lost.
_DIVERGED = 10.0


def train(
    model: keras.Model,
    dataset: "tf.data.Dataset",
    folder: str | os.PathLike,
    *,
    steps: int,
    steps_per_epoch: int = 1000,
    optimizer: str | keras.optimizers.Optimizer = "adamw",
    loss: StageLoss | None = None,
    freeze_backbone_steps: int = 0,
    validation: tuple[str | os.PathLike, str | os.PathLike] | None = None,
    validate: dict | None = None,
    tensorboard: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
    **recipe,
) -> keras.callbacks.History:
    """Train a network, with logs, backups and the best weights kept; a run started again goes on.

    An epoch is `steps_per_epoch` steps, however many photographs there are. After each, the state is backed
    up: a run that was killed, and is started again with the same arguments, goes on from there. The folder
    then holds `log.csv`; `last.weights.h5`; with `validation`, `best.weights.h5`; `tensorboard/` if asked
    for; and, when all is done, `model.keras`.

    Args:
        model: the network; a mixed-precision policy is set when it is built.
        dataset: batches as `coco_dataset` gives them; repeated as long as needed.
        folder: where to write.
        steps: how many steps, batches, to train; rounded up to epochs of equal length.
        steps_per_epoch: at most so many steps between two backups, and between two validations: 1,500 steps
            become two epochs of 750. Defaults to 1000.
        optimizer: `"adamw"` or `"sgd"`, made by `make_optimizer`; or one of your own, its schedule and all.
            Defaults to `"adamw"`.
        loss: of both maps. Defaults to `StageLoss("caffe")` for `"sgd"`, to whose learning rate it belongs,
            else `StageLoss()`.
        freeze_backbone_steps: so many more steps, before the others, with a frozen backbone (all that comes
            before the first layer named `features_…` or `stage1_…`). They have their own optimizer and
            schedule, `"constant"` in place of `"step"`, and warm up for half of them at most. Defaults to 0.
        validation: folder of photographs and COCO labels, for `CocoEvaluation`. Defaults to none.
        validate: arguments of `CocoEvaluation`, such as `every`, `skeleton` or `input_size`, which defaults
            to the size of the data set's images.
        tensorboard: write logs for TensorBoard, which must be installed. Defaults to False.
        callbacks: more of your own.
        verbose: as in `keras.Model.fit`.
        **recipe: arguments of `make_optimizer`, such as `learning_rate`, `schedule` or `ema`.

    Returns:
        The history of `fit`, of this call.

    Raises:
        ValueError: an argument is out of its range, or needs an optimizer by name; model and data set are
            of different skeletons, the data set gives no batch, or the folder holds a run that was begun
            with other steps, another optimizer or another network.
        FileExistsError: the folder holds a finished training.
        FloatingPointError: the loss is no longer finite, or ten times its lowest. The last good weights
            are in `last.weights.h5`; the message says what to try.

    Example:
        ```python
        from keras_openpose import coco_dataset, compact_openpose, train

        dataset = coco_dataset(IMAGES, ANNOTATIONS, input_size=(96, 128), batch_size=2)
        train(compact_openpose(), dataset, "run", steps=2, learning_rate=1e-3, verbose=0)
        ```
    """
    if steps < 1 or steps_per_epoch < 1 or freeze_backbone_steps < 0:
        raise ValueError(
            "`steps` and `steps_per_epoch` must be at least 1, `freeze_backbone_steps` at least 0. "
            f"Received: {steps}, {steps_per_epoch} and {freeze_backbone_steps}."
        )
    if recipe and not isinstance(optimizer, str):
        raise ValueError(f"`{next(iter(recipe))}` is for an optimizer by name. Received: {optimizer}.")
    if freeze_backbone_steps and not isinstance(optimizer, str):
        raise ValueError(f"`freeze_backbone_steps` needs an optimizer by name. Received: {optimizer}.")
    backbone = backbone_layers(model) if freeze_backbone_steps else []
    if freeze_backbone_steps and not any(layer.weights for layer in backbone):
        raise ValueError(
            "`freeze_backbone_steps` needs layers with weights before the first one named `features_…` or "
            f"`stage1_…`. {model.name} has none."
        )
    if isinstance(optimizer, str):
        make_optimizer(optimizer, steps=steps, **recipe)  # refuses bad arguments before anything is done
    folder = Path(folder)
    if (folder / "model.keras").exists():
        raise FileExistsError(f"{folder} holds a finished training, model.keras. Choose another folder.")
    check_skeletons(model, dataset)
    loss = loss or StageLoss("caffe" if optimizer == "sgd" else "mean")
    if "pafs" not in model.output:  # of one hand, say, whose skeleton has limbs for drawing only
        dataset = dataset.map(lambda images, targets, mask: (images, {"heatmaps": targets["heatmaps"]}, mask))
    dataset = dataset.repeat()
    begun_with = {
        "steps": int(steps),
        "steps_per_epoch": int(steps_per_epoch),
        "freeze_backbone_steps": int(freeze_backbone_steps),
        "optimizer": optimizer if isinstance(optimizer, str) else type(optimizer).__name__,
        "ema": recipe.get("ema"),
        "parameters of the model": int(model.count_params()),
    }
    _check_same_run(folder, begun_with)
    size = dataset.element_spec[0].shape[1:3]
    own_size = {"input_size": tuple(size)} if size.is_fully_defined() else {}

    def fit(folder: Path, steps: int, recipe: dict) -> keras.callbacks.History:
        folder.mkdir(parents=True, exist_ok=True)
        epochs = math.ceil(steps / steps_per_epoch)
        length = math.ceil(steps / epochs)
        if isinstance(optimizer, str):
            made = make_optimizer(optimizer, steps=epochs * length, **recipe)
        else:
            made = optimizer
        model.compile(made, loss=loss, jit_compile=best_jit_compile())
        backup = Backup(folder / "backup")
        return model.fit(
            dataset,
            initial_epoch=backup.restore(model),
            epochs=epochs,
            steps_per_epoch=length,
            callbacks=[
                _StopWhenLost(folder),
                backup,  # before all that changes logs or weights
                *_watchers(folder, made.use_ema, validation, {**own_size, **(validate or {})}, tensorboard),
                *callbacks,
            ],
            shuffle=False,  # which is the dataset's own business
            verbose=verbose,
        )

    if freeze_backbone_steps:
        # For so few steps, `make_optimizer` may refuse the schedule "step" and the warm-up.
        short = dict(recipe)
        if short.get("schedule") == "step":
            short["schedule"] = "constant"
        if short.get("warmup_steps"):
            short["warmup_steps"] = min(short["warmup_steps"], freeze_backbone_steps // 2)
        with frozen(backbone):
            _train_frozen(model, folder / "frozen", lambda folder: fit(folder, freeze_backbone_steps, short))
    history = fit(folder, steps, recipe)
    kind = type(model) if hasattr(model, "skeleton") else keras.Model
    without_optimizer = kind(model.input, model.output, name=model.name)  # a third of the size
    _save_whole(without_optimizer.save, folder / "model.keras")
    shutil.rmtree(folder / "backup")
    (folder / _BEGUN_WITH).unlink()
    return history


def _train_frozen(model: keras.Model, folder: Path, fit: Callable[[Path], object]):
    """The part with a frozen backbone, unless an earlier call has done it."""
    end = folder / "end.weights.h5"
    if end.exists():
        model.load_weights(end)
        return
    fit(folder)
    _save_whole(model.save_weights, end)
    shutil.rmtree(folder / "backup")


def _check_same_run(folder: Path, arguments: dict):
    """Refuse to go on from the backup of a run with another schedule or network."""
    path = folder / _BEGUN_WITH
    if count_epochs(folder) and path.exists():
        before = json.loads(path.read_text())
        changed = [
            f"{name} {before[name]}, now {now}" for name, now in arguments.items() if before[name] != now
        ]
        if changed:
            raise ValueError(
                f"{folder} holds a run with other arguments: {'; '.join(changed)}. Go on with the same, or "
                "choose another folder."
            )
    folder.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(arguments))


def check_skeletons(model: keras.Model, dataset: "tf.data.Dataset"):
    """Refuse targets of another skeleton than the network's, before TensorFlow does in words of its own."""
    ours, theirs = getattr(model, "skeleton", None), getattr(dataset, "skeleton", None)
    if ours and theirs and not ours.has_maps_of(theirs):
        raise ValueError(
            f"The data set must have the skeleton of the network, {ours.name}. Received: {theirs.name}."
        )
    targets, expected = dataset.element_spec[1], {name: maps.shape[-1] for name, maps in model.output.items()}
    known = {name: spec.shape[-1] for name, spec in targets.items() if spec.shape.rank}
    if any(known.get(name) not in (None, channels) for name, channels in expected.items()):
        raise ValueError(
            "`model` and `dataset` must be made with the same `skeleton`. "
            f"Received channels: {expected} of the model, {known} of the data set."
        )


def _save_whole(save: Callable[[Path], None], path: Path):
    """Save under another name first, so that a file of this name is complete."""
    unfinished = path.with_name(f"unfinished_{path.name}")
    save(unfinished)
    os.replace(unfinished, path)


def best_jit_compile() -> bool | str:
    """What `compile(jit_compile=)` should be here: XLA's convolutions are many times slower on CPUs."""
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_physical_devices("GPU") else False


def _watchers(folder: Path, use_ema: bool, validation, validate: dict, tensorboard: bool) -> list:
    """What looks at the weights, and at the logs, in this order."""
    watchers = []
    if use_ema:
        watchers.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if validation:
        watchers.append(CocoEvaluation(*validation, **validate))
        best = _BestWeights(
            folder / "best.weights.h5",
            monitor="val_AP",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=max(_logged(folder / "log.csv", "val_AP"), default=None),
        )
        watchers.append(best)
    last = folder / "last.weights.h5"
    watchers.append(keras.callbacks.ModelCheckpoint(last, save_weights_only=True))
    if use_ema:
        watchers.append(_KeepAverage(last))
    if tensorboard:
        watchers.append(keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False))
    return [*watchers, _CsvLog(folder / "log.csv", append=True)]


def count_epochs(folder: str | os.PathLike) -> int:
    """How many epochs of a run have ended, frozen ones among them."""
    return sum(len(_logged(Path(folder, part, "log.csv"), "loss")) for part in ("", "frozen"))


def _logged(log: Path, column: str) -> list[float]:
    """A column of the epochs before an interruption, as far as there are any."""
    if not log.exists():
        return []
    with open(log, newline="") as file:
        found = [row.get(column) for row in csv.DictReader(file)]
    return [float(value) for value in found if value not in (None, "", "NA")]


class _BestWeights(keras.callbacks.ModelCheckpoint):
    """Says nothing after epochs that are not evaluated."""

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor in (logs or {}):
            super().on_epoch_end(epoch, logs)


class _KeepAverage(keras.callbacks.Callback):
    """Puts the averaged weights back after an early end, where Keras leaves the others.

    Comes before callbacks that then restore the best ones.
    """

    def __init__(self, last: Path):
        super().__init__()
        self._last = last

    def on_train_end(self, logs=None):
        if self.model.stop_training:
            self.model.load_weights(self._last)


class _CsvLog(keras.callbacks.CSVLogger):
    """Keeps a column for the figures even if the first epoch is not evaluated."""

    def on_epoch_end(self, epoch, logs=None):
        unknown = dict.fromkeys((f"val_{figure}" for figure in FIGURES), "NA")
        super().on_epoch_end(epoch, {**unknown, **(logs or {})})


class _StopWhenLost(keras.callbacks.Callback):
    """Ends a training whose loss is no number, or far above what it was."""

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder
        self._lowest = min(_logged(folder / "log.csv", "loss"), default=math.inf)

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(loss := float(logs["loss"])):
            self._stop(f"the loss is {loss}")

    def on_epoch_end(self, epoch, logs=None):
        if "loss" not in logs:
            raise ValueError("`dataset` must give batches. It gave none.")
        if logs["loss"] > _DIVERGED * self._lowest:
            self._stop(f"the loss is {logs['loss']:.4g}, it was {self._lowest:.4g}")
        self._lowest = min(self._lowest, logs["loss"])

    def _stop(self, what: str):
        last = self._folder / "last.weights.h5"
        kept = (
            f"The weights of the last good epoch are in {last}." if last.exists() else "No epoch ended yet."
        )
        optimizer = self.model.optimizer
        raise FloatingPointError(
            f"Training diverged at step {int(optimizer.iterations)}: {what}. {kept} Try a lower "
            f"`learning_rate` (now {float(optimizer.learning_rate):.3g}), a `clipnorm` such as 10, more "
            "`warmup_steps`, or float32 if the network has float16."
        )
