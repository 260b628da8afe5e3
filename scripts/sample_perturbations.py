"""Images whose latents are perturbed one block at a time, by both methods, for Figs. 6 and 7."""

from onemask.evaluation.perturbations import sample_perturbations
from onemask.evaluation.pictures import save_arrays
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    generator = load_generator(snakemake.input.generator)
    save_arrays(snakemake.output[0], sample_perturbations(generator, **snakemake.params.samples))
