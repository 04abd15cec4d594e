"""A forward pass and a training step of a small network, equal on every backend but for rounding.

    KERAS_BACKEND=jax python tests/backend_step.py results.npz

`test_backends.py` runs it on TensorFlow and compares what the backend under test gives.
"""

import sys

import keras
import numpy as np
from keras import layers

import keras_openpose as ko

ARM = ko.Skeleton(
    "arm", keypoints=("shoulder", "elbow", "wrist"), limbs=(("shoulder", "elbow"), ("elbow", "wrist"))
)
BATCH, SIZE = 4, (32, 48)


def network(*, normalized: bool = True) -> keras.Model:
    """One stage on a backbone, with batch normalization or without, weights from NumPy."""
    images = keras.Input((None, None, 3), name="pixels")
    x = layers.Rescaling(1 / 255)(images)
    for channels in (8, 16, 32):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=not normalized)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x) if normalized else x)
    model = ko.openpose(keras.Model(images, x), skeleton=ARM, num_stages=1, feature_channels=(16,))
    draw_weights(model)
    return model


def draw_weights(model: keras.Model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) > 1:  # a kernel; the others start as ones and zeros everywhere
            fan_in = int(np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape).astype("float32"))


def batch():
    """Images, targets and mask as the data sets give them."""
    rng, cells = np.random.default_rng(1), (SIZE[0] // 8, SIZE[1] // 8)
    images = rng.integers(0, 256, (BATCH, *SIZE, 3)).astype("uint8")
    targets = {
        "heatmaps": rng.uniform(0, 1, (BATCH, *cells, ARM.num_keypoints + 1)).astype("float32"),
        "pafs": rng.uniform(-1, 1, (BATCH, *cells, 2 * ARM.num_limbs)).astype("float32"),
    }
    return images, targets, (rng.uniform(size=(BATCH, *cells)) > 0.2).astype("float32")


def compile_for_training(model: keras.Model, optimizer: keras.optimizers.Optimizer):
    model.compile(optimizer, ko.StageLoss())


def step(model: keras.Model) -> dict[str, np.ndarray]:
    """Maps before, losses of the step, and every weight after it."""
    images, targets, mask = batch()
    maps = model(images.astype("float32"), training=False)
    results = {name: keras.ops.convert_to_numpy(maps[name]) for name in maps}
    compile_for_training(model, keras.optimizers.SGD(0.1, momentum=0.9))
    logs = model.train_on_batch(images, targets, dict.fromkeys(targets, mask), return_dict=True)
    results["loss"] = np.array(float(logs["loss"]))
    return results | {f"weight {n}": np.asarray(value) for n, value in enumerate(model.get_weights())}


if __name__ == "__main__":
    np.savez(sys.argv[1], **step(network()))
