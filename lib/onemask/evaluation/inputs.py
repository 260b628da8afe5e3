"""What the jobs that fit methods on a class read: labels, generator, annotated set, and the method's clustering."""

from __future__ import annotations

from typing import Any

from onemask.data.annotated import AnnotatedSet, read_annotated
from onemask.evaluation.one_shot import Build
from onemask.jobs import device
from onemask.labels import LabelSet, read_labels
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.generator import Generator


def read_class(snakemake: Any) -> tuple[LabelSet, Generator, AnnotatedSet]:
    """The inputs `labels`, `generator` and `annotated` of a job, the generator on the job's device."""
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator, device(snakemake))
    return labels, generator, read_annotated(snakemake.input.annotated, labels, generator)


def read_method(snakemake: Any, num_labels: int) -> Build:
    """`build(seed)` of the job's params `method`, `heads` and `loader` on its input `clustering`."""
    params = snakemake.params
    clustering = load_clustering(snakemake.input.clustering, params.loader, device(snakemake))
    return method_builder(params.method, params.heads, num_labels, clustering)
