"""The annotated set of a class: generated samples labelled by the first annotator, the test split by both."""

from onemask.data.annotated import write_annotated
from onemask.demo.annotating import AnnotatedSetSettings, make_annotated_set
from onemask.demo.annotator import Annotator
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    sizes = {name: value for name, value in snakemake.params.settings.items() if name != "version"}
    generator, annotator = load_generator(snakemake.input.generator), Annotator.load(snakemake.input.first)
    annotated, _ = make_annotated_set(
        generator,
        annotator,
        Annotator.load(snakemake.input.second),
        AnnotatedSetSettings(truncation=snakemake.params.truncation, **sizes),
        snakemake.params.seed,
    )
    annotated.metadata |= {"generator": generator.fingerprint(), "labels": list(annotator.labels.names)}
    write_annotated(snakemake.output[0], annotated)
