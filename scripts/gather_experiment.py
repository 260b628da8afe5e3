"""The scores of an experiment's runs in one csv, out of their rows alone."""

from onemask.evaluation.experiments import gather
from onemask.evaluation.metrics import read_rows
from onemask.files import write_csv
from onemask.jobs import job

with job(snakemake):
    tables = [read_rows([path]) for path in snakemake.input]
    table = gather(snakemake.params.runs, tables, snakemake.params.exemplars)
    write_csv(snakemake.output[0], table.to_dict("records"), list(table))
