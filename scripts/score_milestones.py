"""Frechet distance to the training images of each generator that a training kept on its way; never called FID."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from onemask.files import write_csv
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator
from onemask.training.frechet import SCORE_NAME, frechet_score, image_statistics, sample_batches
from onemask.training.image_features import load_feature_network

BATCH = 50


def sample_images(generator, seeds):
    return generator.synthesize(generator.sample_ws(seeds, 1.0))


with job(snakemake):
    count, network = snakemake.params.samples, load_feature_network()
    images = np.load(snakemake.input.images, mmap_mode="r", allow_pickle=False)
    chosen = np.sort(np.random.default_rng(snakemake.params.seed).permutation(len(images))[:count])
    parts = np.split(chosen, range(BATCH, len(chosen), BATCH))
    real = image_statistics((torch.from_numpy(images[part]) for part in parts), network)
    rows = []
    for path in tqdm(sorted(Path(snakemake.input.milestones).glob("*.safetensors")), desc="milestones"):
        generator = load_generator(path)
        sample = partial(sample_images, generator)
        generated = image_statistics(sample_batches(sample, range(count), BATCH), network)
        rows.append({"kimg": int(path.stem) / 1000, SCORE_NAME: frechet_score(real, generated)})
    write_csv(snakemake.output[0], rows, ["kimg", SCORE_NAME])
