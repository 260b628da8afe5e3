"""The annotators' quality and agreement, out of an annotated set, as a result file: the captions' source."""

from onemask.data.annotated import read_annotated
from onemask.files import write_json
from onemask.jobs import job
from onemask.labels import read_labels

with job(snakemake):
    annotated = read_annotated(snakemake.input.annotated, read_labels(snakemake.input.labels))
    write_json(snakemake.output[0], annotated.metadata)
