"""HFC + KMeans of one class: centroids of hidden features."""

from onemask.clustering.kmeans import KMeansSettings, fit_kmeans
from onemask.jobs import device, job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    settings = KMeansSettings(truncation=params.truncation, **params.settings)
    generator = load_generator(snakemake.input.generator, device(snakemake))
    fit_kmeans(generator, settings, params.seed).save(snakemake.output.clustering)
