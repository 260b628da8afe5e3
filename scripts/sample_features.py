"""Unlabelled generated samples of one class: hidden features for the methods that learn from them."""

from onemask.clustering.samples import draw_samples
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    samples = draw_samples(
        load_generator(snakemake.input.generator), **params.settings, truncation=params.truncation, seed=params.seed
    )
    samples.save(snakemake.output.clustering)
