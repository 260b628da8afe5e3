"""Fig. B1: IoU against the probability of detection for every label of every class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from onemask.evaluation.metrics import BACKGROUND, read_rows
from onemask.evaluation.pd_curves import label_curves, mean_curves
from onemask.paper.drawing import PAGE, heading, write_figure
from onemask.paper.fig11 import Methods, add_legend, draw_panel, one_shot

COLUMNS = 5
MEAN = "mean"


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, csv files of metrics; options: methods (name to `title`), in the legend's order."""
    rows = read_rows(inputs["rows"])
    write_figure(outputs, lambda: draw(rows, options["methods"]))


def draw(rows: pd.DataFrame, methods: Methods) -> Figure:
    """Classes one below the other: the curve of mIoU, then one of each label but the background."""
    labels = label_curves(rows[rows["label"] != BACKGROUND])
    curves = pd.concat([mean_curves(rows).assign(label=MEAN), labels])
    panels = [
        (i + j // COLUMNS, j % COLUMNS, name, label)
        for i, name, shown in _blocks(curves)
        for j, label in enumerate(shown)
    ]
    height = max(row for row, *_ in panels) + 1
    figure = Figure(figsize=(PAGE, height + 0.9), layout="constrained")
    grid = figure.subplots(height, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for row, column, name, label in panels:
        axes = grid[row, column]
        axes.set_visible(True)
        draw_panel(axes, curves[(curves["class"] == name) & (curves["label"] == label)], methods)
        weight = "bold" if label == MEAN else "normal"
        axes.set_title(f"{name}: mIoU" if label == MEAN else label, fontsize=7.5, pad=2, fontweight=weight)
        if row + 1 == height:
            axes.set_xlabel("IoU threshold t")
        axes.tick_params(labelbottom=(row + 1, column) not in {panel[:2] for panel in panels}, length=2)
    figure.supylabel("share of images (that hold the label) with IoU > t", fontsize=7.5)
    heading(figure, one_shot(rows), "IoU against probability of detection, per label")
    add_legend(figure, methods)
    return figure


def _blocks(curves: pd.DataFrame) -> list[tuple[int, str, list[str]]]:
    """First row, name and panels of each class."""
    blocks, row = [], 0
    for name, part in curves.groupby("class", sort=False):
        labels = [MEAN, *(label for label in part["label"].unique() if label != MEAN)]
        blocks.append((row, str(name), labels))
        row += -(-len(labels) // COLUMNS)
    return blocks
