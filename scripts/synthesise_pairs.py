"""Generated images annotated by a method that was fitted on one exemplar, the run's own."""

from onemask.downstream.pairs import write_splits
from onemask.downstream.synthesis import synthesise
from onemask.evaluation.inputs import read_class, read_method
from onemask.evaluation.one_shot import Reader, part_task
from onemask.jobs import job
from onemask.seeds import derive_seed

with job(snakemake):
    params, run = snakemake.params, int(snakemake.wildcards.run)
    labels, generator, annotated = read_class(snakemake)
    one = part_task(annotated, labels.names, params.method["fit_split"]).groups[run]
    unfitted = read_method(snakemake, len(labels))(derive_seed(params.seed, "exemplar", run))
    segmenter = Reader(generator).fit(unfitted, annotated.ws[one], annotated.label_maps[one])
    pairs = synthesise(
        generator, lambda _, features: segmenter.predict(features), params.images, params.truncation, params.samples
    )
    write_splits(snakemake.output[0], {"synthetic": pairs})
