"""The table of the comparisons, and the plot of the growth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.growth import slope

HEAD = (
    "| kernel | against | ours, ms | kernels alone | theirs, ms | ratio (spread) | goal | ours, MB | theirs, MB"
    " | memory | goal | beside the result, MB | at most | apart by | at most | of the floor | goal | goals met |"
)
PIPELINE_HEAD = (
    "| px | at once | generator in | launched | image and mask by | ms an image | images/s | beside generating (spread)"
    " | at most | peak, MB | labels apart | goal met |"
)


def table(rows: pd.DataFrame) -> str:
    """Markdown of the kernels."""
    lines = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    for row in rows.to_dict("records"):
        ratio = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
        cells = [
            row["kernel"], row["peer"], f"{row['ours_ms']:.1f}", _number(row["kernels_ms"]),
            f"{row['theirs_ms']:.1f}", ratio, _number(row["ratio_goal"]),
            f"{row['ours_mb']:.0f}", f"{row['theirs_mb']:.0f}",
            f"{row['memory_ratio']:.1f}", _number(row["memory_goal"]),
            _number(row["extra_mb"]), _number(row["extra_goal_mb"]), *_apart(row),
            _share(row["of_floor"]), _share(row["floor_goal"]), "yes" if row["met"] else "no",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def pipeline_table(rows: pd.DataFrame) -> str:
    """Markdown of the pipelines."""
    lines = [PIPELINE_HEAD, "|" + "---|" * (PIPELINE_HEAD.count("|") - 1)]
    for row in rows.to_dict("records"):
        cells = [
            str(row["resolution"]), str(row["at_once"]), row["precision"], row["launch"], row["method"],
            f"{row['ms']:.3g}", f"{row['per_second']:.3g}", _added(row), _share(row["goal"]),
            f"{row['peak_mb']:.0f}",
            "" if pd.isna(row["apart"]) else f"{row['apart']:.1e}", {True: "yes", False: "no"}.get(row["met"], ""),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _added(row: dict[str, Any]) -> str:
    if pd.isna(row["added"]):
        return ""
    return f"{row['added']:+.0%} ({row['added_low']:+.0%} to {row['added_high']:+.0%})"


def _apart(row: dict[str, Any]) -> tuple[str, str]:
    """How far results are apart and may be; empty where the peer is another method."""
    return ("", "") if pd.isna(row["error"]) else (f"{row['error']:.1e}", f"{row['tolerance']:.0e}")


def _number(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:.0%}"


def draw(curves: pd.DataFrame, path: Path, machine: str) -> None:
    """Milliseconds against what grows, logarithmic; the exponent stands beside each curve."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator

    groups = list(curves.groupby(["kernel", "against"], sort=False))
    columns = math.ceil(len(groups) / 2)
    figure, axes = pyplot.subplots(2, columns, figsize=(2.6 * columns, 5), layout="constrained", squeeze=False)
    for axis in axes.flat[len(groups) :]:
        axis.remove()
    for axis, ((kernel, against), part) in zip(axes.flat, groups, strict=False):
        exponents = []
        for side, colour, marker in (("ours", "#0072B2", "o"), ("theirs", "#D55E00", "s")):
            times = part[f"{side}_ms"]
            exponents.append(f"{side} {slope(part['value'].to_numpy(float), times.to_numpy(float)):.2f}")
            axis.loglog(part["value"], times, marker=marker, color=colour, label=side)
        axis.set_xticks(part["value"], [str(value) for value in part["value"]])
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:,g}")
        axis.set_title(f"{kernel}\nexponents: {', '.join(exponents)}", fontsize=8)
        axis.set(xlabel=against, ylabel="ms")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(machine, fontsize=8)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
