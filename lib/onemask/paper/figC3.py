"""Fig. C3: samples of the baggage generator by the prohibited item that the one-shot segmenter finds in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onemask.labels import LabelSet, read_labels
from onemask.paper.gallery import load_pictures
from onemask.paper.pictures import GAP, LINE, MARGIN, Sheet, enlarged, labelled, span

BETWEEN = 14
OPACITY = 0.8


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz per item, and `labels`; options: study, method (title), items, samples, shown."""
    labels = read_labels(inputs["labels"])
    rows = [load_pictures(path)[: options["shown"]] for path in inputs["pictures"]]
    draw(rows, labels, options).save(outputs)


def draw(rows: list[list[tuple[np.ndarray, np.ndarray]]], labels: LabelSet, options: Mapping[str, Any]) -> Sheet:
    """Per item two strips: samples, and the same with the item as it was found."""
    left, top = MARGIN, MARGIN + 2 * LINE
    pitch = span(2) + LINE + BETWEEN
    sheet = Sheet(left + span(options["shown"]) + MARGIN, top + len(rows) * pitch + MARGIN)
    title = f"study {options['study']}: of {options['samples']} samples those with the most of each item,"
    sheet.text(left, MARGIN, f"{title} as {options['method']} finds it", "left top")
    for number, (name, row) in enumerate(zip(options["items"], rows, strict=True)):
        y = top + number * pitch + LINE
        own = LabelSet(("", name), ("#000000", labels.rare[name]), {})
        sheet.text(left, y - 2 * GAP, name, fontweight="bold")
        sheet.grid(left, y, [[enlarged(image) for image, _ in row], [labelled(*pair, own, OPACITY) for pair in row]])
    return sheet
