"""Table 4: precision at IoU 0.5 of the rare labels, with the counts behind it, from metrics csv files alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import read_rows
from onemask.evaluation.rare import COUNTS, LABEL_KEYS, outcomes, summarise
from onemask.paper.published import read_table4
from onemask.paper.style import ABSENT, escape, latex_score, number
from onemask.paper.table2 import left_out
from onemask.paper.tables import (
    PUBLISHED,
    Table,
    Tabular,
    beside,
    check_methods,
    figures_of,
    in_order,
    of_study,
    published,
    ranged,
    write_table,
)

SHARES = ["precision", "precision_mean", "precision_std", "present"]
COLUMNS = [*LABEL_KEYS, "title", "exemplars", "images", *COUNTS, "predicting", *SHARES, "published"]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` of results/<study>/rare/<class>/<label>/<method>, and `published`.

    options: methods, {name: {"title": text, "published": row of Table 2 or null}}; classes, {name: [rare labels]}.
    """
    if not inputs["rows"]:
        raise OnemaskError("Table 4: no class has a rare label that a method learns; name methods in rare.methods")
    rows, methods = read_rows(inputs["rows"]), options["methods"]
    table = summary(rows, methods, read_table4(inputs["published"]))
    missing = left_out(inputs["failures"], methods)
    write_table(outputs, draw(table, options["classes"], missing, of_study(rows, "Table 4")), table)


def summary(
    rows: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """COLUMNS, one row per class, label and method in the methods' order; precision and `present` in percent."""
    check_methods(rows, methods, "metrics csv")
    table = in_order(summarise(outcomes(rows)), method=methods)
    table[SHARES] *= 100
    table["title"] = table["method"].map(lambda name: methods[name]["title"])
    table["published"] = figures_of(table, "label", methods, theirs)
    return table[COLUMNS]


def draw(table: pd.DataFrame, classes: Mapping[str, Sequence[str]], missing: Sequence[str], study: str) -> Table:
    """Precision above the published figures, and below it the counts; a class without a rare label has dashes."""
    columns = [(name, label) for name, labels in classes.items() for label in labels or [None]]
    records = {(row["class"], row["label"], row["method"]): row for row in table.to_dict("records")}
    best = table.groupby(["class", "label"])["precision"].max()
    precisions, counts = [], []
    for name, title in table.groupby("method", sort=False)["title"].first().items():
        cells = [records.get((*column, name)) for column in columns]
        precisions.append([escape(title), *(_precision(record, best) for record in cells)])
        figures = [math.nan if record is None else record["published"] for record in cells]
        if not all(map(math.isnan, figures)):
            precisions.append([rf"\quad\scriptsize {PUBLISHED}", *(rf"\scriptsize {published(f)}" for f in figures)])
        counts.append([escape(title), *(_counts(record) for record in cells)])
    titles = [escape(name if label is None else f"{name}: {label}") for name, label in columns]
    upper = Tabular("Method", [("", titles)], [precisions])
    lower = Tabular("TP / FP / FN", [("", titles)], [counts, [_presence(table, columns)]])
    notes = [f"{ABSENT}: {escape(name)} has no rare label." for name, labels in classes.items() if not labels]
    there = {(row["class"], row["label"]) for row in table.to_dict("records")}
    notes += [
        f"{ABSENT}: the generator of {escape(name)} draws no {escape(label)} to learn or to test on."
        for name, label in columns
        if label and (name, label) not in there
    ]
    notes += _silent(table) + [f"Left out: {escape(reason)}." for reason in missing]
    return Table(_caption(table, study), "tab:rare", [upper, lower], notes)


def _caption(table: pd.DataFrame, study: str) -> str:
    sentences = [
        rf"Precision at IoU 0.5 of rare labels, study {study}, in percent: TP / (TP + FP) over all test images of"
        f" {ranged(table['exemplars'])} exemplars ({ranged(table['images'])} test images each), with the sample"
        " standard deviation over exemplars.",
        "Per image: TP, the part is there and its IoU is at least 0.5; FP, any other prediction that is not empty; FN,"
        " the part is there and no TP.",
        "Bold: best.",
        beside("4"),
    ]
    return " ".join(sentences)


def _precision(record: Mapping[str, Any] | None, best: pd.Series) -> str:
    if record is None:
        return ABSENT
    bold = record["precision"] == best[record["class"], record["label"]]
    return latex_score(record["precision"], record["precision_std"], bold=bold)


def _counts(record: Mapping[str, Any] | None) -> str:
    return ABSENT if record is None else f"{record['tp']} / {record['fp']} / {record['fn']}"


def _presence(table: pd.DataFrame, columns: Sequence[tuple[str, str | None]]) -> list[str]:
    """Share of the test images that hold the part: the same for every method."""
    shares = table.groupby(["class", "label"])["present"].max()
    return ["Images with the part (\\%)", *(number(shares.get(column, math.nan)) for column in columns)]


def _silent(table: pd.DataFrame) -> list[str]:
    """Exemplars without any prediction have no precision of their own: who and how many."""
    return [
        f"{escape(row['title'])}, {escape(row['label'])}: {row['exemplars'] - row['predicting']} of {row['exemplars']}"
        " exemplars predict the part nowhere and have no part in the deviation."
        for row in table.to_dict("records")
        if row["predicting"] < row["exemplars"]
    ]
