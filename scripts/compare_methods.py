"""The study's methods against each other, exemplar by exemplar, out of result files alone."""

from onemask.evaluation.metrics import image_scores, read_rows
from onemask.evaluation.paired import paired_differences
from onemask.files import write_csv
from onemask.jobs import job

with job(snakemake):
    table = paired_differences(image_scores(read_rows(snakemake.input)), snakemake.params.methods)
    write_csv(snakemake.output[0], table.to_dict("records"), list(table))
