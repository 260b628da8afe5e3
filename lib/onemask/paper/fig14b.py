"""Fig. 14b: wIoU for feature dimensions D and numbers of prototypes K."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onemask.paper.drawing import COLUMN, heading, write_figure
from onemask.paper.experiments import read_experiment, setting_lines, spread

DIM, PROTOTYPES = "swav.dim", "swav.prototypes"
COLOURS = "cividis"  # told apart by the colour-blind, and in grey


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, the experiment fig14b, and what setting_lines takes."""
    rows = read_experiment(inputs["rows"], [DIM, PROTOTYPES])
    write_figure(outputs, lambda: draw(rows, setting_lines(inputs, options)))


def draw(rows: pd.DataFrame, settings: Sequence[str]) -> Figure:
    """A panel per class: D down, K across, wIoU with its standard deviation over fits in every cell."""
    table = spread(rows.astype({DIM: int, PROTOTYPES: int}), ["class", DIM, PROTOTYPES])
    classes = list(table["class"].unique())
    figure = Figure(figsize=(COLUMN, 0.4 + 2.2 * len(classes)), layout="constrained")
    for axes, name in zip(figure.subplots(len(classes), 1, squeeze=False)[:, 0], classes, strict=True):
        _draw_cells(axes, table[table["class"] == name])
        axes.set(xlabel="prototypes K", ylabel="dimension D")
    heading(figure, rows, f"Dimension and prototypes: wIoU, %, {', '.join(classes)}", settings)
    return figure


def _draw_cells(axes: Axes, table: pd.DataFrame) -> None:
    mean, std = (table.pivot(index=DIM, columns=PROTOTYPES, values=f"wiou_{what}") for what in ("mean", "std"))
    image = axes.imshow(mean, cmap=COLOURS, aspect="auto")
    for i, j in np.ndindex(mean.shape):
        value, deviation = mean.iloc[i, j], std.iloc[i, j]
        if np.isfinite(value):
            text = f"{value:.1f}" + (f"\n±{deviation:.1f}" if np.isfinite(deviation) else "")
            colour = "black" if image.norm(value) > 0.55 else "white"
            axes.text(j, i, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(mean.shape[1]), [str(value) for value in mean.columns])
    axes.set_yticks(range(mean.shape[0]), [str(value) for value in mean.index])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
