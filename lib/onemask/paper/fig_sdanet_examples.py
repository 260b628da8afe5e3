"""Test scans with the items in them and those that SDANet finds, by the ratio of real to generated training scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onemask.files import read_npz
from onemask.labels import LabelSet, read_labels
from onemask.paper.pictures import (
    GAP,
    MARGIN,
    STEP,
    Sheet,
    enlarged,
    label_entries,
    labelled,
    legend_width,
    line_height,
    span,
    text_width,
    wrapped,
)

FONT = 8.0
OPACITY = 0.8


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz per ratio, and `labels`; options: study, items, ratios in the order of `pictures`."""
    names = ("images", "label_maps", "truths")
    pictures = [read_npz(path, names, "pictures", "run the rule train_sdanet again") for path in inputs["pictures"]]
    draw(pictures, read_labels(inputs["labels"]), options).save(outputs)


def draw(pictures: Sequence[Mapping[str, np.ndarray]], labels: LabelSet, options: Mapping[str, Any]) -> Sheet:
    """A row per scan: the scan, its items, then a column per ratio with the confident detections; the legend below."""
    own = LabelSet(("", *options["items"]), ("#000000", *(labels.rare[name] for name in options["items"])), {})
    columns = [f"1:{ratio}" if ratio else "real scans alone" for ratio in options["ratios"]]
    heads = [wrapped(head, FONT) for head in ("test scan", "exact masks", *columns)]
    entries = {name: colour for name, colour in label_entries(own).items() if name}
    text = f"study {options['study']}: items that SDANet finds, trained with so many generated scans per real one"
    tall, rows = line_height(FONT), len(pictures[0]["images"])
    top = MARGIN + tall + max(head.count("\n") + 1 for head in heads) * tall + 3 * GAP
    width = max(span(len(heads)), text_width(text, FONT), legend_width(entries, FONT))
    sheet = Sheet(2 * MARGIN + round(width), top + span(rows) + 2 * tall + MARGIN, FONT)
    sheet.text(MARGIN, MARGIN, text, "left top")
    for number, head in enumerate(heads):
        sheet.heading(MARGIN + number * STEP, top - 2 * GAP, head)
    maps = [pictures[0]["truths"], *(each["label_maps"] for each in pictures)]
    for number, image in enumerate(pictures[0]["images"]):
        tiles = [labelled(image, each[number], own, OPACITY) for each in maps]
        sheet.grid(MARGIN, top + number * STEP, [[enlarged(image), *tiles]])
    sheet.legend(MARGIN, top + span(rows) + 2 * tall, entries)
    return sheet
