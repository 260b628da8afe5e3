"""The table of the comparisons, and the plot of the growth."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.growth import slope

HEAD = (
    "| kernel | against | ours, ms | theirs, ms | ratio (spread) | goal | ours, MB | theirs, MB | memory | goal"
    " | beside the result, MB | at most | apart by | at most | of the floor | goal | goals met |"
)


def table(rows: pd.DataFrame, machine: str) -> str:
    """Markdown."""
    lines = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    for row in rows.to_dict("records"):
        if pd.notna(row["added_goal"]):
            low, high = (1 / row[name] - 1 for name in ("ratio_high", "ratio_low"))
            ratio, goal = f"+{row['added']:.0%} ({low:+.0%} to {high:+.0%})", f"at most +{row['added_goal']:.0%}"
        else:
            ratio = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
            goal = _number(row["ratio_goal"])
        cells = [
            row["kernel"], row["peer"], f"{row['ours_ms']:.1f}", f"{row['theirs_ms']:.1f}", ratio, goal,
            f"{row['ours_mb']:.0f}", f"{row['theirs_mb']:.0f}", f"{row['memory_ratio']:.1f}",
            _number(row["memory_goal"]), _number(row["extra_mb"]), _number(row["extra_goal_mb"]),
            f"{row['error']:.1e}", f"{row['tolerance']:.0e}", _share(row["of_floor"]), _share(row["floor_goal"]),
            "yes" if row["met"] else "no",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return f"{machine}\n\n" + "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:.0%}"


def draw(curves: pd.DataFrame, path: Path, machine: str) -> None:
    """Milliseconds against what grows, logarithmic; the exponent stands beside each curve."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    groups = list(curves.groupby(["kernel", "against"], sort=False))
    figure, axes = pyplot.subplots(1, len(groups), figsize=(3.1 * len(groups), 3.2), layout="constrained")
    for axis, ((kernel, against), part) in zip(axes, groups, strict=True):
        for side, colour, marker in (("ours", "#0072B2", "o"), ("theirs", "#D55E00", "s")):
            times = part[f"{side}_ms"]
            exponent = slope(part["value"].to_numpy(float), times.to_numpy(float))
            axis.loglog(part["value"], times, marker=marker, color=colour, label=f"{side}: exponent {exponent:.2f}")
        axis.set_xticks(part["value"], [str(value) for value in part["value"]])
        axis.minorticks_off()
        axis.set(title=kernel, xlabel=against, ylabel="ms")
        axis.legend(fontsize=8, frameon=False)
    figure.suptitle(machine, fontsize=8)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
