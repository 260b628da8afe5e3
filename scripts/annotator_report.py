"""The annotators' quality and agreement, out of an annotated set, as a result file: the captions' source."""

from onemask.data.annotated import read_metadata
from onemask.files import write_json
from onemask.jobs import job

with job(snakemake):
    write_json(snakemake.output[0], read_metadata(snakemake.input.annotated))
