"""Generated images annotated by a method that was fitted on one exemplar, the run's own."""

from onemask.data.annotated import read_annotated
from onemask.downstream.pairs import write_splits
from onemask.downstream.synthesis import synthesise
from onemask.evaluation.one_shot import Reader, part_task
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.seeds import derive_seed
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params, run = snakemake.params, int(snakemake.wildcards.run)
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    one = part_task(annotated, labels.names, params.method["fit_split"]).groups[run]
    clustering = load_clustering(snakemake.input.clustering, params.loader)
    unfitted = method_builder(params.method, params.heads, len(labels), clustering)(
        derive_seed(params.seed, "exemplar", run)
    )
    segmenter = Reader(generator).fit(unfitted, annotated.ws[one], annotated.label_maps[one])
    pairs = synthesise(generator, segmenter, params.images, params.truncation, params.samples)
    write_splits(snakemake.output[0], {"synthetic": pairs})
