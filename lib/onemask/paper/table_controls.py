"""Controls of Table 3: what the effect of synthetic images is made of, from csv files alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from onemask.paper.experiments import spread
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.table3 import TITLE, read_rows
from onemask.paper.tables import Row, Table, Tabular, heading, in_order, of_study, ranged, write_table
from onemask.sections import REAL

REFERENCES = {
    "renders": {"title": "Further renders, exact masks"},
    "annotator": {"title": "Generated, labelled by the annotator"},
}
METRICS = ["wiou", "wiou_fg", "miou"]
CONDITION = ["real", "steps"]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` (downstream.csv) and `controls` (controls.csv); options: methods {name: title}, settings."""
    rows = joined(inputs["rows"], inputs["controls"], options["methods"] | REFERENCES, options["settings"])
    table = spread(rows, ["study", *CONDITION, "class", "method", "ratio"], METRICS)
    table = table.rename(columns={"replicates": "runs"}).drop(columns="exemplars")
    write_table(outputs, draw(table, options, of_study(rows, inputs["controls"])), table)


def joined(base: str, controls: str, methods: Mapping[str, Any], settings: Mapping[str, Any]) -> pd.DataFrame:
    """The controls' rows, and of Table 3's those of the same method and ratio; CONDITION tells them apart."""
    own = read_rows(controls, methods)
    theirs = read_rows(base, methods).assign(real=settings["real"], steps=settings["steps"])
    pairs = {(REAL, 0), *zip(own["method"], own["ratio"], strict=True)}
    kept = [pair in pairs for pair in zip(theirs["method"], theirs["ratio"], strict=True)]
    rows = pd.concat([theirs[kept], own], ignore_index=True).astype(dict.fromkeys(CONDITION, int))
    orders = {name: rows[name].unique() for name in [*CONDITION, "class"]}
    return in_order(rows, **orders, method=[REAL, *methods], ratio=sorted(set(rows["ratio"])))


def draw(table: pd.DataFrame, options: Mapping[str, Any], study: str) -> Table:
    """A block per number of real images and of steps, a line per method and ratio, a column of wIoU per class."""
    classes, titles = list(table["class"].unique()), options["methods"] | REFERENCES
    blocks = []
    for (real, steps), group in table.groupby(CONDITION, sort=False):
        lines: list[Row] = [heading(f"{real} real images, {steps} steps", len(classes))]
        for (method, ratio), rows in group.groupby(["method", "ratio"], sort=False):
            title = TITLE if method == REAL else f"{escape(titles[method]['title'])}, 1:{ratio}"
            scores = {row["class"]: latex_score(row["wiou_mean"], row["wiou_std"]) for row in rows.to_dict("records")}
            lines.append([title, *(scores.get(name, ABSENT) for name in classes)])
        blocks.append(lines)
    sentences = [
        f"What Table~\\ref{{tab:downstream}} is made of: wIoU of DeepLabV3 on real test images, study {study}, by what",
        "is added to the real images, by their number and by the steps of the training. The renders are further real",
        "images; the generated images of the annotator are those of the methods, with the labels of the network that",
        f"stands for a human. In percent: mean and sample standard deviation over {ranged(table['runs'])} runs.",
    ]
    groups = [("wIoU", [escape(name) for name in classes])]
    return Table(" ".join(sentences), "tab:controls", [Tabular("trained on", groups, blocks)])
