"""The scores of all downstream trainings in one csv, their validation curves in another, out of csv files alone."""

import pandas as pd

from onemask.evaluation.experiments import gather
from onemask.evaluation.metrics import read_rows
from onemask.files import write_csv
from onemask.jobs import job

with job(snakemake):
    runs = snakemake.params.runs
    points = [{key: value for key, value in run.items() if key not in ("class", "method", "run")} for run in runs]
    settings = [{"shots": 1, "replicate": run["run"], "point": point} for run, point in zip(runs, points, strict=True)]
    rows = gather(settings, [read_rows([path]) for path in snakemake.input.rows], exemplars=1)
    write_csv(snakemake.output.rows, rows.to_dict("records"), list(rows))
    curves = [pd.read_csv(path).assign(**run) for run, path in zip(runs, snakemake.input.curves, strict=True)]
    table = pd.concat(curves, ignore_index=True)
    write_csv(snakemake.output.curves, table.to_dict("records"), list(table))
