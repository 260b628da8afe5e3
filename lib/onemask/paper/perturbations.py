"""Samples of perturbed latents as grids of tiles: what Figs. 6 and 7 share. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from onemask.errors import OnemaskError
from onemask.files import read_npz
from onemask.paper.pictures import GAP, LINE, MARGIN, STEP, TILE, Sheet, enlarged, span, text_width

ARRAYS = ("originals", "images", "methods", "resolutions", "strengths")
BETWEEN = 14  # pixels between groups of columns, and between identities

Group = tuple[str, np.ndarray]


def read_perturbations(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of onemask.evaluation.perturbations.sample_perturbations; OnemaskError if it is something else."""
    return read_npz(path, ARRAYS, "file of perturbed images", "run the rule that makes it again")


def chosen(samples: Mapping[str, np.ndarray], method: str, strength: float) -> np.ndarray:
    """Images uint8 [I, B, S, R, R, 3] of a method at a strength; OnemaskError names what the file lacks."""
    methods, strengths = samples["methods"].tolist(), samples["strengths"].tolist()
    for what, value, there in (("method", method, methods), ("strength", strength, strengths)):
        if value not in there:
            raise OnemaskError(f"perturbed images: no {what} {value!r}; the file has {', '.join(map(str, there))}")
    return samples["images"][:, methods.index(method), :, strengths.index(strength)]


def draw_blocks(
    originals: np.ndarray, groups: Sequence[Group], resolutions: Sequence[int], title: str, columns: int
) -> Sheet:
    """A row per identity and perturbed block: the original, then for each group its first `columns` samples.

    originals uint8 [I, R, R, 3]; groups: titles with images [I, B, S, R, R, 3]; resolutions of the B blocks' maps.
    """
    rows = [f"block {block}\n{size} px" for block, size in enumerate(resolutions)]
    left = MARGIN + round(max(text_width(line) for row in rows for line in row.split("\n"))) + 2 * GAP
    top, step = MARGIN + 2 * LINE + 2 * GAP, span(columns) + BETWEEN
    starts = [left + STEP + BETWEEN + number * step for number in range(len(groups))]
    deep = span(len(rows)) + BETWEEN
    sheet = Sheet(starts[-1] + span(columns) + MARGIN, top + len(originals) * deep - BETWEEN + MARGIN)
    sheet.text(MARGIN, MARGIN, title, "left top")
    for x, name in zip([left, *starts], ["original", *(name for name, _ in groups)], strict=True):
        sheet.text(x, top - 2 * GAP, name)
    for identity, original in enumerate(originals):
        y = top + identity * deep
        for row, name in enumerate(rows):
            sheet.text(MARGIN, y + row * STEP + TILE / 2, name, "left center")
        sheet.grid(left, y, [[enlarged(original)]] * len(rows))
        for x, (_, images) in zip(starts, groups, strict=True):
            sheet.grid(x, y, [[enlarged(image) for image in block[:columns]] for block in images[identity]])
    return sheet
