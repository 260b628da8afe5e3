"""Fig. C3: samples of the baggage generator by the prohibited item that the one-shot segmenters find in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onemask.files import read_npz
from onemask.labels import LabelSet, read_labels
from onemask.paper.pictures import GAP, LINE, MARGIN, Sheet, enlarged, labelled, span

BETWEEN = 14
OPACITY = 0.8


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz of all items', and `labels`; options: study, method (title), items, samples, shown."""
    names = ["images", "label_maps", "items"]
    content = read_npz(inputs["pictures"], names, "sorted samples", "run sort_samples again")
    draw(content, read_labels(inputs["labels"]).rare, options).save(outputs)


def draw(content: Mapping[str, np.ndarray], colours: Mapping[str, str], options: Mapping[str, Any]) -> Sheet:
    """Per item two strips: samples, and the same with all items as they were found.

    `content`: images uint8 [n, S, S, 3], label maps uint8 [n, H, W] of 1 + an item's number, items uint8 [n] likewise.
    """
    items: Sequence[str] = options["items"]
    labels = LabelSet(("", *items), ("#000000", *(colours[item] for item in items)), {})
    left, top = MARGIN, MARGIN + 2 * LINE
    pitch = span(2) + LINE + BETWEEN
    sheet = Sheet(left + span(options["shown"]) + MARGIN, top + len(items) * pitch + MARGIN)
    title = f"study {options['study']}: of {options['samples']} samples those with the most of each item,"
    sheet.text(left, MARGIN, f"{title} as {options['method']} finds it", "left top")
    for number, name in enumerate(items):
        y = top + number * pitch + LINE
        sheet.text(left, y - 2 * GAP, name, fontweight="bold", color=colours[name])
        own = np.flatnonzero(content["items"] == 1 + number)[: options["shown"]]
        if not len(own):
            sheet.text(left, y, "the most in none of them", "left top")
        images, maps = content["images"][own], content["label_maps"][own]
        found = [labelled(image, label_map, labels, OPACITY) for image, label_map in zip(images, maps, strict=True)]
        sheet.grid(left, y, [[enlarged(image) for image in images], found])
    return sheet
