"""The stage loss: hand arithmetic, the mask, Caffe's scaling, and how it survives being saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_openpose import StageLoss, StageMetric


def maps(*stages):
    """`(1, stages, 1, 3, 2)`: each stage is three cells of two channels."""
    return np.array(stages, np.float32)[None, :, None]


TARGET = np.array([[[[0, 1], [2, 0], [0, 0]]]], np.float32)  # (1, 1, 3, 2)
FIRST = [(0, 1), (2, 3), (1, 1)]  # squared distances 0, 9, 2
SECOND = [(2, 1), (1, 0), (0, 0)]  # 4, 1, 0
MASK = np.array([[[1, 0, 1]]], np.float32)


def value(loss, predicted, mask=None, target=TARGET):
    return float(ops.convert_to_numpy(loss(target, predicted, sample_weight=mask)))


def test_three_cells_written_out():
    per_cell = ops.convert_to_numpy(StageLoss().call(TARGET, maps(FIRST, SECOND)))
    np.testing.assert_allclose(per_cell, [[[(0 + 4) / 2, (9 + 1) / 2, (2 + 0) / 2]]])
    assert value(StageLoss(), maps(FIRST, SECOND)) == pytest.approx((2 + 5 + 1) / 3)


def test_ignored_cells_do_not_count_but_stay_in_the_number_of_cells():
    assert value(StageLoss(), maps(FIRST, SECOND), MASK) == pytest.approx((2 + 1) / 3)


def test_a_mask_of_zeros_gives_zero():
    for scaling in ("mean", "caffe"):
        assert value(StageLoss(scaling), maps(FIRST, SECOND), 0 * MASK) == 0


def test_a_perfect_stage_costs_nothing():
    assert value(StageLoss(), TARGET[:, None]) == 0


def random_batch(batch=3, stages=2, height=4, width=5, channels=6):
    rng = np.random.default_rng(0)
    target = rng.normal(size=(batch, height, width, channels)).astype(np.float32)
    predicted = rng.normal(size=(batch, stages, height, width, channels)).astype(np.float32)
    mask = rng.integers(0, 2, (batch, height, width)).astype(np.float32)
    return target, predicted, mask


def test_the_scaling_of_caffe_is_half_the_sum_over_the_batch():
    """EuclideanLoss of the masked maps, a layer for each stage, all of weight 1."""
    target, predicted, mask = random_batch()
    expected = 0
    for stage in range(predicted.shape[1]):
        difference = mask[..., None] * predicted[:, stage] - mask[..., None] * target
        expected += (difference**2).sum() / (2 * len(target))
    assert value(StageLoss("caffe"), predicted, mask, target) == pytest.approx(expected, rel=1e-5)


def test_the_two_scalings_differ_by_half_the_cells_times_the_stages():
    target, predicted, mask = random_batch()
    ratio = value(StageLoss("caffe"), predicted, mask, target) / value(StageLoss(), predicted, mask, target)
    assert ratio == pytest.approx(4 * 5 * 2 / 2, rel=1e-5)


def test_the_factor_of_the_published_network_is_the_one_documented():
    assert 46 * 46 * 6 / 2 == 6348
    assert "6348" in StageLoss.__doc__


def test_stages_average():
    one, other = (value(StageLoss(), maps(stage)) for stage in (FIRST, SECOND))
    assert value(StageLoss(), maps(FIRST, SECOND)) == pytest.approx((one + other) / 2)


def test_an_unknown_scaling_is_refused():
    with pytest.raises(ValueError, match=r"`scaling` must be .* Received: 'sum'"):
        StageLoss("sum")


# The loss of a single stage


def test_the_metric_is_the_loss_of_its_stage():
    target, predicted, mask = random_batch(stages=3)
    for stage in (1, 2, 3):
        metric = StageMetric(stage)
        assert metric.name == f"stage{stage}"
        metric.update_state(target, predicted, mask)
        expected = value(StageLoss(), predicted[:, stage - 1 : stage], mask, target)
        assert float(metric.result()) == pytest.approx(expected)


def test_the_metric_weighs_batches_by_their_size():
    target, predicted, mask = random_batch()
    metric = StageMetric(1)
    metric.update_state(target[:2], predicted[:2], mask[:2])
    metric.update_state(target[2:], predicted[2:], mask[2:])
    assert float(metric.result()) == pytest.approx(
        value(StageLoss(), predicted[:, :1], mask, target), rel=1e-6
    )


def test_a_stage_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"`stage` must be at least 1, the first stage. Received: 0"):
        StageMetric(0)
    target, predicted, mask = random_batch()
    with pytest.raises(ValueError, match=r"`stage` must be at most the number of stages, 2. Received: 3"):
        StageMetric(3).update_state(target, predicted, mask)


# In a model


def small_model():
    images = keras.Input((16, 16, 3), name="images")
    cells = keras.layers.AveragePooling2D(8)(images)
    outputs = {
        "heatmaps": ops.expand_dims(keras.layers.Conv2D(4, 1)(cells), 1),
        "pafs": ops.expand_dims(keras.layers.Conv2D(6, 1)(cells), 1),
    }
    model = keras.Model(images, outputs)
    model.compile(
        keras.optimizers.SGD(0.01),
        loss={"heatmaps": StageLoss(), "pafs": StageLoss("caffe")},
        weighted_metrics={"heatmaps": [StageMetric(1)]},
    )
    return model


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (2, 16, 16, 3)).astype(np.float32)
    targets = {
        "heatmaps": rng.uniform(size=(2, 2, 2, 4)).astype(np.float32),
        "pafs": rng.uniform(size=(2, 2, 2, 6)).astype(np.float32),
    }
    mask = np.array([[[1, 1], [1, 0]], [[0, 1], [1, 1]]], np.float32)
    return images, targets, {"heatmaps": mask, "pafs": mask}


def test_a_model_reports_the_sum_of_both_losses_and_the_stage(batch):
    images, targets, masks = batch
    model = small_model()
    predicted = {name: ops.convert_to_numpy(output) for name, output in model(images).items()}
    logs = model.evaluate(images, targets, sample_weight=masks, verbose=0, return_dict=True)
    heatmaps = value(StageLoss(), predicted["heatmaps"], masks["heatmaps"], targets["heatmaps"])
    pafs = value(StageLoss("caffe"), predicted["pafs"], masks["pafs"], targets["pafs"])
    assert logs["loss"] == pytest.approx(heatmaps + pafs, rel=1e-5)
    assert logs["heatmaps_stage1"] == pytest.approx(heatmaps, rel=1e-5)


@pytest.mark.parametrize("masked", ["one mask for each output", "one mask"])
def test_one_loss_serves_both_outputs(batch, masked):
    images, targets, masks = batch
    model = small_model()
    predicted = {name: ops.convert_to_numpy(output) for name, output in model(images).items()}
    model.compile(keras.optimizers.SGD(0.01), loss=StageLoss())
    if masked == "one mask":  # as `coco_dataset` gives it
        data = tf.data.Dataset.from_tensors((images, targets, masks["heatmaps"]))
        logs = model.evaluate(data, verbose=0, return_dict=True)
    else:
        logs = model.evaluate(images, targets, sample_weight=masks, verbose=0, return_dict=True)
    parts = [value(StageLoss(), predicted[name], masks[name], targets[name]) for name in targets]
    assert logs["loss"] == pytest.approx(sum(parts), rel=1e-5)


def test_ignored_cells_do_not_change_the_weights(batch):
    images, targets, masks = batch
    weights = []
    for spoilt in (0, 1000):
        keras.utils.set_random_seed(0)
        model = small_model()
        spoilt_targets = {
            name: target + spoilt * (1 - masks[name][..., None]) for name, target in targets.items()
        }
        model.train_on_batch(images, spoilt_targets, sample_weight=masks)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_compiled_model_is_loaded_with_its_losses(batch, tmp_path):
    images, targets, masks = batch
    model = small_model()
    model.train_on_batch(images, targets, sample_weight=masks)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss["pafs"].scaling == "caffe"
    one, other = (
        each.evaluate(images, targets, sample_weight=masks, verbose=0, return_dict=True)
        for each in (model, loaded)
    )
    assert one == pytest.approx(other)
