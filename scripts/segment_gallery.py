"""A method fitted on the first exemplar: that exemplar with its annotation, and test images with predictions."""

from onemask.data.annotated import read_annotated
from onemask.evaluation.one_shot import part_task
from onemask.evaluation.pictures import save_arrays, segment_task
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    task = part_task(annotated, labels.names, params.method["fit_split"], limit=1)
    clustering = load_clustering(snakemake.input.clustering, params.loader)
    build = method_builder(params.method, params.heads, len(labels), clustering)
    unseen = task.test[: params.unseen]
    save_arrays(snakemake.output[0], segment_task(generator, annotated.ws, task, build, unseen, params.seed))
