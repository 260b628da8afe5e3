"""One annotator of a class: a U-Net trained on renders, with its held-out quality inside the file."""

from functools import partial

from onemask.demo.annotator import fit_annotator, settings_from
from onemask.demo.worlds import render
from onemask.jobs import job
from onemask.labels import read_labels

with job(snakemake):
    settings = {name: value for name, value in snakemake.params.settings.items() if name != "version"}
    draw = partial(render, snakemake.wildcards.cls, size=snakemake.params.resolution, **snakemake.params.world)
    labels = read_labels(snakemake.input.labels)
    annotator = fit_annotator(draw, labels, settings_from(settings), snakemake.params.seed)
    annotator.save(snakemake.output[0])
