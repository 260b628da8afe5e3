"""Renders of one class with exact masks, by name: what stands for real annotated images in the demo."""

from onemask.demo.worlds import render, seed_range
from onemask.downstream.pairs import Pairs, write_splits
from onemask.jobs import job

with job(snakemake):
    params, splits = snakemake.params, {}
    for name, (split, first, count) in params.images.items():
        seeds = seed_range(split)[first : first + count]
        made = render(snakemake.wildcards.cls, seeds, params.resolution, **params.world)
        splits[name] = Pairs(made.images.numpy(), made.label_maps.numpy())
    write_splits(snakemake.output[0], splits)
