"""Generated images with the annotator's labels: what a one-shot method's annotations are held against."""

import torch

from onemask.demo.annotator import Annotator
from onemask.downstream.pairs import write_splits
from onemask.downstream.synthesis import synthesise
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.images import to_pixels

with job(snakemake):
    params = snakemake.params
    generator, annotator = load_generator(snakemake.input.generator), Annotator.load(snakemake.input.annotator)

    def annotate(images: torch.Tensor, _: object) -> torch.Tensor:
        pixels = to_pixels(images, generator.resolution).transpose(0, 3, 1, 2)
        return annotator.annotate(torch.from_numpy(pixels.copy()))[0]

    pairs = synthesise(generator, annotate, params.images, params.truncation, params.samples)
    write_splits(snakemake.output[0], {"synthetic": pairs})
