"""Renders of a class inverted into W+, with exact masks and the annotator's, beside the annotated set's exemplars."""

from functools import partial

from onemask.data.annotated import read_annotated, write_annotated
from onemask.demo.annotator import Annotator
from onemask.demo.inverted import InvertedSettings, make_inverted_set
from onemask.demo.worlds import render
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    labels, generator = read_labels(snakemake.input.labels), load_generator(snakemake.input.generator)
    annotator = Annotator.load(snakemake.input.annotator)
    inverted = make_inverted_set(
        generator,
        partial(render, snakemake.wildcards.cls, size=generator.resolution),
        lambda images: annotator.annotate(images)[0],
        read_annotated(snakemake.input.annotated, labels, generator),
        labels.names,
        InvertedSettings(**snakemake.params.settings),
        snakemake.params.seed,
    )
    write_annotated(snakemake.output[0], inverted)
