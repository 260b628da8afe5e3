"""Fig. 2: k-means of the hidden features of each StyleGAN block alone, and merged bottom-up over all blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment

from onemask.errors import OnemaskError
from onemask.files import read_npz
from onemask.paper.pictures import GAP, LINE, MARGIN, STEP, TILE, Sheet, enlarged, span

# Paul Tol's qualitative scheme "muted", in its order, told apart by the colour-blind.
PALETTE = np.array(
    [[204, 102, 119], [51, 34, 136], [221, 204, 119], [17, 119, 51], [136, 204, 238]]
    + [[136, 34, 85], [68, 170, 153], [153, 153, 51], [170, 68, 153], [221, 221, 221]],
    dtype=np.uint8,
)
NAMES = ("images", "blocks", "sizes", "block_clusters", "merged", "merged_clusters")
BETWEEN = 10  # pixels between the two parts of a class, and twice that between classes


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `clusters`, a file of scripts/segment_clusters.py per class; options: study, classes."""
    read = [
        read_npz(path, NAMES, "file of clusters", "run the rule that makes it again") for path in inputs["clusters"]
    ]
    for path, content in zip(inputs["clusters"], read, strict=True):
        if (largest := max(int(content["blocks"].max()), int(content["merged"].max()))) >= len(PALETTE):
            raise OnemaskError(f"{path}: holds cluster {largest}, but fig2 has {len(PALETTE)} colours; ask for fewer")
    draw(read, options["study"], options["classes"]).save(outputs)


def draw(contents: Sequence[Mapping[str, np.ndarray]], study: str, classes: Sequence[str]) -> Sheet:
    """For each class rows of images with their clusters by block, then the same images with the merged ones."""
    first = contents[0]
    columns = 1 + max(len(first["blocks"]), len(first["merged"]))
    part = LINE + span(len(first["images"])) + BETWEEN
    left, top = MARGIN + LINE, MARGIN + LINE + BETWEEN
    sheet = Sheet(left + span(columns) + MARGIN, top + len(contents) * (2 * part + BETWEEN) - 2 * BETWEEN + MARGIN)
    per_block = first["block_clusters"]
    sheet.text(MARGIN, MARGIN, f"study {study}: k-means of hidden features, {per_block} clusters per block", "left top")
    for number, (name, content) in enumerate(zip(classes, contents, strict=True)):
        y = top + number * (2 * part + BETWEEN)
        alike = consistent(np.concatenate([content["blocks"], content["merged"]]))
        blocks, merged = np.split(alike, [len(content["blocks"])])
        sizes = [f"{size} × {size}" for size in content["sizes"]]
        counts = [f"{count} clusters" for count in content["merged_clusters"]]
        draw_part(sheet, left, y, f"{name}: each block alone", content["images"], blocks, sizes)
        draw_part(sheet, left, y + part, f"{name}: blocks merged", content["images"], merged, counts)
    return sheet


def draw_part(
    sheet: Sheet, x: int, y: int, side: str, images: np.ndarray, columns: np.ndarray, headings: Sequence[str]
) -> None:
    """Rows of an image [n, S, S, 3] and its clusters in each of `columns` [m, n, H, W], at (x, y) with headings."""
    rows = [[enlarged(image), *(tile(column[row]) for column in columns)] for row, image in enumerate(images)]
    sheet.grid(x, y + LINE, rows)
    for index, heading in enumerate(["image", *headings]):
        sheet.text(x + index * STEP + TILE / 2, y + LINE - GAP, heading, "center bottom")
    sheet.text(x - GAP, y + LINE + span(len(images)) / 2, side, "right center", rotation=90)


def consistent(columns: np.ndarray) -> np.ndarray:
    """The label maps [m, n, H, W] under new numbers, those of the palette, that go on from column to column.

    In the first column clusters are numbered by their area; in any other a cluster takes the number of the cluster
    before it that it shares the most pixels with, such that all numbers differ (optimal assignment).
    """
    kinds = len(PALETTE)
    numbers = [np.argsort(np.argsort(-np.bincount(columns[0].ravel(), minlength=kinds), kind="stable"))[columns[0]]]
    for column in columns[1:]:
        shared = np.bincount((numbers[-1] * kinds + column).ravel(), minlength=kinds**2).reshape(kinds, kinds)
        before, own = linear_sum_assignment(shared, maximize=True)
        numbers.append(before[np.argsort(own)][column])
    return np.stack(numbers)


def tile(label_map: np.ndarray) -> np.ndarray:
    """A label map [H, W] in the palette's colours, as a tile whose pixels stay squares."""
    return np.asarray(Image.fromarray(PALETTE[label_map]).resize((TILE, TILE), Image.Resampling.NEAREST))
