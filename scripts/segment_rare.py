"""A method's binary segmenter of a rare label, fitted on the first rare exemplar, on images with and without it."""

from onemask.evaluation.inputs import read_class, read_method
from onemask.evaluation.one_shot import rare_task
from onemask.evaluation.pictures import save_arrays, segment_task, with_and_without
from onemask.jobs import job

with job(snakemake):
    params = snakemake.params
    _, generator, annotated = read_class(snakemake)
    task = rare_task(annotated, params.label, limit=1)
    build = read_method(snakemake, len(task.labels))
    unseen = with_and_without(task, task.labels.index(params.label), params.each)
    save_arrays(snakemake.output[0], segment_task(generator, annotated.ws, task, build, unseen, params.seed))
