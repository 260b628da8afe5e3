"""How the kernels' seconds grow with resolution, prototypes, pixels and images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.cases import (
    Case,
    gather_cases,
    generator_cases,
    projection_case,
    sinkhorn_cases,
    swapped_case,
)
from benchmarks.measure import interleaved
from benchmarks.shapes import PAPER, Shapes

COLUMNS = ["kernel", "against", "value", "ours_ms", "theirs_ms"]


def sweeps(shapes: Shapes, device: str) -> Iterator[tuple[str, str, int, Case]]:
    """(kernel, what grows, its value, the case)."""
    full = shapes == PAPER
    for resolution in (64, 128, 256) if full else (16, 32):
        case = projection_case(replace(shapes, resolution=resolution), device, "nearest", 1, 1)
        yield "projection", "resolution", resolution, case
    for images in (1, 2, 4) if full else (1, 2):
        case = projection_case(replace(shapes, resolution=shapes.resolution // 2), device, "nearest", 1, 1, images)
        yield "projection at half the size", "images", images, case
    for pixels in (5000, 10000, 20000) if full else (100, 200):
        yield "projected pixels", "pixels", pixels, next(gather_cases(replace(shapes, pixels=pixels), device))
        smaller = replace(shapes, pixels=pixels)
        yield "Sinkhorn", "pixels", pixels, next(sinkhorn_cases(smaller, device))
        yield "swapped prediction", "pixels", pixels, swapped_case(smaller, device)
    for prototypes in (1000, 2000, 4000) if full else (25, 50):
        smaller = replace(shapes, prototypes=prototypes)
        yield "Sinkhorn", "prototypes", prototypes, next(sinkhorn_cases(smaller, device))
        yield "swapped prediction", "prototypes", prototypes, swapped_case(smaller, device)
    for images in (1, 2, 4) if full else (1, 2):
        yield "generator", "images", images, next(generator_cases(replace(shapes, images=images), device))


def measure(shapes: Shapes, device: str, rounds: int) -> pd.DataFrame:
    """Rows of COLUMNS: median milliseconds."""
    rows = []
    for kernel, against, value, case in sweeps(shapes, device):
        ours, theirs = 1e3 * np.median(interleaved([case.ours, case.theirs], rounds, device), axis=0)
        rows.append((kernel, against, value, ours, theirs))
    return pd.DataFrame(rows, columns=COLUMNS)


def slope(values: np.ndarray, milliseconds: np.ndarray) -> float:
    """Exponent p of milliseconds ~ values^p, by least squares on logarithms."""
    return float(np.polyfit(np.log(values), np.log(milliseconds), 1)[0])
