"""Frechet distance of generated images to renders, over named ImageNet features; it is never called FID."""

from functools import partial

from onemask.demo.worlds import render, seed_range
from onemask.files import write_json
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator
from onemask.training.frechet import frechet_score, image_statistics, sample_batches
from onemask.training.image_features import FEATURES_NAME, load_feature_network

BATCH = 50


def renders(seeds, cls, size):
    return render(cls, seeds, size).images


with job(snakemake):
    count = snakemake.params.samples
    network, generator = load_feature_network(), load_generator(snakemake.input.generator)
    draw = partial(renders, cls=snakemake.wildcards.cls, size=generator.resolution)
    real = image_statistics(sample_batches(draw, seed_range("validation")[:count], BATCH), network)

    def generate(seeds):
        return generator.synthesize(generator.sample_ws(seeds, 1.0))

    generated = image_statistics(sample_batches(generate, range(count), BATCH), network)
    score = {"features": FEATURES_NAME, "samples": count, "frechet_distance": frechet_score(real, generated)}
    write_json(snakemake.output[0], score)
