"""A clustering of MobileStyleGAN's features that a measured method is built on."""

from onemask.annotation.labeller import fit_clustering
from onemask.jobs import device, job
from onemask.stylegan2.mobile import load_mobile_generator

with job(snakemake):
    params = snakemake.params
    generator = load_mobile_generator(snakemake.input.generator, params.resolution, images=False).to(device(snakemake))
    name = snakemake.wildcards.clustering
    fit_clustering(snakemake.output[0], generator, name, params.settings, params.truncation, params.seed)
