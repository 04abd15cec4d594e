"""Optimizers: Caffe's rule by hand, learning rates of layers, warm-up."""

import re

import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.training.optimizers import WarmUp


def variable(value, name="kernel"):
    return keras.Variable(np.array(value, "float32"), name=name)


def test_three_steps_of_caffe_by_hand():
    weight = variable([2.0])
    optimizer = ko.CaffeSGD(0.1, momentum=0.5, weight_decay=0.2)
    for gradient in (1.0, -3.0, 0.5):
        optimizer.apply([np.array([gradient], "float32")], [weight])
    # v <- 0.5 v + 0.1 (g + 0.2 w); w <- w - v
    #   v = 0.1 (1 + 0.4) = 0.14                          w = 1.86
    #   v = 0.07 + 0.1 (-3 + 0.372) = -0.1928             w = 2.0528
    #   v = -0.0964 + 0.1 (0.5 + 0.41056) = -0.005344     w = 2.058144
    np.testing.assert_allclose(np.asarray(weight), [2.058144], rtol=1e-6)


def test_the_decay_goes_through_the_momentum():
    """200 steps at 0.1 with decay 0.05 and no gradients: Keras's own leaves 0.367, Caffe's nearly nothing."""
    ours, keras_own = variable([1.0]), variable([1.0])
    for weight, optimizer in (
        (ours, ko.CaffeSGD(0.1, weight_decay=0.05)),
        (keras_own, keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.05)),
    ):
        for _ in range(200):
            optimizer.apply([np.zeros(1, "float32")], [weight])
    assert float(keras_own[0]) == pytest.approx(0.367, abs=1e-3)
    assert abs(float(ours[0])) < 1e-3


@pytest.mark.parametrize(
    "make", [ko.CaffeSGD, lambda rate: ko.make_optimizer("adamw", steps=9, learning_rate=rate)]
)
def test_only_kernels_decay(make):
    names = ("kernel", "depthwise_kernel", "bias", "gamma", "beta")
    variables = [variable([1.0, 1.0], name) for name in names]
    optimizer = make(1.0)
    for _ in range(5):
        optimizer.apply([np.zeros(2, "float32")] * len(names), variables)
    shrunk = [float(v[0]) < 1 for v in variables]
    assert shrunk == [True, True, False, False, False]


@pytest.mark.parametrize(
    "make", [ko.CaffeSGD, lambda rate: ko.make_optimizer("adamw", steps=9, learning_rate=rate)]
)
def test_normalization_and_the_slope_of_prelu_do_not_decay(make):
    networks = [
        ko.mobilenet_openpose("v2_small"),
        keras.Sequential([keras.Input((8,)), keras.layers.PReLU()]),
    ]
    variables = {v.path: v for network in networks for v in network.trainable_variables}
    chosen = [path for path in variables if re.search("stem_norm/|stem.*kernel|alpha", path)]
    for path in chosen:
        variables[path].assign(np.ones(variables[path].shape))
    optimizer = make(1.0)
    optimizer.apply(
        [np.zeros(variables[path].shape, "float32") for path in chosen], [variables[path] for path in chosen]
    )
    kept = {path for path in chosen if float(np.max(variables[path])) == 1}
    assert kept == {path for path in chosen if re.search("gamma|beta|alpha", path)}
    assert 3 <= len(kept) < len(chosen)


def test_gradients_are_clipped_before_decay_and_multipliers():
    """Caffe's SGDSolver::ApplyUpdate: clip, then regularize, then the rate of the layer."""
    weight = variable([2.0])
    optimizer = ko.CaffeSGD(0.1, weight_decay=0.2, multipliers={"kernel": 3.0}, clipnorm=1.0)
    optimizer.apply([np.array([50.0], "float32")], [weight])
    # 2 - 0.1 * 3 (1 + 0.2 * 2)
    np.testing.assert_allclose(np.asarray(weight), [1.58], rtol=1e-6)


def test_cmus_multipliers_reach_their_layers_and_none_of_a_backbone():
    images = keras.Input((None, None, 3))
    features = keras.layers.Conv2D(8, 8, 8, name="stage2_conv")(images)
    backbone = keras.Model(images, features, name="stage2_net")
    model = ko.openpose(backbone, num_stages=2)
    before = {v.path: np.asarray(v).copy() for v in model.trainable_variables}
    optimizer = ko.CaffeSGD(1.0, weight_decay=0.0, multipliers=ko.STAGE_MULTIPLIERS)
    optimizer.apply(
        [np.ones(v.shape, "float32") for v in model.trainable_variables], model.trainable_variables
    )
    moved = {v.path: before[v.path] - np.asarray(v) for v in model.trainable_variables}
    for path, factor in {
        "stage2_conv/kernel": 1,
        "stage2_conv/bias": 2,
        "features_conv1/kernel": 1,
        "features_conv1/bias": 2,
        "stage1_pafs_conv2/kernel": 1,
        "stage1_heatmaps_conv5/bias": 2,
        "stage2_pafs_conv1/kernel": 4,
        "stage2_heatmaps_conv7/bias": 8,
    }.items():
        np.testing.assert_allclose(moved[path], factor, rtol=1e-5, err_msg=path)


@pytest.mark.parametrize("lost", [r"^stage9_", r"stage1_pafs_conv1/bias"])
def test_a_multiplier_that_reaches_nothing_is_refused(lost):
    """No such layer; or another expression comes first."""
    variables = ko.compact_openpose(num_stages=1).trainable_variables
    optimizer = ko.CaffeSGD(multipliers={r"/bias$": 2.0, lost: 4.0})
    with pytest.raises(ValueError, match=r"Every expression of `multipliers` .* Without one: \['.*stage\d"):
        optimizer.build(variables)


def test_a_compiled_model_comes_back_with_its_optimizer(tmp_path):
    model = ko.compact_openpose(num_stages=1)
    optimizer = ko.make_optimizer("sgd", steps=200_000, schedule="step", multipliers={"/bias$": 2.0})
    model.compile(optimizer, loss=ko.StageLoss("caffe"))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert isinstance(again, ko.CaffeSGD)
    assert again.get_config() == optimizer.get_config()
    assert again.multipliers == {"/bias$": 2.0}
    assert float(again._learning_rate(2)) == pytest.approx(float(optimizer._learning_rate(2)))


def test_the_rate_rises_then_follows_the_schedule():
    optimizer = ko.make_optimizer("adamw", steps=110, learning_rate=1.0, warmup_steps=10)
    rate = optimizer._learning_rate
    assert [round(float(rate(step)), 6) for step in (0, 4, 9)] == [0.1, 0.5, 1.0]
    assert float(rate(60)) == pytest.approx(0.5)  # amid the cosine of 100 steps
    assert float(rate(110)) == pytest.approx(0, abs=1e-6)


def test_the_published_schedule():
    rate = ko.make_optimizer("sgd", steps=550_000, schedule="step", warmup_steps=0)._learning_rate
    found = [float(rate(step)) for step in (0, 136_105, 136_106, 272_212)]
    np.testing.assert_allclose(found, [4e-5, 4e-5, 4e-5 * 0.333, 4e-5 * 0.333**2], rtol=1e-5)


def test_a_constant_rate_is_of_the_code_not_of_the_backup():
    """So that a run that diverged can go on with a lower one."""
    optimizer = ko.make_optimizer("adamw", steps=10, schedule="constant", warmup_steps=0)
    assert isinstance(optimizer._learning_rate, WarmUp)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "adam"}, r"`name` must be one of: adamw, sgd\. Received: 'adam'"),
        ({"schedule": "linear"}, r"`schedule` must be one of: cosine, step, constant\. Received: 'linear'"),
        ({"multipliers": {"/bias$": 2.0}}, "`multipliers` serve `'sgd'` only"),
        ({"steps": 0}, r"`steps` must be at least 1\. Received: 0"),
        ({"learning_rate": 0.0}, r"`learning_rate` must be above 0\. Received: 0\.0"),
        ({"warmup_steps": -1}, "`warmup_steps` must be at least 0"),
        ({"warmup_steps": 10}, r"`warmup_steps` must be at least 0 and below 10, `steps`\. Received: 10"),
        ({"weight_decay": -1e-4}, "`weight_decay` must be at least 0"),
        ({"clipnorm": 0.0}, "`clipnorm` must be above 0"),
        ({"ema": 0.0}, "`ema` must be above 0 and below 1"),
        ({"ema": 1.0}, "`ema` must be above 0 and below 1"),
        ({"schedule": "step", "steps": 137_106}, "136,106 steps after .*Choose 'cosine' or 'constant'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.make_optimizer(**{"steps": 10, **arguments})
