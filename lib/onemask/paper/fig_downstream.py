"""DeepLabV3 by the ratio of real to synthetic images, and its validation curves: is the training long enough?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onemask.paper.colours import OTHER_COLOUR, method_line
from onemask.paper.drawing import PAGE, write_figure
from onemask.paper.experiments import spread
from onemask.paper.table3 import TITLE, read_rows
from onemask.sections import REAL


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` (downstream.csv) and `curves` (downstream_curves.csv); options: methods {name: title}."""
    rows, curves = read_rows(inputs["rows"], options["methods"]), pd.read_csv(inputs["curves"])
    write_figure(outputs, lambda: draw(rows, curves, options["methods"]))


def draw(rows: pd.DataFrame, curves: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Above wIoU on real test images by ratio, below on the validation split by step; a column per class."""
    classes, ratios = list(rows["class"].unique()), sorted(rows["ratio"].unique())
    figure = Figure(figsize=(PAGE, 3.9), layout="constrained")
    panels = figure.subplots(2, len(classes), squeeze=False)
    table = spread(rows, ["class", "method", "ratio"], ["wiou"])
    for number, name in enumerate(classes):
        upper, lower = panels[:, number]
        _by_ratio(upper, table[table["class"] == name], ratios, methods)
        upper.set_title(name)
        _by_step(lower, curves[curves["class"] == name], max(ratios))
    panels[0, 0].set_ylabel("test wIoU, %")
    panels[1, 0].set_ylabel("validation wIoU, %")
    runs = rows["replicate"].nunique()
    study = rows["study"].iloc[0]
    title = f"DeepLabV3 with synthetic images, study {study}: mean and standard deviation over {runs} runs"
    figure.suptitle(title, x=0.01, ha="left", fontsize=8)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    panels[1, 0].legend(loc="lower right", fontsize="small", handlelength=1.5)
    return figure


def _by_ratio(axes: Axes, table: pd.DataFrame, ratios: list[int], methods: Mapping[str, Mapping[str, Any]]) -> None:
    """Error bars per method, set a little apart; real images alone are a line over all ratios with its band."""
    alone = table[table["method"] == REAL].iloc[0]
    places = {ratio: place for place, ratio in enumerate(sorted(set(ratios) - {0}))}
    axes.axhline(alone["wiou_mean"], color=OTHER_COLOUR, linestyle=":", label=TITLE)
    low, high = (alone["wiou_mean"] + sign * alone["wiou_std"] for sign in (-1, 1))
    axes.axhspan(low, high, color=OTHER_COLOUR, alpha=0.12, linewidth=0)
    shown = [name for name in methods if name in set(table["method"])]
    for number, method in enumerate(shown):
        rows = table[table["method"] == method].sort_values("ratio")
        x = [places[ratio] + 0.08 * (number - (len(shown) - 1) / 2) for ratio in rows["ratio"]]
        axes.errorbar(x, rows["wiou_mean"], rows["wiou_std"], label=methods[method]["title"], **method_line(method))
    axes.set_xticks(list(places.values()), [f"1:{ratio}" for ratio in places])
    axes.set(xlabel="real : synthetic", xlim=(-0.5, len(places) - 0.5))


def _by_step(axes: Axes, curves: pd.DataFrame, ratio: int) -> None:
    """Mean over methods and runs of the shortest and the most varied training set."""
    for wanted, style, label in ((0, ":", TITLE), (ratio, "-", f"1:{ratio}, all methods")):
        mean = 100 * curves[curves["ratio"] == wanted].groupby("step")["wiou"].mean()
        axes.plot(mean.index, mean, color=OTHER_COLOUR, linestyle=style, label=label)
    axes.set_xlabel("step")
