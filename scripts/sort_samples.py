"""Samples of a generator sorted by what a one-shot segmenter finds in them: those with the most of an item first."""

import numpy as np

from onemask.evaluation.inputs import read_class, read_method
from onemask.evaluation.one_shot import Reader, rare_task
from onemask.evaluation.pictures import save_arrays, segment_images
from onemask.jobs import job
from onemask.seeds import derive_seed

with job(snakemake):
    params = snakemake.params
    _, generator, annotated = read_class(snakemake)
    task = rare_task(annotated, params.label, limit=1)
    build = read_method(snakemake, len(task.labels))
    images = masks = np.zeros((0, generator.resolution, generator.resolution, 3), np.uint8)
    if task.groups:  # the generator draws such an item
        one = task.groups[0]
        unfitted = build(derive_seed(params.seed, "exemplar", 0))
        segmenter = Reader(generator).fit(unfitted, annotated.ws[one], task.label_maps[one])
        ws = generator.sample_ws(range(params.first_seed, params.first_seed + params.samples), params.truncation)
        images, masks = segment_images(generator, segmenter, ws, generator.resolution)
    area = (masks > 0).reshape(len(masks), -1).sum(axis=1)
    most = np.argsort(-area, kind="stable")[: params.each]
    most = most[area[most] > 0]
    save_arrays(snakemake.output[0], {"images": images[most], "label_maps": masks[most]})
