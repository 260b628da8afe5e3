"""Renders of one class with exact masks, by split: what stands for real annotated images in the demo."""

from onemask.demo.worlds import render, seed_range
from onemask.downstream.pairs import Pairs, write_splits
from onemask.jobs import job

SPLITS = {"real": "downstream_train", "validation": "downstream_validation", "test": "test"}

with job(snakemake):
    splits = {}
    for name, count in snakemake.params.images.items():
        made = render(snakemake.wildcards.cls, seed_range(SPLITS[name])[:count], snakemake.params.resolution)
        splits[name] = Pairs(made.images.numpy(), made.label_maps.numpy())
    write_splits(snakemake.output[0], splits)
