"""Fig. 13: prohibited items learnt from one scan each, and one scan labelled for all its contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onemask.files import read_npz
from onemask.labels import LabelSet, read_labels
from onemask.paper.fig12 import ARRAYS
from onemask.paper.gallery import load_pictures
from onemask.paper.pictures import GAP, LINE, MARGIN, STEP, Sheet, enlarged, label_entries, labelled, span

BETWEEN = 14  # pixels between the exemplar and the unseen scans
OPACITY = 0.8


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `pictures`, an npz of rare pictures per item; `contents`, a gallery's npz; `labels`.

    options: study, method (title), items in the order of the files, unseen (scans per row).
    """
    labels = read_labels(inputs["labels"])
    rows = [item_row(path, options["unseen"]) for path in inputs["pictures"]]
    contents = load_pictures(inputs["contents"])[: 1 + options["unseen"]]
    draw(rows, contents, labels, options).save(outputs)


def item_row(path: str, unseen: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs (image, mask): the exemplar with its annotation, then scans that hold the item, with what is predicted.

    None where the generator draws no such item.
    """
    arrays = read_npz(path, ARRAYS, "file of pictures", "run the rule that makes it again")
    holds = np.flatnonzero((arrays["truths"][1:] > 0).any((1, 2)))[:unseen] + 1
    return [(arrays["images"][i], arrays["label_maps"][i]) for i in (0, *holds) if len(arrays["images"])]


def draw(
    rows: list[list[tuple[np.ndarray, np.ndarray]]],
    contents: list[tuple[np.ndarray, np.ndarray]],
    labels: LabelSet,
    options: Mapping[str, Any],
) -> Sheet:
    """Two strips per row, scans above masks; the last row shows all contents with the legend of their colours."""
    left, top = MARGIN, MARGIN + 2 * LINE + GAP
    pitch = span(2) + LINE + BETWEEN
    width = left + STEP + BETWEEN + span(options["unseen"]) + MARGIN
    sheet = Sheet(width, top + (len(rows) + 1) * pitch + 2 * LINE + MARGIN)
    title = f"study {options['study']}: {options['method']}, one annotated scan per row"
    sheet.text(left, MARGIN, title, "left top")
    for number, (name, row) in enumerate([*zip(options["items"], rows, strict=True), ("all contents", contents)]):
        y = top + number * pitch + LINE
        own = labels if name == "all contents" else LabelSet(("", name), ("#000000", labels.rare[name]), {})
        tiles = [[enlarged(image) for image, _ in row], [labelled(*pair, own, OPACITY) for pair in row]]
        sheet.text(left, y - 2 * GAP, name, fontweight="bold")
        sheet.text(left + STEP + BETWEEN, y - 2 * GAP, "unseen scans and what is predicted")
        sheet.grid(left, y, [strip[:1] for strip in tiles])
        sheet.grid(left + STEP + BETWEEN, y, [strip[1:] for strip in tiles])
    entries = list(label_entries(labels).items())
    foot = top + (len(rows) + 1) * pitch + LINE
    half = -(-len(entries) // 2)
    for line, part in enumerate((entries[:half], entries[half:])):
        sheet.legend(left, foot + line * LINE, dict(part))
    return sheet
