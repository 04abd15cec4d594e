"""
Title: Training with PyTorch's DistributedDataParallel
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: One process for each device, on one host or several.
Accelerator: GPU
"""

"""
## Introduction

```
KERAS_BACKEND=torch torchrun --nproc-per-node 2 examples/torch_ddp.py
```

`fit` does not support DistributedDataParallel, so this example writes the training loop out, as the Keras
guide on PyTorch does. For several hosts, start torchrun on each with `--nnodes`, `--node-rank` and
`--rdzv-endpoint`.
"""

import argparse
import os
import tempfile

import keras_openpose as ko
import keras
import torch
import torch.distributed

parser = argparse.ArgumentParser(description="Train with DistributedDataParallel.")
parser.add_argument("--batch-size", type=int, default=4, help="of each process")
parser.add_argument("--steps", type=int, default=4)
arguments = parser.parse_args()

"""
## Processes

torchrun tells each process its rank, the number of processes and its device on this host.
"""

rank = int(os.environ["RANK"])
count = int(os.environ["WORLD_SIZE"])
local_rank = int(os.environ["LOCAL_RANK"])

if torch.cuda.is_available():
    device, device_ids, communication = torch.device(f"cuda:{local_rank}"), [local_rank], "nccl"
else:
    device, device_ids, communication = torch.device("cpu"), None, "gloo"
torch.distributed.init_process_group(communication)

"""
## Network

The wrapper copies the weights of rank 0 to all processes.
"""

model = ko.compact_openpose().to(device)
parallel = torch.nn.parallel.DistributedDataParallel(model, device_ids=device_ids)
optimizer = torch.optim.Adam(parallel.parameters(), lr=1e-3)
loss_function = ko.StageLoss()

"""
## Training

`backward` averages the gradients of all processes. The mask is the weight of each cell, 0 where the loss is
ignored.
"""


def train_step(images, targets, mask):
    """One step on the batch of this process."""
    maps = parallel(images.float())
    loss = loss_function(targets["heatmaps"], maps["heatmaps"], mask)
    loss = loss + loss_function(targets["pafs"], maps["pafs"], mask)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parallel.parameters(), 1.0)
    optimizer.step()
    return float(loss)


"""
`shard` selects the samples of this process. `repeat=-1` allows as many steps in every process, whatever its
share.
"""


def to_torch(tensor):
    return torch.as_tensor(tensor.numpy(), device=device)


with tempfile.TemporaryDirectory() as folder:
    images, labels = ko.synthetic_people(16, size=(128, 128), folder=folder, progress=False)
    people = ko.coco_dataset(
        images,
        labels,
        input_size=(128, 128),
        batch_size=arguments.batch_size,
        shard=(rank, count),
        repeat=-1,
    )
    for pictures, targets, mask in people.take(arguments.steps):
        targets = {name: to_torch(maps) for name, maps in targets.items()}
        loss = train_step(to_torch(pictures), targets, to_torch(mask))

print(f"process {rank} of {count}, loss {loss:.2f}, on {keras.backend.backend()}", flush=True)
torch.distributed.destroy_process_group()
