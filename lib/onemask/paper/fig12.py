"""Fig. 12: rare labels, each learnt from one image, on unseen images with the object and without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onemask.errors import OnemaskError
from onemask.files import read_npz
from onemask.labels import LabelSet
from onemask.paper.pictures import (
    GAP,
    MARGIN,
    STEP,
    TILE,
    Sheet,
    Tiles,
    enlarged,
    labelled,
    line_height,
    span,
    squares,
    text_width,
)

ARRAYS = ("images", "label_maps", "truths")
BETWEEN = 14  # pixels between groups of columns
FONT = 9.5  # points: the figure is wider than a page and printed at about 0.8 of its size
OPACITY = 0.85
# sky blue, vermilion and yellow of Okabe & Ito's palette, over images in dark grey
OUTCOMES = LabelSet(
    ("", "object found", "false positive", "object missed"), ("#000", "#56B4E9", "#D55E00", "#F0E442"), {}
)


@dataclass(frozen=True)
class Panel:
    """A rare label: its exemplar's image and mask, test images with masks, and the masks that each method predicts."""

    images: np.ndarray
    truths: np.ndarray
    predicted: Mapping[str, np.ndarray]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz per entry of `shown`.

    options: study; shown, triples [class, label, method] in the order of `pictures`; titles of the methods, in order;
    each: how many images with the object and how many without.
    """
    files: dict[tuple[str, str], dict[str, str]] = {}
    for (name, label, method), path in zip(options["shown"], inputs["pictures"], strict=True):
        files.setdefault((name, label), {})[method] = path
    draw({key: read_panel(own, options["each"]) for key, own in files.items()}, options).save(outputs)


def read_panel(files: Mapping[str, str | Path], each: int) -> Panel:
    """The exemplar and at most `each` images with and without the object; OnemaskError if methods saw other images."""
    arrays = {
        method: read_npz(path, ARRAYS, "file of pictures", "run the rule that makes it again")
        for method, path in files.items()
    }
    first, *others = arrays
    images, truths = arrays[first]["images"], arrays[first]["truths"] > 0
    for other in others:
        if not np.array_equal(arrays[other]["images"], images):
            raise OnemaskError(f"{files[other]}: shows other images than {files[first]}; make both again")
    holds = truths.any((1, 2))
    numbers = np.arange(len(truths))
    chosen = np.concatenate([numbers[:1], numbers[1:][holds[1:]][:each], numbers[1:][~holds[1:]][:each]])
    predicted = {method: own["label_maps"][chosen] > 0 for method, own in arrays.items()}
    return Panel(images[chosen], truths[chosen], predicted)


def draw(panels: Mapping[tuple[str, str], Panel], options: Mapping[str, Any]) -> Sheet:
    """Per rare label a row of images, one of truths and one per method; the exemplar stands at the left."""
    each, titles, tall = options["each"], options["titles"], line_height(FONT)
    names = ["image", "annotation", *titles.values()]
    left = MARGIN + round(max(text_width(name, FONT) for name in names)) + 3 * GAP
    starts = [left, left + STEP + BETWEEN, left + STEP + span(each) + 2 * BETWEEN]
    top, deep = MARGIN + 2 * tall, span(len(names)) + 3 * tall
    sheet = Sheet(starts[-1] + span(each) + MARGIN, top + len(panels) * deep + tall + MARGIN, FONT)
    sheet.text(
        MARGIN,
        MARGIN,
        f"study {options['study']}: binary segmenters of rare labels, one annotated image each",
        "left top",
    )
    for row, ((name, label), panel) in enumerate(panels.items()):
        y = top + row * deep + tall
        sheet.text(MARGIN, y - 2 * GAP, f"{name}: {label}", fontweight="bold")
        for x, head in zip(starts, ["exemplar", f"with {label}", f"without {label}"], strict=True):
            sheet.text(x, y - 2 * GAP, head)
        for number, title in enumerate(names):
            sheet.text(MARGIN, y + number * STEP + TILE / 2, title, "left center")
        for x, strips in zip(starts, groups(panel, list(titles)), strict=True):
            sheet.grid(x, y, strips)
    keys = dict(zip(OUTCOMES.names[1:], OUTCOMES.colours[1:], strict=True))
    sheet.legend(left, top + len(panels) * deep, keys)
    return sheet


def groups(panel: Panel, methods: Sequence[str]) -> list[Tiles]:
    """Rows of tiles of the exemplar, of the images with the object and of those without."""
    holds = panel.truths.any((1, 2))
    holds[:1] = False
    exemplar = np.arange(len(holds)) == 0
    strips = [
        [enlarged(image) for image in panel.images],
        [outcome(*each, each[1]) for each in zip(panel.images, panel.truths, strict=True)],
        *(
            [outcome(*each) for each in zip(panel.images, panel.truths, panel.predicted[method], strict=True)]
            if method in panel.predicted
            else []
            for method in methods
        ),
    ]
    chosen = [(exemplar, strips[:2]), (holds, strips), (~holds & ~exemplar, strips)]
    return [
        [[tile for tile, kept in zip(strip, mask, strict=False) if kept] for strip in rows] for mask, rows in chosen
    ]


def outcome(image: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """A tile in dark grey with the pixels of OUTCOMES: found, false positive and missed."""
    grey = np.rint(0.6 * image.mean(axis=2, keepdims=True)).astype(np.uint8).repeat(3, axis=2)
    codes = np.select([truth & predicted, predicted & ~truth, truth & ~predicted], [1, 2, 3], 0).astype(np.uint8)
    return np.where(squares(codes)[..., None] > 0, labelled(grey, codes, OUTCOMES, OPACITY), enlarged(grey))
