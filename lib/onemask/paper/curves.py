"""Curves of a training's log, one line per class. Draws csv files; knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from onemask.errors import OnemaskError
from onemask.files import atomic
from onemask.paper.colours import CLASS_COLOURS, OTHER_COLOUR

SWAV_PANELS = {
    "global": "global loss",
    "local": "local loss",
    "code_entropy": "entropy of codes, nats",
    "prototype_usage": "share of prototypes used",
}


def draw_curves(logs: Mapping[str, pd.DataFrame], panels: Mapping[str, str], title: str, x: str = "step") -> Figure:
    """One panel per column of `panels` (column: axis label), a line per class; OnemaskError names a missing column."""
    for name, log in logs.items():
        if missing := [column for column in (x, *panels) if column not in log]:
            raise OnemaskError(f"training log of {name}: has no column {missing[0]!r}; run its rule again")
    figure = Figure(figsize=(3.2 * len(panels), 2.6), layout="constrained")
    for axes, (column, label) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, log in logs.items():
            axes.plot(log[x], log[column], color=CLASS_COLOURS.get(name, OTHER_COLOUR), linewidth=1.2, label=name)
        axes.set_xlabel(x)
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(logs), frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    return figure


def save_figure(path: str | Path, figure: Figure) -> None:
    """Write as PNG (200 dpi) or PDF by the name's ending; equal figures are equal bytes: no date, no version."""
    nothing = {".pdf": {"CreationDate": None, "Producer": None, "Creator": None}, ".png": {"Software": None}}
    with matplotlib.rc_context({"pdf.fonttype": 42}), atomic(path) as temporary:
        figure.savefig(temporary, dpi=200, metadata=nothing[Path(path).suffix])
