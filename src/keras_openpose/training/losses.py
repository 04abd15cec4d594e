"""The loss at every stage."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_openpose")
class StageLoss(keras.losses.Loss):
    """Squared L2 distance between maps and targets, the mean over all stages.

    In a cell, the squares are summed over the channels (equation 5 of the paper: over keypoints for
    heatmaps, over limbs for PAFs) and averaged over the stages. Keras multiplies that by the mask,
    and what `fit` reports is the sum divided by the number of all cells of the batch, ignored ones
    included. With heatmaps and PAFs, the reported `loss` is the sum of both.

    CMU's Caffe code sums where this averages: over cells, and over stages with weight 1; it divides
    by twice the batch (EuclideanLoss, `sum / (2 * batch)`). `scaling="caffe"` computes that very
    number, `cells * stages / 2` times as large (6348 for six stages of 46 × 46), so that published
    learning rates such as SGD's 4e-5 carry over. With the default, multiply them by that factor.
    (Adam does not mind either way.)

    Args:
        scaling: `"mean"` or `"caffe"`. Defaults to `"mean"`.
        reduction: as in `keras.losses.Loss`. The above holds for its default.
        name: name of the loss.

    Raises:
        ValueError: `scaling` is something else.

    Example:
        ```python
        import numpy as np
        from keras_openpose import StageLoss

        target = np.zeros((1, 1, 3, 2), "float32")  # batch, height, width, channels
        maps = np.ones((1, 6, 1, 3, 2), "float32")  # batch, stages, height, width, channels
        mask = np.array([[[1, 1, 0]]], "float32")
        assert np.allclose(StageLoss()(target, maps), 2)
        assert np.allclose(StageLoss()(target, maps, sample_weight=mask), 4 / 3)
        assert np.allclose(StageLoss(scaling="caffe")(target, maps, sample_weight=mask), 12)
        ```
    """

    def __init__(
        self,
        scaling: str = "mean",
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str = "stage_loss",
    ):
        super().__init__(name=name, reduction=reduction)
        if scaling not in ("mean", "caffe"):
            raise ValueError(f'`scaling` must be "mean" or "caffe". Received: {scaling!r}.')
        self.scaling = scaling

    def call(self, y_true, y_pred):
        """Loss of each cell.

        Args:
            y_true: targets `(batch, height, width, channels)`.
            y_pred: maps of all stages `(batch, stages, height, width, channels)`.

        Returns:
            `(batch, height, width)`
        """
        squares = ops.sum(ops.square(y_pred - ops.expand_dims(y_true, 1)), axis=-1)
        if self.scaling == "mean":
            return ops.mean(squares, axis=1)
        # Keras divides by batch * height * width; Caffe by 2 * batch.
        height, width = ops.shape(squares)[2:]
        return ops.sum(squares, axis=1) * ops.cast(height * width, squares.dtype) / 2

    def get_config(self):
        """Arguments to build it again."""
        return {**super().get_config(), "scaling": self.scaling}


@keras.saving.register_keras_serializable(package="keras_openpose")
class StageMetric(keras.metrics.Mean):
    """`StageLoss` of a single stage, to watch the stages improve on each other.

    Pass it as a weighted metric, so that the mask counts as it does in the loss.

    Args:
        stage: number of the stage, the first is 1.
        name: what the logs call it. Defaults to `stage1` and so on.
        dtype: as in `keras.metrics.Metric`.

    Raises:
        ValueError: `stage` is below 1, or (when maps arrive) the network has fewer stages.

    Example:
        ```python
        import keras
        from keras_openpose import StageLoss, StageMetric

        compile_arguments = dict(
            loss=StageLoss(),
            weighted_metrics={"heatmaps": [StageMetric(1), StageMetric(6)]},
        )
        ```
    """

    def __init__(self, stage: int, *, name: str | None = None, dtype=None):
        super().__init__(name=name or f"stage{stage}", dtype=dtype)
        if stage < 1:
            raise ValueError(f"`stage` must be at least 1, the first stage. Received: {stage}.")
        self.stage = stage

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: arguments as those of `StageLoss.call`, and the mask."""
        if self.stage > y_pred.shape[1]:
            raise ValueError(
                f"`stage` must be at most the number of stages, {y_pred.shape[1]}. Received: {self.stage}."
            )
        loss = StageLoss()(y_true, y_pred[:, self.stage - 1 : self.stage], sample_weight)
        super().update_state(loss, sample_weight=ops.shape(y_pred)[0])  # a short last batch counts less

    def get_config(self):
        """Arguments to build it again."""
        return {**super().get_config(), "stage": self.stage}
