"""Unseen real faces by what makes them hard: chosen by eye, by their landmarks, and the worst of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from onemask.evaluation.landmarks import SURE
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
)

FONT = 8.0
INNER_LIPS, EYES = (13, 14), (33, 263)  # of the face mesh: middle of upper and lower lip, outer corners


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `landmarks`, `label_maps` and `rows` of one method, `labels`.

    options: title of the method, columns, opacity, and cases {title: seeds}, chosen by eye.
    """
    faces = read_npz(inputs["landmarks"], ["seeds", "points", "scores", "images"], "landmarks", "make them again")
    label_maps = read_npz(inputs["label_maps"], ["label_maps"], "label maps", "make them again")["label_maps"]
    chosen = choose(faces, pd.read_csv(inputs["rows"]), options["cases"], options["columns"])
    shown = {seed: (faces["images"][i], label_maps[i]) for i, seed in enumerate(faces["seeds"].tolist())}
    groups = {title: [shown[seed] for seed in seeds] for title, seeds in chosen.items()}
    draw(groups, read_labels(inputs["labels"]), options).save(outputs)


def choose(
    faces: Mapping[str, np.ndarray], rows: pd.DataFrame, cases: Mapping[str, Sequence[int]], count: int
) -> dict[str, list[int]]:
    """Seeds per title: the cases, the `count` widest open mouths, and the lowest IoU in the mean over parts.

    The first face is the annotated one, which is left out, as are faces without landmarks that count.
    """
    counts = faces["scores"] > SURE
    counts[0] = False
    seeds, points = faces["seeds"][counts], faces["points"][counts]
    apart = [np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in (INNER_LIPS, EYES)]
    open_mouths = seeds[np.argsort(-apart[0] / apart[1], kind="stable")[:count]].tolist()
    worst = rows[rows["seed"].isin(seeds)].groupby("seed")["iou"].mean().nsmallest(count).index.tolist()
    found = {"The widest open mouths": open_mouths, "Failures: the lowest IoU with the landmarks": worst}
    return {**{title: list(chosen) for title, chosen in cases.items()}, **found}


def draw(
    groups: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], labels: LabelSet, options: Mapping[str, Any]
) -> Sheet:
    """Per group a title, a row of faces, and the same faces under their predicted labels."""
    tall = line_height(FONT)
    deep = tall + 2 * STEP + 2 * GAP
    entries = label_entries(labels)
    width = 2 * MARGIN + max(span(options["columns"]), round(legend_width(entries, FONT)))
    sheet = Sheet(width, 2 * MARGIN + (1 + len(groups)) * (tall + GAP) + len(groups) * (deep - tall) + tall, FONT)
    sheet.text(MARGIN, MARGIN, f"study real_faces: {options['title']}, fitted on one annotated face", "left top")
    y = MARGIN + tall + 2 * GAP
    for title, faces in groups.items():
        sheet.text(MARGIN, y + tall - GAP, title, fontweight="bold")
        tiles = [labelled(image, label_map, labels, options["opacity"]) for image, label_map in faces]
        sheet.grid(MARGIN, y + tall + GAP, [[enlarged(image) for image, _ in faces], tiles])
        y += deep + GAP
    sheet.legend(MARGIN, y + tall - GAP, entries)
    return sheet
