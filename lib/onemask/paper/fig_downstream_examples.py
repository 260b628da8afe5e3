"""Real test images with the label maps of DeepLabV3 trained without and with synthetic images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onemask.files import read_npz
from onemask.labels import read_labels
from onemask.paper.pictures import (
    GAP,
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
ROWS = 2  # test images of a class


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz per entry of `shown`; `labels`, a file per class.

    options: study; classes; shown, pairs [class, method] in the order of `pictures`; titles of the methods; ratio.
    """
    names = ("images", "label_maps", "truths")
    pictures: dict[str, dict[str, Mapping[str, np.ndarray]]] = {name: {} for name in options["classes"]}
    for (name, method), path in zip(options["shown"], inputs["pictures"], strict=True):
        pictures[name][method] = read_npz(path, names, "pictures", "run the rule train_downstream again")
    labels = dict(zip(options["classes"], map(read_labels, inputs["labels"]), strict=True))
    draw(pictures, labels, options).save(outputs)


def draw(pictures: Mapping[str, Any], labels: Mapping[str, Any], options: Mapping[str, Any]) -> Sheet:
    """Per class two rows: image, exact mask, then a column per training set; the legend below."""
    tall, titles = line_height(FONT), options["titles"]
    heads = ["test image", "exact mask", *titles.values()]
    starts = [MARGIN + number * STEP for number in range(len(heads))]
    deep = span(ROWS) + 2 * tall + GAP
    text = f"study {options['study']}: DeepLabV3 without synthetic images, and with {options['ratio']} per real one"
    width = max(STEP + legend_width(label_entries(own), FONT) for own in labels.values())
    sheet, top = headed_sheet(text, heads, starts, len(pictures) * deep - tall, FONT, width)
    for row, (name, by_method) in enumerate(pictures.items()):
        y = top + row * deep
        first, own = next(iter(by_method.values())), labels[name]
        images = first["images"][:ROWS]
        predicted = [by_method[method]["label_maps"] if method in by_method else None for method in titles]
        maps = [first["truths"], *predicted]
        for number, image in enumerate(images):
            tiles = [labelled(image, each[number], own, 1.0) if each is not None else None for each in maps]
            sheet.grid(MARGIN, y + number * STEP, [[enlarged(image), *tiles]])
        sheet.text(MARGIN, y + span(ROWS) + tall, name, fontweight="bold")
        sheet.legend(MARGIN + STEP, y + span(ROWS) + tall, label_entries(own))
    return sheet
