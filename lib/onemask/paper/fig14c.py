"""Fig. 14c: wIoU against the size of the patches, under both constraints of the transport problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from onemask.paper.colours import SETTING_COLOURS
from onemask.paper.drawing import COLUMN, heading, spread_line, ticks_at, write_figure
from onemask.paper.experiments import read_experiment, setting_lines, spread

MARGINALS, PATCH, SAMPLING = "swav.marginals", "swav.patch_size", "swav.sampling"
RANDOM = "random_pixels"
LINES = {
    "uniform": {"color": SETTING_COLOURS[0], "marker": "o", "label": "uniform constraint"},
    "pixel_distribution": {"color": SETTING_COLOURS[1], "marker": "s", "label": "pixel distribution"},
}


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, the experiment fig14c, and what setting_lines takes.

    Random pixels are a reference where the grid has swav.sampling.
    """
    rows = read_experiment(inputs["rows"], [PATCH])
    write_figure(outputs, lambda: draw(rows, setting_lines(inputs, options)))


def draw(rows: pd.DataFrame, settings: Sequence[str]) -> Figure:
    """A panel per class, a line per constraint; the band is one standard deviation over fits (exemplars, seeds)."""
    rows = rows.astype({PATCH: float})
    rows = rows if MARGINALS in rows else rows.assign(**{MARGINALS: "uniform"})
    random = rows[SAMPLING] == RANDOM if SAMPLING in rows else pd.Series(False, index=rows.index)
    table = spread(rows[~random], ["class", MARGINALS, PATCH], ["wiou"])
    classes = list(table["class"].unique())
    figure = Figure(figsize=(COLUMN, 2.3), layout="constrained")
    panels = figure.subplots(1, len(classes), squeeze=False)[0]
    for axes, name in zip(panels, classes, strict=True):
        part = table[table["class"] == name]
        for marginals, line in part.groupby(MARGINALS, sort=False):
            spread_line(axes, line, PATCH, "wiou", **LINES[marginals])
        reference = rows[random & (rows["class"] == name)]["wiou"]
        if len(reference):
            axes.axhline(reference.mean(), color="#444444", linestyle=":", label="random pixels")
        ticks_at(axes, part[PATCH].unique(), log=True)
        axes.set(title=name, xlabel="side of a patch, pixels")
    panels[0].set_ylabel("wIoU, %")
    heading(figure, rows, "Patch size and constraint", settings)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
