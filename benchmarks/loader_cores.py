"""Training samples a second that one core makes, from photographs on disk.

    python benchmarks/loader_cores.py coco/train2017 coco/annotations/person_keypoints_train2017.json

Counted by the CPU time of all threads, which does not depend on what else the machine does.
"""

import sys
import time

from keras_openpose import coco_dataset

BATCH, WARMUP, BATCHES = 8, 5, 40

images, annotations = sys.argv[1:]
dataset = coco_dataset(images, annotations, input_size=(368, 368), batch_size=BATCH, repeat=-1)
for n, _ in enumerate(dataset.take(WARMUP + BATCHES)):
    if n == WARMUP - 1:
        start = time.process_time()
print(f"{BATCH * BATCHES / (time.process_time() - start):.0f} samples a second a core")
