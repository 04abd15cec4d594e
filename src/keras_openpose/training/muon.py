"""Muon for convolutions: training from random weights in a fraction of AdamW's steps."""

import re
from collections.abc import Mapping, Sequence

import keras
from keras import ops

from keras_openpose.training.optimizers import PerVariable

# Of the iteration that makes a matrix nearly orthogonal (Jordan et al., "Muon: An optimizer for hidden layers
# in neural networks", 2024): coefficients of x, x³ and x⁵, and how often.
_COEFFICIENTS, _ITERATIONS = (3.4445, -4.7750, 2.0315), 5
# With this factor updates are as large as AdamW's (Liu et al., "Muon is scalable for LLM training", 2025,
# section 2.2), so that both take one learning rate.
_UPDATE_SIZE = 0.2
# Fewer rows or columns, as depthwise kernels have, and there is little to make orthogonal.
_LEAST_CHANNELS = 16


@keras.saving.register_keras_serializable(package="keras_openpose")
class ConvMuon(keras.optimizers.AdamW):
    """Muon for the kernels of convolutions, AdamW for all else.

    Muon takes the momentum of a kernel as a matrix, `(height * width * inputs, outputs)`, and replaces it by
    the nearest orthogonal one: all directions are learned at one pace, even rare ones. Keras's own Muon
    leaves kernels of convolutions to AdamW. Under the policy `mixed_bfloat16` this one multiplies in
    bfloat16, as Muon's authors do.

    Args:
        learning_rate: a number or a schedule. Defaults to 4e-3.
        momentum: of the gradients of kernels. Defaults to 0.95.
        exclude: a regular expression, or several. A kernel in whose path one is found, such as
            `stage2_heatmaps/kernel`, goes to AdamW. Meant for the last layers. Defaults to none.
        multipliers: factors of the learning rate by regular expression; the first that is found in the path
            counts. `{"^block": 0.3}` suits a backbone that is trained already. Weight decay keeps the whole
            rate. Defaults to none.
        **options: as in `keras.optimizers.AdamW`.

    Raises:
        ValueError: (when the training starts) an expression of `exclude` or `multipliers` reaches no
            variable.

    Example:
        ```python
        from keras_openpose import ConvMuon, StageLoss, compact_openpose

        model = compact_openpose()
        model.compile(ConvMuon(exclude=["heatmaps", "pafs"]), loss=StageLoss())
        ```
    """

    def __init__(
        self,
        learning_rate=4e-3,
        *,
        momentum: float = 0.95,
        exclude: Sequence[str] | str = (),
        multipliers: Mapping[str, float] | None = None,
        **options,
    ):
        super().__init__(learning_rate, **options)
        self.momentum = momentum
        self.exclude = [exclude] if isinstance(exclude, str) else list(exclude)
        self.multipliers = dict(multipliers or {})
        self._momentums_made = PerVariable()

    def build(self, variables):
        """Sorts the variables into Muon's and AdamW's."""
        super().build(variables)
        paths = [variable.path for variable in variables]
        for argument in ("exclude", "multipliers"):
            expressions = getattr(self, argument)
            if lost := [one for one in expressions if not any(re.search(one, path) for path in paths)]:
                raise ValueError(
                    f"Every expression of `{argument}` must be found in the path of some variable. Without "
                    f"one: {lost}. Paths: {', '.join(paths[:4])}, … {', '.join(paths[-4:])}."
                )
        bfloat16 = keras.config.dtype_policy().compute_dtype == "bfloat16"
        self._multiply_in = "bfloat16" if bfloat16 else "float32"  # float16 is too narrow for the squares
        self._rules = PerVariable()
        for variable in variables:
            self._rules[variable] = self._factor(variable.path), self._takes(variable)

    def add_variable_from_reference(self, reference_variable, name=None, **options):
        """Keeps the momentum that AdamW makes for each variable; Muon takes that of kernels."""
        made = super().add_variable_from_reference(reference_variable, name=name, **options)
        if name == "momentum":
            self._momentums_made[reference_variable] = made
        return made

    def _factor(self, path: str) -> float:
        return next((factor for one, factor in self.multipliers.items() if re.search(one, path)), 1.0)

    def _takes(self, variable) -> bool:
        shape = variable.shape
        large = len(shape) == 4 and min(shape[2:]) >= _LEAST_CHANNELS
        return large and not any(re.search(one, variable.path) for one in self.exclude)

    def update_step(self, gradient, variable, learning_rate):
        """One step of one variable."""
        factor, is_kernel = self._rules[variable]
        learning_rate = learning_rate * factor
        if not is_kernel:
            super().update_step(gradient, variable, learning_rate)
            return
        gradient, momentum = ops.cast(gradient, variable.dtype), self._momentums_made[variable]
        self.assign_add(momentum, gradient + (self.momentum - 1) * momentum)
        ahead = ops.reshape(gradient + self.momentum * momentum, (-1, variable.shape[-1]))
        size = ops.cast(learning_rate, variable.dtype) * _UPDATE_SIZE * max(ahead.shape) ** 0.5
        self.assign_sub(variable, ops.reshape(size * _orthogonal(ahead, self._multiply_in), variable.shape))

    def get_config(self):
        """Arguments to build it again."""
        own = {"momentum": self.momentum, "exclude": self.exclude, "multipliers": self.multipliers}
        return {**super().get_config(), **own}


def _orthogonal(matrix, dtype: str):
    """Nearly the nearest matrix with orthonormal rows or columns: same directions, singular values near 1."""
    a, b, c = _COEFFICIENTS
    x = matrix if matrix.shape[0] <= matrix.shape[1] else ops.transpose(matrix)
    x = ops.cast(x / (ops.norm(x) + 1e-7), dtype)
    for _ in range(_ITERATIONS):
        square = x @ ops.transpose(x)
        x = a * x + (b * square + c * square @ square) @ x
    x = ops.cast(x, matrix.dtype)
    return x if matrix.shape[0] <= matrix.shape[1] else ops.transpose(x)
