"""Optimizers and schedules of the published networks, and of today."""

import re
from collections.abc import Mapping

import keras
from keras import ops

# CMU's pose_train_test.prototxt of the COCO network (`lr_mult`): biases learn twice as fast as kernels,
# and the stages after the first four times as fast as all before. A backbone may have a `stage2_…`, too.
STAGE_MULTIPLIERS = {
    r"^stage([2-9]|\d\d)_(heatmaps|pafs).*/bias$": 8.0,
    r"^stage([2-9]|\d\d)_(heatmaps|pafs)": 4.0,
    r"/bias$": 2.0,
}
# The same file's `stepsize` and `gamma`: after so many steps the learning rate is multiplied by so much.
_STEP_SIZE, _STEP_FACTOR = 136_106, 0.333
_LEARNING_RATES = {"adamw": 5e-4, "sgd": 4e-5}  # sgd: section 4 of the paper, and CMU's solver
_WEIGHT_DECAYS = {"adamw": 1e-4, "sgd": 5e-4}  # sgd: as above
_SCHEDULES = ("cosine", "step", "constant")


def make_optimizer(
    name: str = "adamw",
    *,
    steps: int,
    learning_rate: float | None = None,
    schedule: str = "cosine",
    warmup_steps: int | None = None,
    weight_decay: float | None = None,
    clipnorm: float | None = None,
    ema: float | None = None,
    multipliers: Mapping[str, float] | None = None,
) -> keras.optimizers.Optimizer:
    """Make the optimizer of a training: AdamW, or SGD as the published networks used it.

    Args:
        name: `"adamw"`, or `"sgd"`, a `CaffeSGD` with momentum 0.9. Defaults to `"adamw"`.
        steps: length of the training, over which the cosine falls; for `"step"` above 136,106.
        learning_rate: the highest. Defaults to 5e-4 for AdamW and 4e-5 for SGD, which is the paper's and
            belongs to `StageLoss("caffe")`.
        schedule: `"cosine"` falls to 0 over the training, `"step"` is multiplied by 0.333 after every
            136,106 steps as CMU did, counted from the end of the warm-up, `"constant"` stays. Defaults to
            `"cosine"`.
        warmup_steps: for so many steps, below `steps`, the learning rate rises from 0. Defaults to a
            twentieth of `steps`, at most 1,000.
        weight_decay: of kernels only, never of biases or normalization. Defaults to 1e-4 for AdamW and
            5e-4 for SGD.
        clipnorm: largest norm of all gradients together. Defaults to no limit.
        ema: momentum, between 0 and 1, such as 0.999, of a moving average of the weights, which is
            evaluated and kept in place of the last ones. Defaults to none.
        multipliers: of the learning rate, for SGD alone; see `CaffeSGD`.

    Returns:
        The optimizer.

    Raises:
        ValueError: an argument is none of the above, or out of its range.

    Example:
        ```python
        from keras_openpose import make_optimizer

        optimizer = make_optimizer("adamw", steps=10_000, learning_rate=1e-3, clipnorm=10.0)
        ```
    """
    if name not in _LEARNING_RATES:
        raise ValueError(f"`name` must be one of: {', '.join(_LEARNING_RATES)}. Received: {name!r}.")
    if schedule not in _SCHEDULES:
        raise ValueError(f"`schedule` must be one of: {', '.join(_SCHEDULES)}. Received: {schedule!r}.")
    if multipliers and name != "sgd":
        raise ValueError(f"`multipliers` serve `'sgd'` only: {name} divides them out again.")
    learning_rate = _LEARNING_RATES[name] if learning_rate is None else learning_rate
    weight_decay = _WEIGHT_DECAYS[name] if weight_decay is None else weight_decay
    warmup_steps = min(1000, steps // 20) if warmup_steps is None else warmup_steps
    for argument, value, valid, valid_range in (
        ("steps", steps, steps >= 1, "at least 1"),
        ("learning_rate", learning_rate, learning_rate > 0, "above 0"),
        ("warmup_steps", warmup_steps, 0 <= warmup_steps < steps, f"at least 0 and below {steps}, `steps`"),
        ("weight_decay", weight_decay, weight_decay >= 0, "at least 0"),
        ("clipnorm", clipnorm, clipnorm is None or clipnorm > 0, "above 0"),
        ("ema", ema, ema is None or 0 < ema < 1, "above 0 and below 1"),
    ):
        if not valid:
            raise ValueError(f"`{argument}` must be {valid_range}. Received: {value}.")
    if schedule == "step" and steps - warmup_steps <= _STEP_SIZE:
        raise ValueError(
            f"`schedule` 'step' lowers the learning rate {_STEP_SIZE:,} steps after the warm-up of "
            f"{warmup_steps:,}, and the training has {steps:,}. "
            "Choose 'cosine' or 'constant', or train longer."
        )
    if schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps - warmup_steps)
    elif schedule == "step":
        rate = keras.optimizers.schedules.ExponentialDecay(
            learning_rate, _STEP_SIZE, _STEP_FACTOR, staircase=True
        )
    else:
        rate = learning_rate
    rate = WarmUp(rate, warmup_steps)
    averages = {} if ema is None else {"use_ema": True, "ema_momentum": ema}
    if name == "sgd":
        return CaffeSGD(
            rate, weight_decay=weight_decay, multipliers=multipliers, global_clipnorm=clipnorm, **averages
        )
    return KernelAdamW(rate, weight_decay=weight_decay, global_clipnorm=clipnorm, **averages)


def _decays(variable) -> bool:
    return variable.name.endswith("kernel")


class PerVariable:
    """A value for each variable, found by the variable or by what `update_step` is given in its place."""

    def __init__(self):
        self._values = {}

    def __setitem__(self, variable: keras.Variable, value):
        given = [variable]
        if keras.backend.backend() == "tensorflow":  # what is inside, one for each device
            given += getattr(variable.value, "values", [variable.value])
        self._values.update((id(one), value) for one in given)

    def __getitem__(self, variable):
        return self._values[id(variable)]


@keras.saving.register_keras_serializable(package="keras_openpose")
class KernelAdamW(keras.optimizers.AdamW):
    """AdamW that decays kernels only."""

    def build(self, variables):
        """Sorts out what does not decay: by path, where Keras goes by name."""
        if not self.built:
            self.exclude_from_weight_decay([variable for variable in variables if not _decays(variable)])
        super().build(variables)


@keras.saving.register_keras_serializable(package="keras_openpose")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly from 0, then follows another schedule.

    Args:
        schedule: the other schedule, which begins when this one ends; or a number.
        steps: how many steps it rises.

    Example:
        ```python
        from keras_openpose.training.optimizers import WarmUp

        rate = WarmUp(0.1, steps=10)
        assert abs(float(rate(4)) - 0.05) < 1e-6 and abs(float(rate(100)) - 0.1) < 1e-6
        ```
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule | float, steps: int):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        """Learning rate of the step of that number, the first is 0."""
        step = ops.cast(step, "float32")
        after = ops.maximum(step - self.steps, 0)
        rate = self.schedule(after) if callable(self.schedule) else self.schedule
        return rate * ops.minimum((step + 1) / max(self.steps, 1), 1)

    def get_config(self):
        """Arguments to build it again."""
        schedule = self.schedule
        if callable(schedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {"schedule": schedule, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        """Build it from `get_config`."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["steps"])


@keras.saving.register_keras_serializable(package="keras_openpose")
class CaffeSGD(keras.optimizers.SGD):
    """Stochastic gradient descent as Caffe has it: decay within the momentum, and rates for each layer.

    Keras subtracts the weight decay outside of the momentum, which lets it act a tenth as much at a
    momentum of 0.9. Here it is part of the gradient: `multiplier * (gradient + weight_decay * weight)`, for
    kernels; biases and normalization are not decayed.

    Args:
        learning_rate: a number or a schedule. Defaults to the paper's 4e-5.
        momentum: of the gradients. Defaults to 0.9.
        weight_decay: Caffe's `weight_decay`. Defaults to 5e-4.
        multipliers: factors of the learning rate by regular expression; the first that is found in the path
            of a variable, such as `stage2_pafs_conv1/kernel`, counts. `STAGE_MULTIPLIERS` are CMU's. Defaults
            to none.
        **options: as in `keras.optimizers.SGD`. Gradients are clipped before decay and multipliers, as in
            Caffe.

    Raises:
        ValueError: (when the training starts) an expression of `multipliers` reaches no variable.

    Example:
        ```python
        from keras_openpose import STAGE_MULTIPLIERS, CaffeSGD, StageLoss, openpose

        model = openpose("mobilenet", num_stages=2)
        model.compile(CaffeSGD(4e-5, multipliers=STAGE_MULTIPLIERS), loss=StageLoss("caffe"))
        ```
    """

    def __init__(
        self,
        learning_rate=4e-5,
        momentum: float = 0.9,
        *,
        weight_decay: float = 5e-4,
        multipliers: Mapping[str, float] | None = None,
        **options,
    ):
        super().__init__(learning_rate, momentum, **options)
        # Not under Keras's own name, or Keras would subtract it once more.
        self.caffe_weight_decay = weight_decay
        self.multipliers = dict(multipliers or {})

    def build(self, variables):
        """Finds the rule of each variable, and checks that every multiplier reaches one."""
        super().build(variables)
        self._rules, reached = PerVariable(), set()
        for variable in variables:
            pattern = self._pattern(variable)
            decay = self.caffe_weight_decay if _decays(variable) else 0.0
            self._rules[variable] = decay, self.multipliers.get(pattern, 1.0)
            reached.add(pattern)
        if lost := [pattern for pattern in self.multipliers if pattern not in reached]:
            paths = [variable.path for variable in variables]
            raise ValueError(
                f"Every expression of `multipliers` must be the first to be found in the path of some "
                f"variable. Without one: {lost}. Paths: {', '.join(paths[:4])}, … {', '.join(paths[-4:])}."
            )

    def update_step(self, gradient, variable, learning_rate):
        """One step of one variable: SGD's, of the gradient with decay and multiplier."""
        decay, multiplier = self._rules[variable]
        gradient = ops.cast(gradient, variable.dtype)
        if decay:
            gradient = gradient + decay * ops.cast(variable, gradient.dtype)
        super().update_step(gradient * multiplier, variable, learning_rate)

    def _pattern(self, variable) -> str | None:
        return next((pattern for pattern in self.multipliers if re.search(pattern, variable.path)), None)

    def get_config(self):
        """Arguments to build it again."""
        config = super().get_config()
        return {**config, "weight_decay": self.caffe_weight_decay, "multipliers": self.multipliers}
