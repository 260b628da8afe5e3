"""All tuning trials in one table, and each method's trials ranked by their mean over classes."""

import pandas as pd

from onemask.evaluation.tuning import ranking
from onemask.files import atomic
from onemask.jobs import job


def write(path, table):
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")


with job(snakemake):
    trials = pd.concat(map(pd.read_csv, snakemake.input), ignore_index=True)
    write(snakemake.output.trials, trials)
    write(snakemake.output.ranking, ranking(trials, snakemake.params.by))
