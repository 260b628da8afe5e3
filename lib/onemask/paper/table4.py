"""Table 4: precision at IoU 0.5 of the rare labels, with the counts behind it, from metrics csv files alone.

Table 6 is the same of prohibited items, with their IoU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import read_rows
from onemask.evaluation.rare import COUNTS, LABEL_KEYS, outcomes, summarise
from onemask.files import read_json
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

Theirs = Mapping[str, Mapping[str, Mapping[str, float]]]  # metric -> method -> label -> percent
NAMES = {"precision": "Precision", "iou": "IoU"}
SUBJECTS = {"4": ("rare labels", "tab:rare"), "6": ("prohibited items", "tab:baggage")}  # and their LaTeX label
SHARES = ["precision", "precision_mean", "precision_std", "iou", "iou_std", "present"]
COLUMNS = [*LABEL_KEYS, "title", "exemplars", "images", *COUNTS, "predicting", *SHARES]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` of results/<study>/rare/<class>/<label>/<method>, and `published`.

    Also `annotators`, the reports of annotators (annotators/<class>.json), where there are any.
    options: methods, {name: {"title": text, "published": row of Table 2 or null}}; classes, {name: [rare labels]}.
    """
    make_rare_table(inputs, outputs, options, "4", {"precision": read_table4(inputs["published"])})


def make_rare_table(
    inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any], name: str, theirs: Theirs
) -> None:
    """Table 4 or 6: the metrics of `theirs`, side by side, and the counts behind the precision."""
    if not inputs["rows"]:
        raise OnemaskError(f"Table {name}: no class has a rare label that a method learns; see rare.methods")
    rows, methods = read_rows(inputs["rows"]), options["methods"]
    table = summary(rows, methods, theirs)
    missing, study = left_out(inputs["failures"], methods), of_study(rows, f"Table {name}")
    agreed = {Path(path).stem: read_json(path)["agreement"]["rare"] for path in inputs.get("annotators", [])}
    write_table(outputs, draw(table, options["classes"], missing, study, name, list(theirs), agreed), table)


def summary(rows: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], theirs: Theirs) -> pd.DataFrame:
    """COLUMNS and published_<metric>, one row per class, label and method in the methods' order; in percent."""
    check_methods(rows, methods, "metrics csv")
    table = in_order(summarise(outcomes(rows)), method=methods)
    table[SHARES] *= 100
    table["title"] = table["method"].map(lambda name: methods[name]["title"])
    table = table[COLUMNS]
    return table.assign(**{f"published_{m}": figures_of(table, "label", methods, each) for m, each in theirs.items()})


def draw(
    table: pd.DataFrame,
    classes: Mapping[str, Sequence[str]],
    missing: Sequence[str],
    study: str,
    name: str,
    metrics: Sequence[str],
    agreed: Mapping[str, Mapping[str, float]],
) -> Table:
    """The metrics above the published figures, and below them the counts; a class without a label has dashes."""
    columns = [(cls, label) for cls, labels in classes.items() for label in labels or [None]]
    records = {(row["class"], row["label"], row["method"]): row for row in table.to_dict("records")}
    best = table.groupby(["class", "label"])[list(metrics)].max()
    scores, counts = [], []
    for method, title in table.groupby("method", sort=False)["title"].first().items():
        cells = [records.get((*column, method)) for column in columns]
        scores.append([escape(title), *(_score(record, metric, best) for record in cells for metric in metrics)])
        figures = [math.nan if r is None else r[f"published_{metric}"] for r in cells for metric in metrics]
        if not all(map(math.isnan, figures)):
            scores.append([rf"\quad\scriptsize {PUBLISHED}", *(rf"\scriptsize {published(f)}" for f in figures)])
        counts.append([escape(title), *(_counts(record) for record in cells)])
    several = len(classes) > 1
    titles = [escape(f"{cls}: {label}" if label and several else label or cls) for cls, label in columns]
    names = [NAMES[metric] for metric in metrics]
    groups = [("", titles)] if len(metrics) == 1 else [(title, names) for title in titles]
    upper = Tabular("Method", groups, [scores])
    lower = Tabular("TP / FP / FN", [("", titles)], [counts, [_presence(table, columns)]])
    notes = [f"{ABSENT}: {escape(cls)} has no rare label." for cls, labels in classes.items() if not labels]
    there = {(row["class"], row["label"]) for row in table.to_dict("records")}
    notes += [
        f"{ABSENT}: the generator of {escape(cls)} draws no {escape(label)} to learn or to test on."
        for cls, label in columns
        if label and (cls, label) not in there
    ]
    notes += _everywhere(table) + _silent(table) + [f"Left out: {escape(reason)}." for reason in missing]
    return Table(_caption(table, study, name, metrics, agreed), SUBJECTS[name][1], [upper, lower], notes)


def _caption(
    table: pd.DataFrame, study: str, name: str, metrics: Sequence[str], agreed: Mapping[str, Mapping[str, float]]
) -> str:
    pairs = [f"{escape(label)} {number(100 * iou)}" for labels in agreed.values() for label, iou in labels.items()]
    iou = "IoU is the mean over images that hold the part." if "iou" in metrics else ""
    sentences = [
        f"Precision at IoU 0.5 of {SUBJECTS[name][0]}, study {study}, in percent: TP / (TP + FP) over all test images"
        f" of {ranged(table['exemplars'])} exemplars ({ranged(table['images'])} test images each), with the sample"
        " standard deviation over exemplars.",
        "Per image: TP, the part is there and its IoU is at least 0.5; FP, any other prediction that is not empty; FN,"
        " the part is there and no TP.",
        iou,
        f"IoU of two annotators on these parts: {', '.join(pairs)}." if pairs else "",
        "Bold: best.",
        beside(name),
    ]
    return " ".join(filter(None, sentences))


def _score(record: Mapping[str, Any] | None, metric: str, best: pd.DataFrame) -> str:
    if record is None:
        return ABSENT
    bold = record[metric] == best.loc[(record["class"], record["label"]), metric]
    return latex_score(record[metric], record[f"{metric}_std"], bold=bold)


def _counts(record: Mapping[str, Any] | None) -> str:
    return ABSENT if record is None else f"{record['tp']} / {record['fp']} / {record['fn']}"


def _presence(table: pd.DataFrame, columns: Sequence[tuple[str, str | None]]) -> list[str]:
    """Share of the test images that hold the part: the same for every method."""
    shares = table.groupby(["class", "label"])["present"].max()
    return ["Images with the part (\\%)", *(number(shares.get(column, math.nan)) for column in columns)]


def _everywhere(table: pd.DataFrame) -> list[str]:
    """Where every method marks the part on every image, precision is the share of images with an IoU of 0.5."""
    marked = table["tp"] + table["fp"] == table["exemplars"] * table["images"]
    return [
        f"{escape(f'{cls}: {label}')}: every method predicts the part on every test image."
        for (cls, label), all_marked in marked.groupby([table["class"], table["label"]], sort=False).all().items()
        if all_marked
    ]


def _silent(table: pd.DataFrame) -> list[str]:
    """Exemplars without any prediction have no precision of their own: who and how many."""
    return [
        f"{escape(row['title'])}, {escape(row['label'])}: {row['exemplars'] - row['predicting']} of {row['exemplars']}"
        " exemplars predict the part nowhere and have no part in the deviation."
        for row in table.to_dict("records")
        if row["predicting"] < row["exemplars"]
    ]
