"""From photographs and labels to batches to train on.

Read them in the order of the data: `coco` reads a label file into `samples`; `augmentation` draws the affine
map of a crop; `exif` and `reading` decode what the crop shows of the photograph; `targets` draws heatmaps and
PAFs, `masks` where the loss is ignored; `dataset` joins all into one `tf.data` graph.
"""
