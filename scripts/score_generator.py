"""Frechet distance of generated images to renders, over named ImageNet features; it is never called FID."""

from functools import partial

from onemask.demo.worlds import render, seed_range
from onemask.errors import OnemaskError
from onemask.files import write_json
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator
from onemask.training.frechet import BATCH, frechet_score, generate, image_statistics, sample_batches
from onemask.training.image_features import FEATURES_NAME, load_feature_network


def renders(seeds, cls, size, world):
    return render(cls, seeds, size, **world).images


with job(snakemake):
    if snakemake.params.archive:
        remedy = f"make results/<study>/generators/{snakemake.wildcards.cls}/scores.csv instead"
        raise OnemaskError(f"{snakemake.params.archive}: this generator is trained on it, not on our renders; {remedy}")
    count = snakemake.params.samples
    network, generator = load_feature_network(), load_generator(snakemake.input.generator)
    draw = partial(renders, cls=snakemake.wildcards.cls, size=generator.resolution, world=snakemake.params.world)
    real = image_statistics(sample_batches(draw, seed_range("validation")[:count], BATCH), network)
    generated = image_statistics(sample_batches(partial(generate, generator), range(count), BATCH), network)
    score = {"features": FEATURES_NAME, "samples": count, "frechet_distance": frechet_score(real, generated)}
    write_json(snakemake.output[0], score)
