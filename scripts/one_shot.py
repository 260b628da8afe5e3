"""One method on one class: fitted on each exemplar alone, scored on the test split."""

from onemask.data.annotated import read_annotated
from onemask.evaluation.metrics import write_rows
from onemask.evaluation.one_shot import evaluate_method, fit_groups
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params, method = snakemake.params, snakemake.params.method
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    clustering = load_clustering(snakemake.input.clustering, params.loader)
    rows = evaluate_method(
        generator,
        annotated.ws,
        annotated.label_maps,
        method_builder(method, params.heads, len(labels), clustering),
        fit_groups(annotated, method["fit_split"]),
        annotated.indices("test"),
        labels.names,
        params.seed,
        keys={"study": params.study, "class": snakemake.wildcards.cls, "method": snakemake.wildcards.method},
    )
    write_rows(snakemake.output[0], rows)
