"""PIDRay's training images as the uint8 npy [count, 3, R, R] that a generator is trained on, and what was left out."""

import numpy as np
from tqdm import tqdm

from onemask.data.pidray import BELT, TRAIN, crop_and_resize, read_image, read_pidray
from onemask.errors import OnemaskError
from onemask.files import atomic, write_json
from onemask.jobs import job

with job(snakemake), atomic(snakemake.output.images) as temporary:
    settings, size = snakemake.params.settings, snakemake.params.resolution
    data = read_pidray(snakemake.params.root or snakemake.input[0], settings["skip_bad"])
    images, left_out = [], dict(data.left_out)
    for scan in tqdm(data.splits[TRAIN], desc="scans", unit="img", mininterval=1):
        try:
            pixels = read_image(scan)
        except OnemaskError:
            if not settings["skip_bad"]:
                raise
            left_out["unreadable images"] = left_out.get("unreadable images", 0) + 1
            continue
        images.append(crop_and_resize(pixels, settings["crop"] or size, size, BELT).transpose(2, 0, 1))
    np.save(temporary, np.stack(images))
    write_json(snakemake.output.report, {"images": len(images), "left_out": left_out})
