"""Time of a training step of `openpose("vgg19")`, beside PyTorch's and beside one that loads its batch.

    python benchmarks/training_step.py [--shared ../shared] [--steps 7]

Batch 4 at 184×184, all 52 million weights, SGD with momentum, in turns so that noise falls on all:
a step on a fixed batch, a step on batches from `coco_dataset` with full augmentation, and, where PyTorch is
installed, a step of the same architecture as pytorch-openpose builds it, on the same batch.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path

try:  # before TensorFlow: after it, a part of PyTorch crashes
    import torch
    import torch._dynamo
except ImportError:
    torch = None
import keras
import numpy as np

from keras_openpose import COCO_18, StageLoss, coco_dataset, openpose

SIZE, BATCH, STAGES = (184, 184), 4, 6
HEATMAPS, PAFS = COCO_18.num_keypoints + 1, 2 * COCO_18.num_limbs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--steps", type=int, default=7)
    arguments = parser.parse_args()
    coco = arguments.shared / "data" / "coco"
    dataset = coco_dataset(
        coco / "train2017",
        coco / "annotations" / "person_keypoints_train2017.json",
        input_size=SIZE,
        batch_size=BATCH,
        repeat=-1,
        drop_remainder=True,
    )
    fixed = next(iter(dataset))
    train_on = keras_step()
    batches = iter(dataset)
    runs = {
        "keras-openpose, fixed batch": lambda: train_on(fixed),
        "keras-openpose, loading": lambda: train_on(next(batches)),
    }
    if torch:
        runs["pytorch-openpose's architecture, fixed batch"] = torch_step(fixed)
    seconds = {name: [] for name in runs}
    for _ in range(arguments.steps + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    print("| step | s, median | s, best |\n|---|---|---|")
    for name, times in seconds.items():
        print(f"| {name} | {statistics.median(times[1:]):.2f} | {min(times[1:]):.2f} |")
    base, *others = ([*times[1:]] for times in seconds.values())
    for name, times in zip(list(runs)[1:], others, strict=True):
        ratios = [time / fixed for time, fixed in zip(times, base, strict=True)]
        print(f"{name} / fixed batch: {statistics.median(ratios):.2f}")


def keras_step():
    """A function that trains on a batch."""
    model = openpose("vgg19")
    model.compile(
        keras.optimizers.SGD(1e-6, momentum=0.9),
        loss=StageLoss(),
        jit_compile=False,
    )

    def step(batch):
        images, targets, mask = batch
        return model.train_on_batch(images, targets, sample_weight=dict.fromkeys(targets, mask))

    return step


def torch_step(batch):
    """A function that trains pytorch-openpose's network (its `model.py`, `bodypose_model`) on one batch."""
    nn = torch.nn

    def convolutions(widths, kernels):  # as many as kernels, ReLU between them
        layers = []
        for (before, after), kernel in zip(itertools.pairwise(widths), kernels, strict=True):
            layers += [nn.Conv2d(before, after, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers[:-1])

    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            blocks = []
            for widths in ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256, 256)):
                blocks += [convolutions(widths, [3] * (len(widths) - 1)), nn.ReLU(inplace=True)]
                blocks.append(nn.MaxPool2d(2))
            blocks += [convolutions((256, 512, 512, 256, 128), [3] * 4), nn.ReLU(inplace=True)]
            self.features = nn.Sequential(*blocks)
            self.stages = nn.ModuleList()
            for stage in range(STAGES):
                branches = nn.ModuleList()
                for channels in (PAFS, HEATMAPS):
                    first = (128, 128, 128, 128, 512, channels), [3, 3, 3, 1, 1]
                    later = (PAFS + HEATMAPS + 128, *[128] * 6, channels), [7, 7, 7, 7, 7, 1, 1]
                    branches.append(convolutions(*(later if stage else first)))
                self.stages.append(branches)

        def forward(self, images):
            features = maps = self.features(images)
            outputs = []
            for branches in self.stages:
                outputs.append([branch(maps) for branch in branches])
                maps = torch.cat([*outputs[-1], features], dim=1)
            return outputs

    def channels_first(array):
        return torch.from_numpy(np.moveaxis(np.asarray(array, np.float32), -1, 1).copy())

    images, targets, mask = batch
    images = channels_first(images) / 256 - 0.5
    targets = [channels_first(targets[name]) for name in ("pafs", "heatmaps")]
    mask = channels_first(mask[..., None])
    network = Body()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == openpose("vgg19").count_params(), parameters
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss = sum(
            ((predicted - target).square() * mask).sum() / (2 * BATCH)
            for outputs in network(images)
            for predicted, target in zip(outputs, targets, strict=True)
        )
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


if __name__ == "__main__":
    main()
