"""The state of a training after each epoch, for a run that goes on."""

from pathlib import Path

import keras

from keras_openpose.writing import write_whole


class Backup(keras.callbacks.Callback):
    """Keeps weights and optimizer after each epoch, in two copies, as one may be cut off.

    Keras's `BackupAndRestore` leaves the epoch on the model, and the next `fit` begins with it.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder

    def restore(self, model: keras.Model) -> int:
        """Load the last state that is whole, if any. Returns how many epochs had ended."""
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        kept = self._kept()
        for epochs in reversed(kept):
            try:
                model.load_weights(self._path(epochs))
            except OSError:
                if epochs == kept[0]:
                    raise
            else:
                return epochs
        return 0

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state, and removes all but the last two."""
        self._folder.mkdir(exist_ok=True)
        with write_whole(self._path(epoch + 1)) as temporary:
            self.model.save_weights(temporary)
        for epochs in self._kept()[:-2]:
            self._path(epochs).unlink()

    def _kept(self) -> list[int]:
        return sorted(int(path.name.split(".")[0]) for path in self._folder.glob("[0-9]*.weights.h5"))

    def _path(self, epochs: int) -> Path:
        return self._folder / f"{epochs}.weights.h5"
