"""Ablations that no table of the paper shows: k-means by layers, the untrained projection, SwAV's constraint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.paper.experiments import read_experiment, spread
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.tables import (
    WIOU_FG,
    Row,
    Table,
    Tabular,
    changed,
    check_methods,
    failed_fits,
    heading,
    of_study,
    over_runs,
    write_table,
)

METRIC = "wiou_fg"
KEYS = ["study", "experiment", "class", "method", "setting"]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures`, experiments' csv files.

    options: methods; grids and bases, {experiment: dotted keys that vary} and {experiment: settings beside them}.
    """
    tables = [read_rows(path, options["grids"][Path(path).stem]) for path in inputs["rows"]]
    rows = pd.concat(tables, ignore_index=True)
    check_methods(rows, options["methods"], "experiments")
    table = spread(rows, KEYS, [METRIC, "fg_iou"])
    failed = failed_fits(inputs["failures"], options["methods"])
    write_table(outputs, draw(table, options, failed, of_study(rows, "ablations")), table)


def read_rows(path: str | Path, grid: Sequence[str]) -> pd.DataFrame:
    """Rows of an experiment with its name and, as text, the `setting` of its grid's keys."""
    rows = read_experiment(path, grid)
    settings = [rows[key].map(lambda value, key=key: f"{key} {value}") for key in grid]
    return rows.assign(experiment=Path(path).stem, setting=pd.concat(settings, axis=1).agg(", ".join, axis=1))


def draw(table: pd.DataFrame, options: Mapping[str, Any], failed: Sequence[str], study: str) -> Table:
    """A block of lines per experiment and method, a line per setting, a column per class."""
    classes = list(table["class"].unique())
    blocks = [_block(group, options, classes) for _, group in table.groupby(["experiment", "method"], sort=False)]
    caption = f"Ablations, study {study}: {WIOU_FG}. {over_runs(table)} Bold: best of a block."
    return Table(caption, "tab:ablations", [Tabular("", [("", [escape(name) for name in classes])], blocks)], failed)


def _block(group: pd.DataFrame, options: Mapping[str, Any], classes: Sequence[str]) -> list[Row]:
    first = group.iloc[0]
    title = f"{escape(options['methods'][first['method']]['title'])}. {changed(options['bases'][first['experiment']])}"
    best = group.groupby("class")[f"{METRIC}_mean"].max()
    lines = []
    for setting, rows in group.groupby("setting", sort=False):
        by_class = rows.set_index("class")
        cells = [_cell(by_class.loc[name], best[name]) if name in by_class.index else ABSENT for name in classes]
        lines.append([escape(setting), *cells])
    return [heading(title.strip(), len(classes)), *lines]


def _cell(row: Mapping[str, Any], best: float) -> str:
    mean = row[f"{METRIC}_mean"]
    return latex_score(mean, row[f"{METRIC}_std"], bold=mean == best)
