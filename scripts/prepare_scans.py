"""PIDRay's training images as the uint8 npy [count, 3, R, R] that a generator is trained on, and what was left out."""

import sys

import numpy as np
from tqdm import tqdm

from onemask.data.pidray import BELT, TRAIN, crop_and_resize, read_image, read_pidray, readable
from onemask.errors import OnemaskError
from onemask.files import atomic, write_json
from onemask.jobs import job

with job(snakemake), atomic(snakemake.output.images) as temporary:
    settings, size = snakemake.params.settings, snakemake.params.resolution
    root = snakemake.params.root or snakemake.input[0]
    data = read_pidray(root, settings["skip_bad"])
    scans, left_out = list(data.splits[TRAIN]), dict(data.left_out)
    if settings["skip_bad"]:
        every, scans = len(scans), list(readable(tqdm(scans, desc="check", unit="img", mininterval=1)))
        left_out |= {"unreadable images": every - len(scans)} if len(scans) < every else {}
    if not scans:
        raise OnemaskError(f"{root}: no image of the split {TRAIN} can be read; unpack the archive again")
    print(f"{len(scans)} scans; left out: {left_out or 'none'}", file=sys.stderr)
    images = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(scans), 3, size, size))
    for number, scan in enumerate(tqdm(scans, desc="scans", unit="img", mininterval=1)):
        cropped = crop_and_resize(read_image(scan), settings["crop"] or size, size, BELT)
        images[number] = cropped.transpose(2, 0, 1)
    images.flush()
    write_json(snakemake.output.report, {"images": len(scans), "left_out": left_out})
