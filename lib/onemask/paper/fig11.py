"""Fig. 11: mIoU against the probability of detection, a panel per class and a line per method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onemask.evaluation.metrics import read_rows
from onemask.evaluation.pd_curves import mean_curves
from onemask.paper.colours import method_line
from onemask.paper.drawing import PAGE, heading, write_figure

Methods = Mapping[str, Mapping[str, Any]]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, csv files of metrics; options: methods (name to `title`), in the legend's order."""
    rows = read_rows(inputs["rows"])
    write_figure(outputs, lambda: draw(rows, options["methods"]))


def draw(rows: pd.DataFrame, methods: Methods) -> Figure:
    """Share of test images above each mIoU; the dotted line is the threshold that the paper speaks of."""
    curves = mean_curves(rows)
    classes = list(curves["class"].unique())
    figure = Figure(figsize=(PAGE, 2.9), layout="constrained")
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, classes, strict=True):
        draw_panel(axes, curves[curves["class"] == name], methods)
        axes.set_title(name)
        axes.set_xlabel("mIoU threshold t")
    panels[0].set_ylabel("share of images with mIoU > t")
    heading(figure, one_shot(rows), "mIoU against probability of detection")
    add_legend(figure, methods)
    return figure


def draw_panel(axes: Axes, curves: pd.DataFrame, methods: Methods) -> None:
    """A line per method over thresholds, in the methods' order."""
    for i, (name, method) in enumerate(methods.items()):
        line = curves[curves["method"] == name]
        if len(line):
            marks = (i % 4, 4)  # lines that lie on each other show their marks in turn
            axes.plot(line["threshold"], line["pd"], label=method["title"], markevery=marks, **method_line(name))
    axes.axvline(0.5, color="#888888", linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_xticklabels(["0", ".5", "1"])


def add_legend(figure: Figure, methods: Methods, columns: int = 4) -> None:
    """One legend below all panels, of every method that some panel shows."""
    shown = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    titles = [title for method in methods.values() if (title := method["title"]) in shown]
    figure.legend([shown[title] for title in titles], titles, loc="outside lower center", ncols=columns)


def one_shot(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the method with the most exemplars: not those of the supervised reference."""
    return rows[rows["method"] == rows.groupby("method")["exemplar"].nunique().idxmax()]
