"""A method fitted on the first exemplar: that exemplar with its annotation, and test images with predictions."""

from onemask.evaluation.inputs import read_class, read_method
from onemask.evaluation.one_shot import part_task
from onemask.evaluation.pictures import save_arrays, segment_task
from onemask.jobs import job

with job(snakemake):
    params = snakemake.params
    labels, generator, annotated = read_class(snakemake)
    task = part_task(annotated, labels.names, params.method["fit_split"], limit=1)
    build = read_method(snakemake, len(labels))
    unseen = task.test[: params.unseen]
    save_arrays(snakemake.output[0], segment_task(generator, annotated.ws, task, build, unseen, params.seed))
