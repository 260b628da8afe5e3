"""Fig. 1: for each class the one annotated image, then unseen images with their predicted labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onemask.labels import LabelSet, read_labels
from onemask.paper.gallery import Picture, load_pictures
from onemask.paper.pictures import (
    GAP,
    LINE,
    MARGIN,
    STEP,
    Sheet,
    enlarged,
    label_entries,
    labelled,
    span,
    text_width,
)

BETWEEN = 14  # pixels between the exemplar and the unseen images, and between classes


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures` and `labels`, a file per class; options: study, method (title), classes, unseen, opacity."""
    pictures = [load_pictures(path)[: 1 + options["unseen"]] for path in inputs["pictures"]]
    labels = [read_labels(path) for path in inputs["labels"]]
    draw(pictures, labels, options).save(outputs)


def draw(pictures: list[list[Picture]], labels: list[LabelSet], options: Mapping[str, Any]) -> Sheet:
    """Two strips per class, images above label maps; the first picture of a class is its exemplar."""
    names = [name for each in labels for name in each.names]
    left, top = MARGIN, MARGIN + 2 * LINE + GAP
    legend = left + span(1 + options["unseen"]) + 2 * BETWEEN
    pitch = span(2) // (1 + max(map(len, labels)))
    width = legend + round(max(map(text_width, names))) + 40 + MARGIN
    height = top + len(pictures) * (span(2) + BETWEEN) - BETWEEN + MARGIN
    sheet = Sheet(width, height)
    sheet.text(
        left, MARGIN, f"study {options['study']}: {options['method']}, one annotated image per class", "left top"
    )
    sheet.text(left, top - 2 * GAP, "annotated")
    sheet.text(left + STEP + BETWEEN, top - 2 * GAP, "unseen images and their predicted labels")
    for row, (name, shown, own) in enumerate(zip(options["classes"], pictures, labels, strict=True)):
        y = top + row * (span(2) + BETWEEN)
        tiles = [[enlarged(image) for image, _ in shown], [labelled(*pair, own, options["opacity"]) for pair in shown]]
        sheet.grid(left, y, [strip[:1] for strip in tiles])
        sheet.grid(left + STEP + BETWEEN, y, [strip[1:] for strip in tiles])
        sheet.text(legend, y + LINE - 2 * GAP, name, fontweight="bold")
        for number, (label, colour) in enumerate(label_entries(own).items(), 1):
            sheet.swatch(legend, y + LINE - 2 * GAP + number * pitch, colour, label)
    return sheet
