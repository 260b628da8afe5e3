"""Section 9.2's third sweep: epsilon and the number of prototypes K, with 20 / K marked, and Sinkhorn's iterations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onemask.paper.colours import CLASS_COLOURS, OTHER_COLOUR, SETTING_COLOURS
from onemask.paper.drawing import PAGE, heading, spread_line, ticks_at, write_figure
from onemask.paper.experiments import read_experiment, setting_lines, spread

EPSILON, PROTOTYPES, ITERATIONS = "swav.epsilon", "swav.prototypes", "swav.sinkhorn_iterations"
RULE = 20  # the paper's epsilon is RULE / K
LINES = list(zip(SETTING_COLOURS, "os^Dv", strict=True))


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `iterations`, the experiments sinkhorn(_iterations), and what setting_lines takes."""
    rows = read_experiment(inputs["rows"], [EPSILON, PROTOTYPES])
    iterations = read_experiment(inputs["iterations"], [ITERATIONS])
    write_figure(outputs, lambda: draw(rows, iterations, setting_lines(inputs, options)))


def draw(rows: pd.DataFrame, iterations: pd.DataFrame, settings: Sequence[str]) -> Figure:
    """Left, per class: wIoU over epsilon, a line per K, with 20 / K. Right: wIoU over the iterations."""
    table = spread(rows.astype({EPSILON: float, PROTOTYPES: int}), ["class", EPSILON, PROTOTYPES], ["wiou"])
    classes = list(table["class"].unique())
    figure = Figure(figsize=(PAGE, 2.6), layout="constrained")
    *panels, last = figure.subplots(1, len(classes) + 1, width_ratios=[*[2] * len(classes), 1])
    for axes, name in zip(panels, classes, strict=True):
        _draw_epsilon(axes, table[table["class"] == name])
        axes.set_title(f"{name}: epsilon and K")
    _draw_iterations(last, iterations)
    panels[0].set_ylabel("wIoU, %")
    heading(figure, rows, "Sinkhorn-Knopp: smoothness and iterations", settings)
    return figure


def _draw_epsilon(axes: Axes, table: pd.DataFrame) -> None:
    """Error bars are one standard deviation over exemplars, moved apart; the dotted line of a K's colour is 20 / K."""
    for i, ((colour, marker), (prototypes, line)) in enumerate(
        zip(itertools.cycle(LINES), table.groupby(PROTOTYPES), strict=False)
    ):
        line = line.sort_values(EPSILON)
        apart = 1.03 ** (i - 1)
        bars = {"elinewidth": 0.6, "capsize": 1.5, "color": colour, "marker": marker}
        axes.errorbar(apart * line[EPSILON], line["wiou_mean"], line["wiou_std"], label=f"K = {prototypes}", **bars)
        axes.axvline(RULE / prototypes, color=colour, linestyle=":", linewidth=1.4)
    axes.plot([], [], color="#444444", linestyle=":", linewidth=1.4, label=f"{RULE} / K")
    ticks_at(axes, table[EPSILON].unique(), log=True)
    axes.set_xlabel("epsilon")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def _draw_iterations(axes: Axes, rows: pd.DataFrame) -> None:
    """A line per class; the band is one standard deviation over exemplars."""
    table = spread(rows.astype({ITERATIONS: int}), ["class", ITERATIONS], ["wiou"])
    for name, line in table.groupby("class", sort=False):
        colour = CLASS_COLOURS.get(name, OTHER_COLOUR)
        spread_line(axes, line, ITERATIONS, "wiou", color=colour, marker="o", label=name)
    ticks_at(axes, table[ITERATIONS].unique(), log=True)
    axes.set(xlabel="iterations", title=f"iterations ({', '.join(table['class'].unique())})")
