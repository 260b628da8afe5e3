"""A method's binary segmenter of a rare label, fitted on the first rare exemplar, on images with and without it."""

from onemask.data.annotated import read_annotated
from onemask.evaluation.one_shot import rare_task
from onemask.evaluation.pictures import save_arrays, segment_task, with_and_without
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, read_labels(snakemake.input.labels), generator)
    task = rare_task(annotated, params.label, limit=1)
    clustering = load_clustering(snakemake.input.clustering, params.loader)
    build = method_builder(params.method, params.heads, len(task.labels), clustering)
    unseen = with_and_without(task, task.labels.index(params.label), params.each)
    save_arrays(snakemake.output[0], segment_task(generator, annotated.ws, task, build, unseen, params.seed))
