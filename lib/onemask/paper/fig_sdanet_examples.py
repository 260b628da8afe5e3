"""Test scans with the items in them and those that SDANet finds, by the ratio of real to generated training scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onemask.files import read_npz
from onemask.labels import LabelSet, read_labels
from onemask.paper.pictures import (
    MARGIN,
    STEP,
    Sheet,
    enlarged,
    headed_sheet,
    label_entries,
    labelled,
    legend_width,
    line_height,
    span,
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
    heads = ["test scan", "exact masks", *columns]
    entries = {name: colour for name, colour in label_entries(own).items() if name}
    text = f"study {options['study']}: items that SDANet finds, trained with so many generated scans per real one"
    deep = span(len(pictures[0]["images"])) + 2 * line_height(FONT)
    starts = [MARGIN + number * STEP for number in range(len(heads))]
    sheet, top = headed_sheet(text, heads, starts, deep, FONT, legend_width(entries, FONT))
    maps = [pictures[0]["truths"], *(each["label_maps"] for each in pictures)]
    for number, image in enumerate(pictures[0]["images"]):
        tiles = [labelled(image, each[number], own, OPACITY) for each in maps]
        sheet.grid(MARGIN, top + number * STEP, [[enlarged(image), *tiles]])
    sheet.legend(MARGIN, top + deep, entries)
    return sheet
