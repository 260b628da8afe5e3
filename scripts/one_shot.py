"""One method on one class: fitted on each exemplar alone (or on several), scored on the test split."""

import numpy as np

from onemask.evaluation.inputs import read_class, read_method
from onemask.evaluation.metrics import write_rows
from onemask.evaluation.one_shot import FAILURE_COLUMNS, check_failures, evaluate_method, part_task, rare_task
from onemask.evaluation.pictures import save_arrays, task_pictures, with_and_without
from onemask.files import write_csv
from onemask.jobs import job

with job(snakemake):
    params, method = snakemake.params, snakemake.params.method
    labels, generator, annotated = read_class(snakemake)
    task = (
        rare_task(annotated, params.rare, params.limit)
        if params.rare
        else part_task(annotated, labels.names, method["fit_split"], params.shots, params.limit)
    )
    build = read_method(snakemake, len(task.labels))
    keys = {"study": params.study, "class": snakemake.wildcards.cls, "method": snakemake.wildcards.method}
    outcome = evaluate_method(generator, annotated.ws, task, build, params.seed, keys=keys)
    write_csv(snakemake.output.failures, outcome.failures.to_dict("records"), FAILURE_COLUMNS)
    check_failures(outcome, params.allow_failures)
    write_rows(snakemake.output.rows, outcome.rows)
    if pictures := snakemake.output.get("pictures"):
        test = np.arange(len(task.test))
        shown = with_and_without(task, 1, params.shown) if params.rare else test[: params.shown]
        save_arrays(pictures, task_pictures(generator, annotated.ws, task, outcome, shown))
