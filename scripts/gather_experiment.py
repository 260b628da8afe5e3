"""The scores of an experiment's runs in one csv, and in another the exemplars without any, out of runs' files alone."""

import pandas as pd

from onemask.evaluation.experiments import gather, gather_failures
from onemask.evaluation.metrics import read_rows
from onemask.files import write_csv
from onemask.jobs import job

with job(snakemake):
    runs, exemplars = snakemake.params.runs, snakemake.params.exemplars
    rows = gather(runs, [read_rows([path]) for path in snakemake.input.rows], exemplars)
    failures = gather_failures(runs, [pd.read_csv(path) for path in snakemake.input.failures], exemplars)
    write_csv(snakemake.output.rows, rows.to_dict("records"), list(rows))
    write_csv(snakemake.output.failures, failures.to_dict("records"), list(failures))
