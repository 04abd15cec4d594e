"""What every builder returns: a Keras model that knows whom it finds."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import overload

import keras
from keras import ops

from keras_openpose.inference.arguments import check_arguments
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.predict import Photograph, predict_poses
from keras_openpose.models.preset_folder import write_preset_folder
from keras_openpose.poses import Poses
from keras_openpose.skeletons import Skeleton
from keras_openpose.training.losses import StageLoss
from keras_openpose.training.optimizers import make_optimizer
from keras_openpose.training.recipe import best_jit_compile, check_skeletons

# Arguments of `predict_poses` and `decode_poses` that do not belong to a network.
_NOT_FOR_MODELS = ("stride", "skeleton", "batch_size", "quality", "scales", "flip", "refine")


@keras.saving.register_keras_serializable(package="keras_openpose")
class StageMaps(keras.layers.Layer):
    """Puts the maps of all stages side by side, and holds whose maps they are.

    The layer is what carries the skeleton through saving, cloning and JSON: a functional model is rebuilt
    from the configs of its layers.

    Args:
        skeleton: whose maps they are: a `Skeleton`, or the dict of its arguments.
        predict_options: arguments of `predict_poses` that suit the network.
        **layer: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        skeleton: Skeleton | Mapping,
        predict_options: Mapping[str, object] | None = None,
        **layer,
    ):
        super().__init__(**layer)
        self.skeleton = skeleton if isinstance(skeleton, Skeleton) else Skeleton(**skeleton)
        self.predict_options = dict(predict_options or {})

    def call(self, stages):
        """From a list of `(batch, height, width, channels)` to `(batch, stages, height, width, channels)`."""
        # Concatenated rather than stacked: `ops.stack` of two heads under MirroredStrategy on two CPU
        # devices gave wrong updates of the biases.
        return ops.concatenate([ops.expand_dims(maps, 1) for maps in stages], axis=1)

    def compute_output_shape(self, stages_shapes):
        """Stages come after the batch."""
        batch, *map_shape = stages_shapes[0]
        return (batch, len(stages_shapes), *map_shape)

    def get_config(self):
        """The skeleton by names, so that it can be read in the file."""
        own = {"skeleton": self.skeleton.as_dict(), "predict_options": self.predict_options}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_openpose")
class PoseEstimator(keras.Model):
    """A network that knows its skeleton: a functional `keras.Model`, with defaults that train and detect.

    The builders, such as `openpose`, make it. It survives `save` and `keras.models.load_model`,
    `clone_model` and `to_json` with its skeleton and options.

    Args:
        *args: input and outputs, as in `keras.Model`; the outputs come from `StageMaps` layers.
        **kwargs: others of `keras.Model`, such as `name`.

    Raises:
        ValueError: see `compile` and `fit`.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, openpose

        model = openpose("mobilenet", num_stages=2)
        assert model.skeleton == COCO_18
        poses = model.detect(np.zeros((120, 160, 3), "uint8"), input_size=(96, 128))
        ```
    """

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints and limbs that the network finds."""
        return self.get_layer("heatmaps").skeleton

    @property
    def predict_options(self) -> dict:
        """Arguments of `predict_poses` that suit the network: `input_size`, and those of `decode_poses`.

        `predict_poses` and all that call it take them for defaults. Set them on a network of your own,
        `model.predict_options = {"input_size": (256, 256), "min_score": 0.5}`; they are saved with it.
        """
        return dict(self.get_layer("heatmaps").predict_options)

    @predict_options.setter
    def predict_options(self, options: Mapping[str, object]):
        check_arguments("predict_options", options, predict_poses, decode_poses, settled=_NOT_FOR_MODELS)
        self.get_layer("heatmaps").predict_options = dict(options)

    @overload
    def detect(self, images: Photograph, **options) -> Poses: ...
    @overload
    def detect(self, images: Iterable[Photograph], **options) -> list[Poses]: ...
    def detect(self, images: Photograph | Iterable[Photograph], **options) -> Poses | list[Poses]:
        """Find the people in photographs: `predict_poses(model, images, **options)`."""
        return predict_poses(self, images, **options)

    def save_to_preset(self, folder: str | os.PathLike, *, license: str = "") -> Path:
        """Write the network as a folder to share, which `from_preset(folder)` reads.

        In the folder are `preset.json` (name, license, skeleton, predict options), `model.json` (the
        architecture) and `model.weights.h5`. Upload it to the Hugging Face Hub, and others load it by
        `from_preset("hf://user/name")`.

        Args:
            folder: where to write; created if need be.
            license: a line on the license of the weights, for those who load them. Defaults to none.

        Returns:
            The folder.

        Example:
            ```python
            from keras_openpose import from_preset, openpose

            openpose("mobilenet", num_stages=1).save_to_preset("mine", license="CC0-1.0")
            model = from_preset("mine")
            ```
        """
        return write_preset_folder(self, folder, license)

    def compile(self, optimizer=None, loss=None, *, jit_compile: bool | str = "auto", **arguments):
        """Prepare for training; no argument is needed.

        Args:
            optimizer: a Keras optimizer. Defaults to the one of `make_optimizer` at a constant rate: AdamW
                at 5e-4, reached over 500 steps, with a weight decay of 1e-4 for kernels.
            loss: of both maps, or one for each by name. Defaults to `StageLoss()`. A loss of your own must
                broadcast the targets over the stage axis, which they lack.
            jit_compile: as in `keras.Model.compile`, but `"auto"` leaves XLA out where TensorFlow runs on a
                CPU: XLA's convolutions are many times slower there.
            **arguments: others of `keras.Model.compile`.

        Raises:
            ValueError: the loss is one of Keras's own, which would broadcast stages against the batch.
        """
        _check_loss(loss)
        if optimizer is None:
            optimizer = make_optimizer("adamw", schedule="constant", steps=10_000)
        jit_compile = best_jit_compile() if jit_compile == "auto" else jit_compile
        loss = StageLoss() if loss is None else loss
        super().compile(optimizer, loss=loss, jit_compile=jit_compile, **arguments)

    def compile_from_config(self, config: dict):
        """Compile as a saved network was; Keras calls it."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, *args, **arguments):
        """Train, as `keras.Model.fit` does; a `tf.data.Dataset` needs no `shuffle=False`.

        Raises:
            ValueError: the data set was made for another skeleton.
        """
        if hasattr(x, "element_spec"):
            check_skeletons(self, x)
            arguments.setdefault("shuffle", False)  # the data set does it, and Keras warns of it
        return super().fit(x, *args, **arguments)


def _check_loss(loss):
    for one in keras.tree.flatten(loss):
        kind = one if callable(one) and not isinstance(one, keras.losses.Loss) else type(one)
        if isinstance(one, str) or kind.__module__.split(".")[0] == "keras":
            raise ValueError(
                "`loss` must be a `StageLoss`, or a loss of your own that broadcasts the targets, "
                "`(batch, height, width, channels)`, over the stages of the maps, `(batch, stages, height, "
                f"width, channels)`. Keras's own losses do not. Received: {one!r}."
            )
