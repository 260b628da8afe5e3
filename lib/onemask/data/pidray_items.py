"""PIDRay's scans as real annotated images: each item of a scan is a part (decision 48)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from onemask.data.parts import Layout, PartImage, Parts
from onemask.data.pidray import BELT, Scan, crop_and_resize, masks, read_image, read_pidray

PAGE = "https://github.com/lutao2021/PIDray"
LAYOUT = Layout("PIDRay", ("annotations", "train"), PAGE)
CROP = 448  # pixels a side of the middle that is used (Appendix C.1)


def read(root: str | Path, name: str = "baggage") -> list[PartImage]:
    """Every scan that holds an item, with PIDRay's own splits."""
    return [
        PartImage(scan.stem, split, partial(_load, scan))
        for split, scans in read_pidray(root).splits.items()
        for scan in scans
        if scan.items
    ]


def _load(scan: Scan) -> tuple[np.ndarray, Parts]:
    found = masks(scan, [category for category, _ in scan.items])
    parts = [(category, crop_and_resize(mask, CROP, CROP, 0)) for category, mask in found.items()]
    return crop_and_resize(read_image(scan), CROP, CROP, BELT), parts
