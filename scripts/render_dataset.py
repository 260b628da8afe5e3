"""Renders of one class as a uint8 npy [count, 3, R, R], written piece by piece through a memory map."""

import numpy as np
from tqdm import tqdm

from onemask.demo.worlds import render, seed_range
from onemask.files import atomic
from onemask.jobs import job

BATCH = 256

with job(snakemake), atomic(snakemake.output[0]) as temporary:
    count, size = snakemake.params.images, snakemake.params.resolution
    images = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, 3, size, size))
    seeds = seed_range("generator")[:count]
    with tqdm(total=count, desc=f"renders of {snakemake.wildcards.cls}", unit="img", mininterval=1) as progress:
        for start in range(0, count, BATCH):
            batch = render(snakemake.wildcards.cls, seeds[start : start + BATCH], size).images
            images[start : start + len(batch)] = batch.numpy()
            progress.update(len(batch))
    images.flush()
