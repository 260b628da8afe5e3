"""Table 9: the size of the one-shot segmenter, from an experiment's csv alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.paper.experiments import per_fit, read_experiment, spread
from onemask.paper.published import ABLATED, read_table9
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
    is_best,
    of_study,
    over_runs,
    published,
    write_table,
)

HEAD = "method.head"
KEYS = ["study", "class", "method", "head"]
METRICS = ["wiou", "wiou_fg", "fg_iou"]
BOTH = ("wiou", "fg_iou")  # what the paper prints


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` (experiments/table9) and `published`; options: methods and base, as for Table 7."""
    rows = read_experiment(inputs["rows"], [HEAD]).rename(columns={HEAD: "head"})
    check_methods(rows, options["methods"], inputs["rows"])
    table = summary(rows, read_table9(inputs["published"]))
    failed = [*failed_fits(inputs["failures"], options["methods"]), *collapsed(rows)]
    write_table(outputs, draw(table, options, failed, of_study(rows, inputs["rows"])), table)


def summary(rows: pd.DataFrame, theirs: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """A row per class, method and head, in the experiment's order: `spread` in percent, published_wiou and _fg_iou."""
    table = spread(rows, KEYS, METRICS)
    for metric in BOTH:
        table[f"published_{metric}"] = [
            theirs.get(head_name(row["head"]), {}).get(metric, math.nan) if row["class"] == ABLATED else math.nan
            for row in table.to_dict("records")
        ]
    return table


def collapsed(rows: pd.DataFrame) -> list[str]:
    """A footnote for each head of which fits have less than half of their median's wIoU: one alone makes the spread."""
    fits = per_fit(rows, KEYS, ["wiou"])["wiou"]
    notes = []
    for (_, cls, _, head), scores in fits.groupby(KEYS, sort=False):
        low = scores[scores < scores.median() / 2]
        if len(low):
            share = f"{len(low)} of {len(scores)} fits"
            values, median = ", ".join(f"{score:.1f}" for score in low), f"{scores.median():.1f}"
            notes.append(f"{escape(cls)}, {head_name(head)}: {share} have a wIoU of {values}; the median is {median}.")
    return notes


def head_name(head: str) -> str:
    """ "fcn3" as the paper has it: FCN-3."""
    return re.sub(r"(?<=[a-z])(?=\d)", "-", head).upper()


def draw(table: pd.DataFrame, options: Mapping[str, Any], failed: Sequence[str], study: str) -> Table:
    """A block of lines per class and method, a line per head."""
    table = table.assign(**{f"{metric}_best": is_best(table, metric, ["class", "method"]) for metric in METRICS})
    groups = [("wIoU", ["ours", PUBLISHED]), (WIOU_FG, ["ours"]), ("FG-IoU", ["ours", PUBLISHED])]
    blocks = [
        [
            heading(escape(f"{cls}, {options['methods'][method]['title']}, other heads"), 5),
            *map(_line, group.to_dict("records")),
        ]
        for (cls, method), group in table.groupby(["class", "method"], sort=False)
    ]
    sentences = [
        f"One-shot segmenters of different sizes, study {study}; the number is that of layers.",
        over_runs(table),
        changed(options["base"]),
        "Bold: best of a column.",
        beside("9"),
    ]
    return Table(" ".join(filter(None, sentences)), "tab:heads", [Tabular("Segmenter", groups, blocks)], failed)


def _line(row: Mapping[str, Any]) -> Row:
    cells = [escape(head_name(row["head"]))]
    for metric in METRICS:
        cells.append(latex_score(row[f"{metric}_mean"], row[f"{metric}_std"], bold=row[f"{metric}_best"]))
        cells += [published(row[f"published_{metric}"])] if metric in BOTH else []
    return cells
