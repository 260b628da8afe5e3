"""Scans side by side: simulated ones, a generator's, and, where the class has an archive, real ones."""

from itertools import islice

import numpy as np
import torch

from onemask.data.pidray import BELT, TEST, crop_and_resize, read_image, read_pidray, readable
from onemask.demo.worlds import render, seed_range
from onemask.evaluation.pictures import save_arrays
from onemask.jobs import job
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.images import to_pixels

with job(snakemake), torch.no_grad():
    params, generator = snakemake.params, load_generator(snakemake.input.generator)
    size, each = generator.resolution, params.each
    simulated = render("baggage", seed_range("test")[:each], size, **params.world).images.permute(0, 2, 3, 1).numpy()
    ws = generator.sample_ws(range(params.first_seed, params.first_seed + each), params.truncation)
    arrays = {"simulated": simulated, "generated": to_pixels(generator.synthesize(ws), size)}
    if params.archive:
        scans = read_pidray(params.archive, params.skip_bad).splits[TEST]
        scans = islice(readable(scans) if params.skip_bad else scans, each)
        crop = params.crop or size
        arrays["real"] = np.stack([crop_and_resize(read_image(scan), crop, size, BELT) for scan in scans])
    save_arrays(snakemake.output[0], arrays)
