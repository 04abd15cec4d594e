"""Title: Training with PyTorch's DistributedDataParallel
Description: One process a device, on one host or several, as the Keras guide on PyTorch describes.

    KERAS_BACKEND=torch torchrun --nproc-per-node 2 examples/torch_ddp.py

`fit` knows nothing of DistributedDataParallel: the loop over batches is written out. On several hosts,
torchrun is started on each with `--nnodes`, `--node-rank` and `--rdzv-endpoint`.
"""

import argparse
import os
import tempfile

import keras
import torch
import torch.distributed

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--batch-size", type=int, default=4, help="of each process")
parser.add_argument("--steps", type=int, default=4)
arguments = parser.parse_args()

rank, count, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
cuda = torch.cuda.is_available()
device = torch.device(f"cuda:{local}" if cuda else "cpu")
torch.distributed.init_process_group("nccl" if cuda else "gloo")

# Rank 0's weights go to all when the network is wrapped.
model = ko.mobilenet_openpose("v2_small").to(device)
parallel = torch.nn.parallel.DistributedDataParallel(model, device_ids=[local] if cuda else None)
optimizer = torch.optim.Adam(parallel.parameters(), lr=1e-3)
loss_function = ko.StageLoss()

with tempfile.TemporaryDirectory() as folder:
    images, labels = ko.synthetic_people(16, size=(128, 128), folder=folder, progress=False)
    people = ko.coco_dataset(
        images,
        labels,
        input_size=(128, 128),
        batch_size=arguments.batch_size,
        shard=(rank, count),
        repeat=-1,  # as many steps in every process, whatever its share
    )
    for pictures, targets, mask in people.take(arguments.steps):
        pictures, mask, heatmaps, pafs = (
            torch.as_tensor(part.numpy(), device=device)
            for part in (pictures, mask, targets["heatmaps"], targets["pafs"])
        )
        maps = parallel(pictures.float())
        loss = loss_function(heatmaps, maps["heatmaps"], mask) + loss_function(pafs, maps["pafs"], mask)
        optimizer.zero_grad()
        loss.backward()  # which averages the gradients of all processes
        torch.nn.utils.clip_grad_norm_(parallel.parameters(), 1.0)
        optimizer.step()

print(f"process {rank} of {count}, loss {float(loss):.2f}, on {keras.backend.backend()}", flush=True)
torch.distributed.destroy_process_group()
