"""Label maps against facial landmarks: does a predicted part cover what its outline encloses?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

PARTS = {  # the labels that make up a part of data.face_mesh.OUTLINES
    "eye": ("eye",),
    "eyebrow": ("eyebrow",),
    "mouth": ("mouth",),
    "face": ("skin", "eyebrow", "nose", "eye", "mouth"),
}
COLUMNS = ["method", "seed", "part", "iou"]
SURE = 0.5  # the probability of a face from which its landmarks count
FINE = 8  # masks are drawn at so many times their size: Pillow draws on whole pixels
Outlines = Mapping[str, Sequence[Sequence[int]]]


def part_masks(points: np.ndarray, outlines: Outlines, size: int) -> dict[str, np.ndarray]:
    """Bool [size, size] per part: pixels of which its polygons cover half; points [n, 2] are shares of the sides."""
    masks = {}
    for part, polygons in outlines.items():
        canvas = Image.new("1", (FINE * size, FINE * size))
        for polygon in polygons:
            corners = np.rint(points[list(polygon)] * FINE * size - 0.5).astype(int)
            ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in corners.tolist()], fill=1)
        masks[part] = np.asarray(canvas).reshape(size, FINE, size, FINE).mean((1, 3)) >= 0.5
    return masks


def part_scores(
    label_map: np.ndarray, points: np.ndarray, outlines: Outlines, labels: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """IoU per part of a label map uint8 [H, H] and the landmarks of its image."""
    for part, mask in part_masks(points, outlines, len(label_map)).items():
        predicted = np.isin(label_map, [labels.index(name) for name in PARTS[part]])
        yield {"part": part, "iou": float((predicted & mask).sum() / (predicted | mask).sum())}
