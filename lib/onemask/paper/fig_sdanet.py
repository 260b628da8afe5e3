"""SDANet's trainings by the ratio of real to generated scans: loss and validation IoU; is the training long enough?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from onemask.paper.colours import SETTING_COLOURS
from onemask.paper.drawing import PAGE, write_figure


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], _: Mapping[str, Any]) -> None:
    """inputs: `curves`, a csv per training (study, ratio, run, step, loss, iou)."""
    curves = pd.concat([pd.read_csv(path) for path in inputs["curves"]], ignore_index=True)
    write_figure(outputs, lambda: draw(curves))


def draw(curves: pd.DataFrame) -> Figure:
    """Means over runs with bands of a standard deviation, a line per ratio."""
    figure = Figure(figsize=(PAGE, 2.6), layout="constrained")
    panels = figure.subplots(1, 2)
    shown = (("loss", 1, "loss"), ("iou", 100, "validation IoU, %"))
    for axes, (column, scale, label) in zip(panels, shown, strict=True):
        for colour, (ratio, rows) in zip(SETTING_COLOURS, curves.groupby("ratio"), strict=False):
            values = (scale * rows.set_index("step")[column]).groupby("step").agg(["mean", "std"])
            title = f"1:{ratio}" if ratio else "real scans alone"
            axes.plot(values.index, values["mean"], color=colour, marker="o", label=title)
            low, high = (values["mean"] + sign * values["std"].fillna(0) for sign in (-1, 1))
            axes.fill_between(values.index, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set(xlabel="step", ylabel=label)
    runs, study = curves["run"].nunique(), curves["study"].iloc[0]
    title = f"SDANet with generated scans, study {study}: mean and standard deviation over {runs} runs"
    figure.suptitle(title, x=0.01, ha="left", fontsize=8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SETTING_COLOURS))
    return figure
