"""The study's methods against each other, exemplar by exemplar, out of result files alone."""

from onemask.evaluation.metrics import image_scores, read_rows
from onemask.evaluation.paired import paired_differences
from onemask.files import atomic
from onemask.jobs import job

with job(snakemake), atomic(snakemake.output[0]) as temporary:
    table = paired_differences(image_scores(read_rows(snakemake.input)), snakemake.params.methods)
    table.to_csv(temporary, index=False, float_format="%.4g", lineterminator="\n")
