"""SDANet by the ratio of real to generated scans: its trainings (are they long enough?) and IoU on the test scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onemask.paper.colours import OTHER_COLOUR, SETTING_COLOURS
from onemask.paper.drawing import PAGE, write_figure


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], _: Mapping[str, Any]) -> None:
    """inputs, a csv per training: `curves` (study, ratio, run, step, loss, iou), `rows` (ratio, run, item, iou)."""
    curves, rows = (pd.concat(map(pd.read_csv, inputs[name]), ignore_index=True) for name in ("curves", "rows"))
    write_figure(outputs, lambda: draw(curves, rows))


def draw(curves: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Means over runs with bands of a standard deviation, a line per ratio; at the right error bars by ratio."""
    figure = Figure(figsize=(PAGE, 2.6), layout="constrained")
    *courses, by_ratio = figure.subplots(1, 3)
    shown = (("loss", 1, "loss"), ("iou", 100, "validation IoU, %"))
    for axes, (column, scale, label) in zip(courses, shown, strict=True):
        for colour, (ratio, part) in zip(SETTING_COLOURS, curves.groupby("ratio"), strict=False):
            values = (scale * part.set_index("step")[column]).groupby("step").agg(["mean", "std"])
            axes.plot(values.index, values["mean"], color=colour, marker="o", label=_title(ratio))
            low, high = (values["mean"] + sign * values["std"].fillna(0) for sign in (-1, 1))
            axes.fill_between(values.index, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set(xlabel="step", ylabel=label)
    _by_ratio(by_ratio, rows)
    runs, study = curves["run"].nunique(), curves["study"].iloc[0]
    title = f"SDANet with generated scans, study {study}: mean and standard deviation over {runs} runs"
    figure.suptitle(title, x=0.01, ha="left", fontsize=8)
    figure.legend(*courses[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SETTING_COLOURS))
    return figure


def _by_ratio(axes: Axes, rows: pd.DataFrame) -> None:
    """The mean over items of each run, then mean and deviation over runs."""
    runs = 100 * rows.groupby(["ratio", "run"])["iou"].mean()
    values = runs.groupby("ratio").agg(["mean", "std"]).fillna(0)
    places = range(len(values))
    for place, colour, (_, row) in zip(places, SETTING_COLOURS, values.iterrows(), strict=False):
        axes.errorbar(place, row["mean"], row["std"], color=colour, marker="o", capsize=2)
    axes.axhline(values["mean"].iloc[0], color=OTHER_COLOUR, linestyle=":", zorder=0)
    axes.set_xticks(list(places), ["alone", *(f"1:{ratio}" for ratio in values.index[1:])])
    axes.set(xlabel="real : generated", ylabel="test IoU, %", xlim=(-0.5, len(values) - 0.5))


def _title(ratio: int) -> str:
    return f"1:{ratio}" if ratio else "real scans alone"
