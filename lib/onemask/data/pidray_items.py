"""PIDRay's scans as real annotated images: each item of a scan is a part (decision 48)."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

from onemask.data.parts import Layout, PartImage, Parts
from onemask.data.pidray import BELT, Scan, crop_and_resize, find_layout, masks, read_image, read_pidray, readable

PAGE = "https://github.com/lutao2021/PIDray"
LAYOUT = Layout("PIDRay", ("annotations", "train"), PAGE)


def check(root: str | Path) -> None:
    """OnemaskError lists what the archive lacks."""
    find_layout(Path(root))


def read(root: str | Path, name: str = "baggage", crop: int = 448, skip_bad: bool = False) -> list[PartImage]:
    """Every scan that holds an item, with PIDRay's own splits.

    crop: pixels a side of the middle that is used (Appendix C.1); skip_bad: bad records are left out.
    """
    data = read_pidray(root, skip_bad)
    print(f"left out: {dict(data.left_out) or 'none'}", file=sys.stderr)
    found = []
    for split, scans in data.splits.items():
        holding = (scan for scan in scans if scan.items)
        for scan in readable(holding) if skip_bad else holding:
            found.append(PartImage(scan.stem, split, partial(_load, scan, crop)))
    return found


def _load(scan: Scan, crop: int) -> tuple[np.ndarray, Parts]:
    found = masks(scan, [category for category, _ in scan.items])
    parts = [(category, crop_and_resize(mask, crop, crop, 0)) for category, mask in found.items()]
    return crop_and_resize(read_image(scan), crop, crop, BELT), parts
