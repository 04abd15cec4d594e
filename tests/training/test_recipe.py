"""The training recipe: what it keeps, how it goes on, when it stops."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_openpose as ko
from keras_openpose.training.recipe import _logged, _StopWhenLost, count_epochs

SIZE = (64, 64)
RECIPE = {"steps": 6, "steps_per_epoch": 2, "learning_rate": 1e-2, "verbose": 0}


def network(skeleton=ko.COCO_18):
    """The smallest that can learn something: a backbone of one layer, one stage."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3), name="images")
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(8, 8, 8, activation="relu", name="backbone_conv")(x)
    heatmaps = keras.layers.Conv2D(skeleton.num_keypoints + 1, 1, name="stage1_heatmaps")(x)
    pafs = keras.layers.Conv2D(2 * skeleton.num_limbs, 1, name="stage1_pafs")(x)
    expand = keras.ops.expand_dims
    return keras.Model(images, {"heatmaps": expand(heatmaps, 1), "pafs": expand(pafs, 1)})


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Photographs and labels of synthetic people."""
    return ko.synthetic_people(4, size=SIZE, people=(1, 1), folder=tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def dataset(people) -> tf.data.Dataset:
    """Always the same batch, so that runs can be compared."""
    return ko.coco_dataset(*people, input_size=SIZE, augment=False, batch_size=4).cache()


def rows(folder):
    with open(folder / "log.csv") as file:
        return list(csv.DictReader(file))


def weights(model):
    return np.concatenate([np.asarray(v).ravel() for v in model.weights])


class Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory, dataset):
    """A training that nothing came in between, and its folder."""
    model, folder = network(), tmp_path_factory.mktemp("whole")
    ko.train(model, dataset, folder, **RECIPE)
    return model, folder


def test_a_training_learns_and_leaves_logs_and_weights(whole):
    model, folder = whole
    losses = [float(row["loss"]) for row in rows(folder)]
    assert [row["epoch"] for row in rows(folder)] == ["0", "1", "2"]
    assert losses[2] < losses[1] < losses[0]
    assert int(model.optimizer.iterations) == 6
    assert sorted(path.name for path in folder.iterdir()) == ["last.weights.h5", "log.csv", "model.keras"]
    saved = keras.models.load_model(folder / "model.keras")
    assert not saved.compiled  # or Keras would ask for this package's loss
    np.testing.assert_array_equal(weights(saved), weights(model))


def test_an_interrupted_training_ends_as_if_nothing_had_happened(whole, dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(epoch=2)], **RECIPE)
    model = network()
    ko.train(model, dataset, tmp_path, **RECIPE)
    assert [row["epoch"] for row in rows(tmp_path)] == ["0", "1", "2"]
    np.testing.assert_allclose(weights(model), weights(whole[0]), atol=1e-6)  # of sums in another order


def test_a_backup_that_was_cut_off_gives_way_to_the_one_before(whole, dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(epoch=2)], **RECIPE)
    backup = tmp_path / "backup/2.weights.h5"
    backup.write_bytes(backup.read_bytes()[:1000])
    model = network()
    ko.train(model, dataset, tmp_path, **RECIPE)
    assert [row["epoch"] for row in rows(tmp_path)] == ["0", "1", "1", "2"]
    np.testing.assert_allclose(weights(model), weights(whole[0]), atol=1e-6)


def test_backups_that_were_both_cut_off_are_told(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(epoch=2)], **RECIPE)
    backups = sorted((tmp_path / "backup").iterdir())
    assert [path.name for path in backups] == ["1.weights.h5", "2.weights.h5"]
    for backup in backups:
        backup.write_bytes(backup.read_bytes()[:1000])
    with pytest.raises(OSError, match="truncated"):
        ko.train(network(), dataset, tmp_path, **RECIPE)


def test_after_a_training_fit_begins_at_its_first_epoch(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(epoch=2)], **RECIPE)
    model = network()
    ko.train(model, dataset, tmp_path, **RECIPE)
    assert model.fit(dataset, epochs=2, shuffle=False, verbose=0).epoch == [0, 1]


SCRIPT = """
import sys
from pathlib import Path
import keras, tensorflow as tf
import keras_openpose as ko
from test_recipe import SIZE, network

dataset = ko.coco_dataset(*sys.argv[1:3], input_size=SIZE, augment=False, batch_size=4).cache()
model = network()
ko.train(model, dataset, sys.argv[3], steps=400, steps_per_epoch=100, learning_rate=1e-2, verbose=0)
assert int(model.optimizer.iterations) == 400
"""


@pytest.mark.slow
def test_a_killed_training_goes_on(people, tmp_path):
    command = [sys.executable, "-c", SCRIPT, *map(str, people), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    process = subprocess.Popen(command, env=environment)
    while not (tmp_path / "log.csv").exists() or len(rows(tmp_path)) < 1:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(rows(tmp_path))
    assert 1 <= done < 4
    assert not (tmp_path / "model.keras").exists()
    subprocess.run(command, env=environment, check=True)
    epochs = [int(row["epoch"]) for row in rows(tmp_path)]
    assert sorted(set(epochs)) == [0, 1, 2, 3]
    assert len(epochs) <= 5  # at most the epoch whose backup was cut off came twice


def test_a_finished_training_is_not_begun_anew(whole, dataset):
    with pytest.raises(FileExistsError, match=r"holds a finished training, model\.keras"):
        ko.train(network(), dataset, whole[1], **RECIPE)


class Spoil(keras.callbacks.Callback):
    """Multiplies the weights of a layer when the second epoch begins."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            layer = self.model.get_layer("stage1_pafs")
            layer.set_weights([self.factor * values for values in layer.get_weights()])


@pytest.mark.parametrize(("factor", "message"), [(np.nan, "the loss is nan"), (1e3, "it was")])
def test_a_lost_training_stops_and_the_last_good_weights_stay(factor, message, dataset, tmp_path):
    with pytest.raises(FloatingPointError, match=rf"diverged at step \d: .*{message}.*Try a lower"):
        ko.train(network(), dataset, tmp_path, callbacks=[Spoil(factor)], **RECIPE)
    model = network()
    model.load_weights(tmp_path / "last.weights.h5")
    assert np.abs(weights(model)).max() < 10


def test_a_lost_training_that_is_started_again_keeps_the_last_good_weights(dataset, tmp_path):
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="it was"):
            ko.train(network(), dataset, tmp_path, callbacks=[Spoil(1e3)], **RECIPE)
    assert [row["epoch"] for row in rows(tmp_path)] == ["0"]


def test_a_loss_that_rises_a_little_does_not_stop_it(tmp_path):
    guard = _StopWhenLost(tmp_path)
    for epoch, loss in enumerate([1.0, 9.9, 0.5, 4.9]):
        guard.on_epoch_end(epoch, {"loss": loss})


def test_a_frozen_backbone_stays_then_learns(dataset, tmp_path):
    model = network()
    before = [np.asarray(v).copy() for v in model.get_layer("backbone_conv").weights]

    class Look(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            now = [np.asarray(v) for v in self.model.get_layer("backbone_conv").weights]
            moved.append(any((a != b).any() for a, b in zip(before, now, strict=True)))

    moved = []
    ko.train(model, dataset, tmp_path, freeze_backbone_steps=2, callbacks=[Look()], **RECIPE)
    assert moved == [False, True]
    assert [row["epoch"] for row in rows(tmp_path / "frozen")] == ["0"]


def test_interrupted_after_the_frozen_part_it_is_not_done_again(dataset, tmp_path):
    arguments = {"freeze_backbone_steps": 2, **RECIPE}
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(epoch=1)], **arguments)
    ko.train(network(), dataset, tmp_path, **arguments)
    assert [row["epoch"] for row in rows(tmp_path / "frozen")] == ["0"]
    assert [row["epoch"] for row in rows(tmp_path)] == ["0", "1", "2"]


def test_interrupted_in_the_frozen_part_all_of_the_other_is_trained(dataset, tmp_path):
    arguments = {"freeze_backbone_steps": 4, **RECIPE}
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(epoch=1)], **arguments)
    model = network()
    ko.train(model, dataset, tmp_path, **arguments)
    assert int(model.optimizer.iterations) == 6
    assert [row["epoch"] for row in rows(tmp_path / "frozen")] == ["0", "1"]
    assert [row["epoch"] for row in rows(tmp_path)] == ["0", "1", "2"]


def test_only_what_was_trainable_is_frozen_and_interrupted_it_is_trainable_again(dataset, tmp_path):
    layers = keras.layers
    inner = keras.Sequential([layers.Conv2D(4, 8, 8), layers.Conv2D(8, 1)], name="backbone")
    images = keras.Input((None, None, 3))
    maps = layers.Conv2D(38, 1, name="stage1_pafs")(layers.Conv2D(8, 1, name="own")(inner(images)))
    model = keras.Model(images, {"heatmaps": maps[:, None, ..., :19], "pafs": maps[:, None]})
    inner.layers[0].trainable = model.get_layer("own").trainable = False
    before = [v.path for v in model.trainable_variables]
    with pytest.raises(KeyboardInterrupt):
        ko.train(model, dataset, tmp_path, freeze_backbone_steps=2, callbacks=[Interrupt(epoch=0)], **RECIPE)
    assert [v.path for v in model.trainable_variables] == before
    assert len(before) == 4


def test_a_network_without_a_backbone_has_none_to_freeze(dataset, tmp_path):
    images = keras.Input((None, None, 3))
    maps = keras.layers.Conv2D(38, 8, 8, name="stage1_pafs")(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, {"heatmaps": maps[:, None, ..., :19], "pafs": maps[:, None]})
    with pytest.raises(ValueError, match="needs layers with weights before the first one named `features_"):
        ko.train(model, dataset, tmp_path, freeze_backbone_steps=2, **RECIPE)


def test_a_schedule_in_steps_is_constant_while_frozen(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_openpose.training.optimizers._STEP_SIZE", 3)
    model = network()
    ko.train(model, dataset, tmp_path, freeze_backbone_steps=2, schedule="step", **RECIPE)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-2 * 0.333**2)


@pytest.mark.slow
def test_steps_are_rounded_up_to_equal_epochs(dataset, tmp_path):
    model = network()
    history = ko.train(model, dataset, tmp_path, **{**RECIPE, "steps": 5, "steps_per_epoch": 4})
    assert (history.params["epochs"], history.params["steps"]) == (2, 3)
    assert int(model.optimizer.iterations) == 6
    assert float(model.optimizer._learning_rate(5)) > 0  # at the last step of six


def test_a_network_without_pafs_learns_from_a_skeleton_with_limbs(dataset, tmp_path):
    model = network()
    hand = keras.Model(model.input, {"heatmaps": model.output["heatmaps"]})
    history = ko.train(
        hand, dataset, tmp_path / "run", steps=8, steps_per_epoch=4, learning_rate=0.01, verbose=0
    )
    first, second = history.history["loss"]
    assert second < first


def test_averaged_weights_are_kept(dataset, tmp_path):
    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(weights(self.model))

    model, steps = network(), []
    ko.train(model, dataset, tmp_path, ema=0.5, callbacks=[Record()], **{**RECIPE, "steps_per_epoch": 6})
    expected = steps[0]
    for step in steps[1:]:
        expected = 0.5 * expected + 0.5 * step
    np.testing.assert_allclose(weights(model), expected, atol=1e-6)
    last = network()
    last.load_weights(tmp_path / "last.weights.h5")
    np.testing.assert_allclose(weights(last), expected, atol=1e-6)


def test_averaged_weights_are_kept_when_the_training_ends_early(dataset, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    model, last = network(), network()
    ko.train(model, dataset, tmp_path, ema=0.9, callbacks=[Stop()], **{**RECIPE, "steps_per_epoch": 1})
    last.load_weights(tmp_path / "last.weights.h5")
    np.testing.assert_array_equal(weights(model), weights(last))
    np.testing.assert_array_equal(weights(keras.saving.load_model(tmp_path / "model.keras")), weights(last))


def test_targets_of_another_skeleton_are_refused(dataset, arm, tmp_path):
    with pytest.raises(ValueError, match=r"same `skeleton`.*'heatmaps': 4.*of the model, .*'heatmaps': 19"):
        ko.train(network(arm), dataset, tmp_path, **RECIPE)


def test_a_data_set_without_a_batch_is_told(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"`dataset` must give batches\. It gave none"):
        ko.train(network(), dataset.take(0), tmp_path, **RECIPE)


def test_validation_looks_at_the_size_of_the_training(people, dataset, tmp_path, monkeypatch):
    asked = []

    class Asked(keras.callbacks.Callback):
        def __init__(self, *_, **options):
            super().__init__()
            asked.append(options)

    monkeypatch.setattr("keras_openpose.training.recipe.CocoEvaluation", Asked)
    for name, validate in (("a", None), ("b", {"input_size": (32, 32), "every": 2})):
        ko.train(network(), dataset, tmp_path / name, validation=people, validate=validate, **RECIPE)
    assert asked == [{"input_size": SIZE}, {"input_size": (32, 32), "every": 2}]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"steps": 4}, "steps 6, now 4"),
        ({"steps_per_epoch": 1}, "steps_per_epoch 2, now 1"),
        ({"optimizer": "sgd"}, "optimizer adamw, now sgd"),
        ({"ema": 0.9}, "ema None, now 0.9"),
        ({"freeze_backbone_steps": 2}, "freeze_backbone_steps 0, now 2"),
    ],
    ids=str,
)
def test_a_run_does_not_go_on_with_other_arguments(changed, complaint, dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, callbacks=[Interrupt(1)], **RECIPE)
    with pytest.raises(ValueError, match=rf"holds a run with other arguments: .*{complaint}"):
        ko.train(network(), dataset, tmp_path, **{**RECIPE, **changed})
    assert not (tmp_path / "frozen").exists()
    ko.train(network(), dataset, tmp_path, **RECIPE)
    assert len(rows(tmp_path)) == 3


def test_nor_does_its_frozen_part(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ko.train(network(), dataset, tmp_path, freeze_backbone_steps=4, callbacks=[Interrupt(1)], **RECIPE)
    assert count_epochs(tmp_path) == 1
    with pytest.raises(ValueError, match="freeze_backbone_steps 4, now 0"):
        ko.train(network(), dataset, tmp_path, **RECIPE)


def test_what_a_callback_restores_after_an_early_end_is_kept(dataset, tmp_path):
    class Restore(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.weights, self.model.stop_training = self.model.get_weights(), True

        def on_train_end(self, logs=None):
            self.model.set_weights([0 * weight for weight in self.weights])

    model = network()
    ko.train(model, dataset, tmp_path, ema=0.9, callbacks=[Restore()], **{**RECIPE, "steps_per_epoch": 1})
    assert not weights(model).any()


def test_the_best_weights_are_those_of_the_best_epoch(people, dataset, tmp_path):
    validate = {"input_size": SIZE, "every": 2, "skeleton": ko.COCO_18}
    ko.train(network(), dataset, tmp_path, validation=people, validate=validate, **RECIPE)
    assert [row["val_AP"] == "NA" for row in rows(tmp_path)] == [True, False, False]  # and the last
    assert (tmp_path / "best.weights.h5").exists()


def test_the_figures_of_an_interrupted_training_are_remembered(tmp_path):
    log = tmp_path / "log.csv"
    assert _logged(log, "val_AP") == []
    log.touch()  # killed in the first epoch
    assert _logged(log, "val_AP") == []
    log.write_text("epoch,loss,val_AP\n0,3.0,NA\n1,2.0,31.5\n2,1.0,30.0\n")
    assert _logged(log, "val_AP") == [31.5, 30.0]
    assert _logged(log, "loss") == [3.0, 2.0, 1.0]
    assert _logged(log, "accuracy") == []


def test_killed_in_its_first_epoch_it_begins_anew(people, dataset, tmp_path):
    (tmp_path / "log.csv").touch()
    validate = {"input_size": SIZE, "skeleton": ko.COCO_18}
    ko.train(network(), dataset, tmp_path, validation=people, validate=validate, **RECIPE)
    assert [row["epoch"] for row in rows(tmp_path)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "`steps` and `steps_per_epoch` must be at least 1"),
        ({"ema": 1.5}, "`ema` must be above 0 and below 1"),
        ({"optimizer": keras.optimizers.Adam()}, "`learning_rate` is for an optimizer by name"),
    ],
)
def test_bad_arguments_are_named(arguments, message, dataset, tmp_path):
    with pytest.raises(ValueError, match=message):
        ko.train(network(), dataset, tmp_path, **{**RECIPE, **arguments})
    assert not list(tmp_path.iterdir())
