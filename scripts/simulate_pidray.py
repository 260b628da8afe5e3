"""Baggage scans of our own in PIDRay's layout: images, exact masks, COCO JSON."""

import shutil
from pathlib import Path

from onemask.demo.pidray import write_pidray
from onemask.demo.worlds import seed_range
from onemask.jobs import job

with job(snakemake):
    root, counts = Path(snakemake.output[0]), snakemake.params.images
    temporary = root.with_name(f".{root.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    seeds = {"train": seed_range("generator")[: counts["train"]], "test": seed_range("test")[: counts["test"]]}
    write_pidray(temporary, seeds, snakemake.params.resolution, counts["packing"])
    temporary.rename(root)
