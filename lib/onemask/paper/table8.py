"""Table 8: HFC + SwAV with and without the local loss, class by class, from an experiment's csv alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.paper.experiments import over_fits, per_fit, read_experiment, spread
from onemask.paper.published import read_table8
from onemask.paper.style import escape, latex_score
from onemask.paper.tables import (
    PUBLISHED,
    WIOU_FG,
    Row,
    Table,
    Tabular,
    beside,
    changed,
    check_methods,
    failed_fits,
    heading,
    of_study,
    over_runs,
    published,
    write_table,
)

LOCAL_LOSS = "swav.local_loss"
SIDES = {"True": "with_local", "False": "without_local"}
KEYS = ["study", "class", "method"]
METRICS = ["wiou", "wiou_fg"]
COUNTS = ["exemplars", "replicates", "images"]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` (experiments/table8) and `published`; options: methods and base, as for Table 7."""
    rows = read_experiment(inputs["rows"], [LOCAL_LOSS])
    check_methods(rows, options["methods"], inputs["rows"])
    if set(rows[LOCAL_LOSS]) != set(SIDES):
        raise OnemaskError(f"{inputs['rows']}: {LOCAL_LOSS} must be true and false; correct experiments.table8.grid")
    table = summary(rows, read_table8(inputs["published"]))
    failed = failed_fits(inputs["failures"], options["methods"])
    write_table(outputs, draw(table, options, failed, of_study(rows, inputs["rows"])), table)


def summary(rows: pd.DataFrame, theirs: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """A row per class and method: <metric>_<side>_mean and _std for both SIDES and `difference`, in percent.

    The difference, with minus without, is taken fit by fit: same exemplar, same seed.
    """
    sided = rows.assign(side=rows[LOCAL_LOSS].map(SIDES))
    fits = per_fit(sided, [*KEYS, "side"], METRICS).unstack("side")
    for metric in METRICS:
        fits[metric, "difference"] = fits[metric, "with_local"] - fits[metric, "without_local"]
    fits.columns = ["_".join(name) for name in fits.columns]
    counts = spread(rows, KEYS, METRICS)[[*KEYS, *COUNTS]]
    table = counts.merge(over_fits(fits, KEYS).reset_index(), on=KEYS)
    for side, figures in theirs.items():
        table[f"published_{side}"] = [figures.get(name, math.nan) for name in table["class"]]
    return table


def draw(table: pd.DataFrame, options: Mapping[str, Any], failed: Sequence[str], study: str) -> Table:
    """A block of lines per method, a line per class; the better side is bold."""
    names = ["with", "without", "difference"]
    groups = [("wIoU", names), (WIOU_FG, names), (PUBLISHED + " wIoU", ["with", "without"])]
    blocks = [
        [heading(escape(options["methods"][method]["title"]), 8), *map(_line, group.to_dict("records"))]
        for method, group in table.groupby("method", sort=False)
    ]
    sentences = [
        f"With and without the local SwAV loss (Eq. 10), study {study}.",
        over_runs(table),
        changed(options["base"]),
        "The difference, in points, is taken fit by fit. Bold: the better of the two.",
        beside("8"),
    ]
    return Table(" ".join(filter(None, sentences)), "tab:local-loss", [Tabular("Class", groups, blocks)], failed)


def _line(row: Mapping[str, Any]) -> Row:
    cells = [escape(row["class"])]
    for metric in METRICS:
        means = {side: row[f"{metric}_{side}_mean"] for side in SIDES.values()}
        cells += [
            latex_score(mean, row[f"{metric}_{side}_std"], bold=mean == max(means.values()))
            for side, mean in means.items()
        ]
        difference = latex_score(row[f"{metric}_difference_mean"], row[f"{metric}_difference_std"], 2)
        cells.append(re.sub("^-", "$-$", difference))
    return [*cells, *(published(row[f"published_{side}"]) for side in SIDES.values())]
