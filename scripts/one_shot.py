"""One method on one class: fitted on each exemplar alone (or on several), scored on the test split."""

from onemask.data.annotated import read_annotated
from onemask.evaluation.metrics import write_rows
from onemask.evaluation.one_shot import FAILURE_COLUMNS, check_failures, evaluate_method, part_task, rare_task
from onemask.files import write_csv
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params, method = snakemake.params, snakemake.params.method
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    task = (
        rare_task(annotated, params.rare, params.limit)
        if params.rare
        else part_task(annotated, labels.names, method["fit_split"], params.shots, params.limit)
    )
    clustering = load_clustering(snakemake.input.clustering, params.loader)
    build = method_builder(method, params.heads, len(task.labels), clustering)
    keys = {"study": params.study, "class": snakemake.wildcards.cls, "method": snakemake.wildcards.method}
    outcome = evaluate_method(generator, annotated.ws, task, build, params.seed, keys=keys)
    write_csv(snakemake.output.failures, outcome.failures.to_dict("records"), FAILURE_COLUMNS)
    check_failures(outcome, params.allow_failures)
    write_rows(snakemake.output.rows, outcome.rows)
