"""All tuning trials in one table, and each method's trials ranked by their mean over classes."""

import pandas as pd

from onemask.evaluation.tuning import ranking
from onemask.files import write_csv
from onemask.jobs import job

with job(snakemake):
    trials = pd.concat(map(pd.read_csv, snakemake.input), ignore_index=True)
    for path, table in zip(snakemake.output, (trials, ranking(trials, snakemake.params.by)), strict=True):
        write_csv(path, table.to_dict("records"), list(table))
