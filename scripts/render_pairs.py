"""Renders of one class with exact masks, by name: what stands for real annotated images in the demo."""

from onemask.demo.worlds import render, seed_range
from onemask.downstream.pairs import Pairs, write_splits
from onemask.jobs import job

with job(snakemake):
    splits = {}
    for name, (split, first, count) in snakemake.params.images.items():
        seeds = seed_range(split)[first : first + count]
        made = render(snakemake.wildcards.cls, seeds, snakemake.params.resolution)
        splits[name] = Pairs(made.images.numpy(), made.label_maps.numpy())
    write_splits(snakemake.output[0], splits)
