"""Tuning of one method on one class: every trial is fitted on a few exemplars and scored on the tuning split."""

import json
from dataclasses import replace

from onemask.evaluation.inputs import read_class
from onemask.evaluation.metrics import METRICS, image_scores
from onemask.evaluation.one_shot import check_failures, evaluate_method, part_task
from onemask.files import write_csv
from onemask.jobs import job
from onemask.segmenters.base import load_clustering, method_builder


def score(clustering, heads):
    """Mean of each metric over exemplars and tuning images with a trial's clustering and heads."""
    build = method_builder(params.method, heads, len(labels), clustering)
    task = part_task(annotated, labels.names, params.method["fit_split"], limit=params.exemplars)
    task = replace(task, test=annotated.indices("tuning"))
    outcome = evaluate_method(generator, annotated.ws, task, build, params.seed, keys={"study": "tuning", **names})
    check_failures(outcome, allowed=False)
    return image_scores(outcome.rows)[METRICS].mean().to_dict()


with job(snakemake):
    params = snakemake.params
    names = {"class": snakemake.wildcards.cls, "method": snakemake.wildcards.method}
    labels, generator, annotated = read_class(snakemake)
    files = snakemake.input.clusterings or [None] * len(params.trials)
    rows = []
    for number, (trial, heads, file) in enumerate(zip(params.trials, params.heads, files, strict=True)):
        metrics = score(load_clustering(file, params.loader, generator.device), heads)
        rows.append({**names, "trial": number, "settings": json.dumps(trial), **metrics})
    write_csv(snakemake.output[0], rows, [*names, "trial", "settings", *METRICS])
