"""Unlabelled generated samples of one class: hidden features for the methods that learn from them."""

from onemask.clustering.samples import draw_samples
from onemask.jobs import device, job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    generator = load_generator(snakemake.input.generator, device(snakemake))
    samples = draw_samples(generator, **params.settings, truncation=params.truncation, seed=params.seed)
    samples.save(snakemake.output.clustering)
