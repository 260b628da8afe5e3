"""Fig. 9: one-shot segmentation of the same unseen images by every method, beside their annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onemask.data.annotated import read_annotated
from onemask.errors import OnemaskError
from onemask.labels import LabelSet, read_labels
from onemask.paper.gallery import Picture, load_pictures
from onemask.paper.pictures import (
    GAP,
    MARGIN,
    STEP,
    Sheet,
    Tiles,
    enlarged,
    headed_sheet,
    label_entries,
    labelled,
    line_height,
    span,
)

BETWEEN = 14  # pixels around the columns of images
FONT = 8.0  # points: the figure is wider than a page and printed at about 0.85 of its size
ROWS = 2  # unseen images of a class: the exemplar stands beside them, above its annotation
OPACITY = 1.0  # the images stand beside the label maps


@dataclass(frozen=True)
class Panel:
    """A class: its exemplar, test images, their annotations and the label maps that each method predicts."""

    name: str
    labels: LabelSet
    exemplar: Picture
    images: Sequence[np.ndarray]
    truths: Sequence[np.ndarray]
    predicted: Mapping[str, Sequence[np.ndarray]]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz per entry of `shown`; `annotated` and `labels`, a file per class.

    options: study; classes; shown, pairs [class, method] in the order of `pictures`; titles of the methods, in order.
    """
    files: dict[str, dict[str, str]] = {name: {} for name in options["classes"]}
    for (name, method), path in zip(options["shown"], inputs["pictures"], strict=True):
        files[name][method] = path
    panels = [
        read_panel(name, files[name], annotated, read_labels(labels))
        for name, annotated, labels in zip(options["classes"], inputs["annotated"], inputs["labels"], strict=True)
    ]
    draw(panels, options).save(outputs)


def read_panel(name: str, files: Mapping[str, str], annotated: str, labels: LabelSet) -> Panel:
    """OnemaskError where a method was shown other images than the first one."""
    pictures = {method: load_pictures(path)[: 1 + ROWS] for method, path in files.items()}
    first, *_ = pictures.values()
    for method, shown in pictures.items():
        if not all(np.array_equal(image, other) for (image, _), (other, _) in zip(shown, first, strict=True)):
            raise OnemaskError(
                f"{files[method]}: shows other images than {next(iter(files.values()))}; make both again"
            )
    truths = read_annotated(annotated, labels).split("test")[1][: len(first) - 1]
    predicted = {method: [label_map for _, label_map in shown[1:]] for method, shown in pictures.items()}
    return Panel(name, labels, first[0], [image for image, _ in first[1:]], truths, predicted)


def draw(panels: Sequence[Panel], options: Mapping[str, Any]) -> Sheet:
    """Per class two rows of images with their label maps, and a legend; a column per method, empty where it lacks."""
    tall = line_height(FONT)
    titles = options["titles"]
    heads = ["annotated image", "unseen image", "its annotation", *titles.values()]
    starts = [MARGIN, MARGIN + STEP + BETWEEN, MARGIN + 2 * STEP + BETWEEN]
    starts += [starts[-1] + BETWEEN + (1 + number) * STEP for number in range(len(titles))]
    deep = span(ROWS) + 2 * tall + GAP
    text = f"study {options['study']}: every method fitted on the one annotated image"
    sheet, top = headed_sheet(text, heads, starts, len(panels) * deep - tall, FONT)
    for row, panel in enumerate(panels):
        y = top + row * deep
        for x, column in zip(starts, columns(panel, titles), strict=True):
            sheet.grid(x, y, [[tile] for tile in column])
        sheet.text(MARGIN, y + span(ROWS) + tall, panel.name, fontweight="bold")
        sheet.legend(starts[1], y + span(ROWS) + tall, label_entries(panel.labels))
    return sheet


def columns(panel: Panel, methods: Sequence[str]) -> Tiles:
    """The columns' tiles from top to bottom: exemplar and annotation, images, truths, then each method's."""
    image, annotation = panel.exemplar
    maps = [panel.truths, *(panel.predicted.get(method) for method in methods)]
    return [
        [enlarged(image), labelled(image, annotation, panel.labels, OPACITY)],
        [enlarged(image) for image in panel.images],
        *(
            [labelled(*pair, panel.labels, OPACITY) for pair in zip(panel.images, each, strict=True)]
            if each is not None
            else [None] * ROWS
            for each in maps
        ),
    ]
