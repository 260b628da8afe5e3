"""Frechet distance to the training images of each generator that a training kept on its way; never called FID."""

from pathlib import Path

import numpy as np

from onemask.files import write_csv
from onemask.jobs import job
from onemask.training.frechet import SCORE_NAME, milestone_scores
from onemask.training.image_features import load_feature_network

with job(snakemake):
    images = np.load(snakemake.input.images, mmap_mode="r", allow_pickle=False)
    rows = milestone_scores(
        Path(snakemake.input.milestones),
        images,
        load_feature_network(),
        snakemake.params.samples,
        snakemake.params.seed,
    )
    write_csv(snakemake.output[0], rows, ["kimg", SCORE_NAME])
