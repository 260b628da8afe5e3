"""Samples of a generator sorted by item, each under the one of which it shows most.

Every item has a one-shot segmenter of its own; where several find theirs, the surest has the pixel.
"""

import numpy as np

from onemask.annotation.labeller import Layered
from onemask.evaluation.inputs import read_class, read_method
from onemask.evaluation.one_shot import Reader, item_exemplars, rare_task
from onemask.evaluation.pictures import save_arrays, segment_images, sorted_by_label
from onemask.jobs import job
from onemask.seeds import derive_seed

with job(snakemake):
    params = snakemake.params
    _, generator, annotated = read_class(snakemake)
    build, read = read_method(snakemake, 2), Reader(generator)
    # A segmenter of one scan would find its item in every other: the items' exemplars are each other's negatives.
    exemplars = item_exemplars(annotated, params.item_names)
    shots, segmenters = sorted(set(exemplars.values())), []
    for item in exemplars:
        masks = rare_task(annotated, item).label_maps[shots]
        segmenters.append(read.fit(build(derive_seed(params.seed, item)), annotated.ws[shots], masks))
    size, items = generator.resolution, params.item_names
    images, label_maps = np.zeros((0, size, size, 3), np.uint8), np.zeros((0, size, size), np.uint8)
    if segmenters:
        ws = generator.sample_ws(range(params.first_seed, params.first_seed + params.samples), params.truncation)
        one = Layered(segmenters, [items.index(item) for item in exemplars])
        images, label_maps = segment_images(generator, one, ws, size)
    chosen = sorted_by_label(label_maps, 1 + len(items), params.each)
    numbers = np.repeat(np.arange(1, 1 + len(items), dtype=np.uint8), [len(row) for row in chosen])
    rows = np.concatenate(chosen)
    save_arrays(snakemake.output[0], {"images": images[rows], "label_maps": label_maps[rows], "items": numbers})
