"""Muon for convolutions: against NumPy's singular values, and AdamW where it is none of Muon's business."""

import keras
import numpy as np
import pytest

import keras_openpose as ko


def variable(shape, name="kernel", seed=0):
    return keras.Variable(np.random.default_rng(seed).normal(size=shape).astype("float32"), name=name)


def step(optimizer, variables, gradients):
    """What one step subtracts from each variable."""
    before = [np.asarray(v).copy() for v in variables]
    optimizer.apply([keras.ops.convert_to_tensor(one) for one in gradients], variables)
    return [old - np.asarray(v) for old, v in zip(before, variables, strict=True)]


@pytest.fixture
def policy():
    """Sets a dtype policy until the end of the test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("shape", [(3, 3, 16, 24), (1, 1, 48, 16), (1, 1, 16, 96)])
def test_a_step_is_the_nearest_orthogonal_matrix(shape, name, policy):
    policy(name)
    gradient = np.random.default_rng(1).normal(size=shape).astype("float32")
    (update,) = step(ko.ConvMuon(0.5, weight_decay=0), [variable(shape)], [gradient])
    matrix = update.reshape(-1, shape[-1])
    u, _, v = np.linalg.svd(gradient.reshape(-1, shape[-1]), full_matrices=False)
    scaled = matrix / (0.5 * 0.2 * np.sqrt(max(matrix.shape)))
    # The iteration stops near 1: its authors give 0.68 to 1.13 (Jordan et al., "Newton-Schulz").
    singular = np.linalg.svd(scaled, compute_uv=False)
    # The last iteration adds three terms, of up to 3.44, 4.78 and 2.03, that bfloat16, of 8 bits, rounds by
    # 2 to the power of -9. What was rounded before is drawn to 1 with the rest.
    rounding = (3.44 + 4.78 + 2.03) / 2**9 if name == "mixed_bfloat16" else 0
    assert singular.min() > 0.66 - rounding
    assert singular.max() < 1.15 + rounding
    assert np.sum(scaled * (u @ v)) / np.linalg.norm(scaled) / np.linalg.norm(u @ v) > 0.97


def test_a_rare_direction_is_learned_as_fast_as_a_common_one():
    gradient = np.zeros((1, 1, 16, 16), "float32")
    gradient[0, 0, 0, 0], gradient[0, 0, 1, 1] = 1.0, 0.05
    (update,) = step(ko.ConvMuon(1.0, weight_decay=0), [variable(gradient.shape)], [gradient])
    assert 0.5 < update[0, 0, 1, 1] / update[0, 0, 0, 0] < 2


def test_the_policy_says_what_is_multiplied_in(policy):
    gradient = np.random.default_rng(1).normal(size=(3, 3, 16, 24)).astype("float32")
    updates = {}
    for name in ("float32", "mixed_float16", "mixed_bfloat16"):
        policy(name)
        (updates[name],) = step(ko.ConvMuon(0.5, weight_decay=0), [variable(gradient.shape)], [gradient])
    np.testing.assert_array_equal(updates["mixed_float16"], updates["float32"])
    difference = np.abs(updates["mixed_bfloat16"] - updates["float32"]).max()
    assert difference > 1e-3 * np.abs(updates["float32"]).max()


def test_momentum_looks_ahead():
    """Of g, then -0.4 g, the momentum is 0.5 g - 0.4 g, but 0.5 (0.1 g) - 0.4 g = -0.35 g is what counts."""
    gradient = np.random.default_rng(1).normal(size=(1, 1, 16, 16)).astype("float32")
    optimizer, kernel = ko.ConvMuon(1.0, momentum=0.5, weight_decay=0), variable((1, 1, 16, 16))
    (first,) = step(optimizer, [kernel], [gradient])
    (second,) = step(optimizer, [kernel], [-0.4 * gradient])
    np.testing.assert_allclose(second, -first, atol=1e-4)  # orthogonal matrices know no size


@pytest.mark.parametrize(
    ("shape", "exclude"),
    [((16,), ()), ((3, 3, 64, 1), ()), ((5, 5, 3, 32), ()), ((16, 16), ()), ((1, 1, 16, 19), ["kernel"])],
)
def test_all_else_is_adamws(shape, exclude):
    """Biases, depthwise kernels, the first layer, dense layers, and what is excluded."""
    gradients = np.random.default_rng(1).normal(size=(3, *shape)).astype("float32")
    ours, keras_own = variable(shape), variable(shape)
    optimizers = ko.ConvMuon(0.1, exclude=exclude), keras.optimizers.AdamW(0.1)
    for gradient in gradients:
        for weight, optimizer in zip((ours, keras_own), optimizers, strict=True):
            step(optimizer, [weight], [gradient])
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(keras_own))


def test_an_exclusion_may_be_one_expression():
    assert ko.ConvMuon(exclude="heatmaps").exclude == ["heatmaps"]


def test_an_exclusion_that_reaches_nothing_is_refused():
    variables = ko.compact_openpose(num_stages=1).trainable_variables
    with pytest.raises(ValueError, match=r"`exclude` must be found .* Without one: \['stage9'\]"):
        ko.ConvMuon(exclude=["stage1", "stage9"]).build(variables)


def test_a_multiplier_is_a_factor_on_the_learning_rate_of_muon_and_adamw():
    """The same step as with that learning rate for all, where the expression is found; else as without."""
    shapes = {
        "block1_conv/kernel": (3, 3, 16, 16),
        "block1_conv/bias": (16,),
        "stage1_conv/kernel": (3, 3, 16, 16),
    }
    rng = np.random.default_rng(2)
    start = {path: rng.normal(size=shape).astype("float32") for path, shape in shapes.items()}
    gradients = [rng.normal(size=shape).astype("float32") for shape in shapes.values()]

    def after_one_step(*arguments, **options):
        optimizer = ko.ConvMuon(*arguments, **options)
        layers = {path: keras.Variable(value, name=path.split("/")[1]) for path, value in start.items()}
        for path, variable in layers.items():
            variable._path = path
        step(optimizer, list(layers.values()), gradients)
        return {path: np.asarray(variable) for path, variable in layers.items()}

    slowed = after_one_step(0.1, weight_decay=0, multipliers={"^block": 0.25})
    slow, fast = after_one_step(0.025, weight_decay=0), after_one_step(0.1, weight_decay=0)
    for path, value in slowed.items():
        np.testing.assert_array_equal(value, (slow if path.startswith("block") else fast)[path])
    assert not np.array_equal(slow["stage1_conv/kernel"], fast["stage1_conv/kernel"])


def test_a_multiplier_that_reaches_nothing_is_refused():
    variables = ko.compact_openpose(num_stages=1).trainable_variables
    with pytest.raises(ValueError, match=r"`multipliers` must be found .* Without one: \['stage9'\]"):
        ko.ConvMuon(multipliers={"stage9": 0.5}).build(variables)


def test_a_compiled_network_comes_back_with_it(tmp_path):
    model = ko.compact_openpose(num_stages=1)
    optimizer = ko.ConvMuon(
        0.002, momentum=0.9, exclude=["heatmaps"], multipliers={"pafs": 0.5}, weight_decay=0.02
    )
    model.compile(optimizer, loss=ko.StageLoss())
    maps = {"heatmaps": np.ones((1, 4, 4, 19)), "pafs": np.ones((1, 4, 4, 38))}
    model.fit(np.ones((1, 32, 32, 3)), maps, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert again.get_config() == optimizer.get_config()
    for one, other in zip(optimizer.variables, again.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.slow
def test_a_network_learns_with_it():
    """One picture, a few steps: the loss falls to a third, which AdamW at this rate takes longer for."""
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    maps = np.random.default_rng(1).uniform(0, 1, (1, 8, 8, 19)).astype("float32")
    model = ko.compact_openpose(num_stages=1)
    model.compile(ko.ConvMuon(exclude=["heatmaps", "pafs"]), loss=ko.StageLoss(), jit_compile=False)
    targets = {"heatmaps": maps, "pafs": np.repeat(maps, 2, axis=-1)}
    first, *_, last = model.fit(images, targets, epochs=40, verbose=0).history["loss"]
    assert last < first / 3
