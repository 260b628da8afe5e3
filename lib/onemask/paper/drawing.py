"""What the paper's figures share: sizes, text, panels, and writing a figure as PDF and PNG. Knows no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onemask.paper.curves import save_figure

COLUMN, PAGE = 3.4, 7.0  # width of a column and of the text, inches
STYLE = {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.handlelength": 2.6,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.0,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.grid": True,
    "axes.axisbelow": True,
}


def write_figure(outputs: Mapping[str, str], draw: Callable[[], Figure]) -> None:
    """Draw in the common style and write every output, each by the ending of its name."""
    with matplotlib.rc_context(STYLE):
        figure = draw()
        for path in outputs.values():
            save_figure(path, figure)


def heading(figure: Figure, rows: pd.DataFrame, text: str, below: Sequence[str] = ()) -> None:
    """Title at the left: the text, the study, how many exemplars and seeds the rows are of, and lines `below` it."""
    count = _counted(rows, "exemplar", "exemplar")
    if "replicate" in rows and rows["replicate"].nunique() > 1:
        count += f", {_counted(rows, 'replicate', 'clustering seed')}"
    title = "\n".join([text, f"study {rows['study'].iloc[0]}, {count}", *below])
    figure.suptitle(title, x=0.01, ha="left", fontsize=8)


def _counted(rows: pd.DataFrame, column: str, noun: str) -> str:
    """Values of a column per class: "5 exemplars", or "4 to 5 exemplars"."""
    counts = rows.groupby("class")[column].nunique()
    n = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    return f"{n} {noun}{'' if n == '1' else 's'}"


def spread_line(axes: Axes, table: pd.DataFrame, x: str, metric: str, **line: str) -> None:
    """A line of <metric>_mean over column x with a band of one <metric>_std above and below."""
    table = table.sort_values(x)
    mean, std = table[f"{metric}_mean"], table[f"{metric}_std"].fillna(0)
    axes.plot(table[x], mean, **line)
    axes.fill_between(table[x], mean - std, mean + std, color=line["color"], alpha=0.15, linewidth=0)


def ticks_at(axes: Axes, values: Sequence[float], log: bool = False) -> None:
    """Ticks of x at the values measured and nowhere else."""
    if log:
        axes.set_xscale("log")
    axes.set_xticks(sorted(values), [f"{value:g}".removeprefix("0") or "0" for value in sorted(values)])
    axes.set_xticks([], minor=True)
