"""Fig. 14a: wIoU against the strength of the perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from onemask.paper.colours import CLASS_COLOURS, OTHER_COLOUR
from onemask.paper.drawing import COLUMN, heading, spread_line, ticks_at, write_figure
from onemask.paper.experiments import read_experiment, setting_lines, spread

STRENGTH = "swav.perturbation.strength"
PANELS = {"wiou": "wIoU, %", "wiou_fg": r"wIoU$_\mathrm{fg}$, %"}


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, the experiment fig14a, and what setting_lines takes."""
    rows = read_experiment(inputs["rows"], [STRENGTH])
    write_figure(outputs, lambda: draw(rows, setting_lines(inputs, options)))


def draw(rows: pd.DataFrame, settings: Sequence[str]) -> Figure:
    """A line per class, the band is one standard deviation over fits (exemplars, seeds)."""
    table = spread(rows.astype({STRENGTH: float}), ["class", STRENGTH])
    figure = Figure(figsize=(COLUMN, 2.4), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for axes, (metric, label) in zip(panels, PANELS.items(), strict=True):
        for name, part in table.groupby("class", sort=False):
            spread_line(
                axes, part, STRENGTH, metric, color=CLASS_COLOURS.get(name, OTHER_COLOUR), marker="o", label=name
            )
        axes.set_title(label)
        ticks_at(axes, table[STRENGTH].unique())
        axes.set_xlabel("perturbation strength")
    heading(figure, rows, "Perturbation strength", settings)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
