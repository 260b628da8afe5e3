"""Generated images with the annotator's labels: what a one-shot method's annotations are held against."""

from onemask.demo.annotator import Annotator
from onemask.downstream.pairs import write_splits
from onemask.downstream.synthesis import synthesise
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    generator, annotator = load_generator(snakemake.input.generator), Annotator.load(snakemake.input.annotator)
    pairs = synthesise(
        generator, lambda images, _: annotator.annotate(images)[0], params.images, params.truncation, params.samples
    )
    write_splits(snakemake.output[0], {"synthetic": pairs})
