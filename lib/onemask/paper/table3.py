"""Table 3: DeepLabV3 trained on real images alone and with synthetic ones, by ratio, from one csv alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.paper.experiments import read_experiment, spread
from onemask.paper.published import counterpart, read_table3
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.tables import (
    PUBLISHED,
    WIOU_FG,
    Row,
    Table,
    Tabular,
    beside,
    heading,
    in_order,
    of_study,
    published,
    ranged,
    write_table,
)
from onemask.sections import REAL

TITLE = "Real images alone"
METRICS = {"wiou": "wIoU", "wiou_fg": WIOU_FG, "miou": "mIoU"}
KEYS = ["study", "class", "method", "ratio"]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` (downstream.csv) and `published`; options: methods {name: title, published}, settings."""
    rows = read_rows(inputs["rows"], options["methods"])
    table = summary(rows, options["methods"], *read_table3(inputs["published"]))
    write_table(outputs, draw(table, options, of_study(rows, inputs["rows"])), table)


def read_rows(path: str, methods: Mapping[str, Any]) -> pd.DataFrame:
    """Rows in percent, ratio a number; OnemaskError for a method that is neither REAL nor configured."""
    rows = read_experiment(path, ["ratio"]).astype({"ratio": int})
    if unknown := sorted(set(rows["method"]) - {REAL, *methods}):
        raise OnemaskError(f"{path}: method {unknown[0]!r} is not configured; there are {', '.join(methods)}")
    orders = {"class": rows["class"].unique(), "method": [REAL, *methods], "ratio": sorted(set(rows["ratio"]))}
    return in_order(rows, **orders)


def summary(
    rows: pd.DataFrame,
    methods: Mapping[str, Mapping[str, Any]],
    alone: Mapping[str, float],
    theirs: Mapping[str, Mapping[str, Mapping[int, float]]],
) -> pd.DataFrame:
    """A row per class, method and ratio (0: real images alone): `spread` over runs, and published_wiou."""
    table = spread(rows, KEYS, list(METRICS)).rename(columns={"replicates": "runs"}).drop(columns="exemplars")
    table["published_wiou"] = [
        alone.get(row["class"], math.nan)
        if row["method"] == REAL
        else theirs.get(counterpart(methods[row["method"]].get("published"), theirs) or "", {})
        .get(row["class"], {})
        .get(row["ratio"], math.nan)
        for row in table.to_dict("records")
    ]
    return table


def draw(table: pd.DataFrame, options: Mapping[str, Any], study: str) -> Table:
    """A block of lines per class, a line per method; wIoU stands beside the published, other metrics below."""
    ratios = sorted(set(table["ratio"]) - {0})
    names = [f"1:{ratio}" for ratio in ratios]
    first = [("wIoU", names), (f"{PUBLISHED} wIoU", names)]
    second = [(METRICS[metric], names) for metric in ("wiou_fg", "miou")]
    tabulars = [
        Tabular("R:A", groups, _blocks(table, columns, ratios, options["methods"]))
        for groups, columns in ((first, ("wiou", "published_wiou")), (second, ("wiou_fg", "miou")))
    ]
    settings = options["settings"]
    sentences = [
        f"DeepLabV3 (backbone {escape(settings['backbone'])}) trained on {settings['real']} real images and, by the",
        "ratio R:A of real to synthetic, on synthetic ones that a method annotated from one exemplar; study",
        f"{study}. Every training takes {settings['steps']} steps of {settings['batch']} images. In percent: mean and",
        f"sample standard deviation over {ranged(table['runs'])} runs (exemplar, clustering seed, samples and",
        f"initialisation), each averaged over the same {ranged(table['images'])} real test images; with real images",
        "alone they differ in the initialisation. Bold: best method of a column.",
        beside("3"),
    ]
    return Table(" ".join(sentences), "tab:downstream", tabulars)


def _blocks(
    table: pd.DataFrame, columns: Sequence[str], ratios: Sequence[int], methods: Mapping[str, Mapping[str, Any]]
) -> list[list[Row]]:
    blocks = []
    for name, group in table.groupby("class", sort=False):
        best = {
            (column, ratio): group[group["ratio"] == ratio][f"{column}_mean"].max()
            for column in columns
            if column in METRICS
            for ratio in ratios
        }
        lines = [heading(escape(name), len(columns) * len(ratios))]
        for method, rows in group.groupby("method", sort=False):
            by_ratio = {row["ratio"]: row for row in rows.to_dict("records")}
            if method == REAL:
                cells = [rf"\multicolumn{{{len(ratios)}}}{{c}}{{{_cell(by_ratio[0], c, {})}}}" for c in columns]
                lines.append([TITLE, *cells])
            else:
                cells = [_cell(by_ratio.get(ratio), column, best) for column in columns for ratio in ratios]
                lines.append([escape(methods[method]["title"]), *cells])
        blocks.append(lines)
    return blocks


def _cell(row: Mapping[str, Any] | None, column: str, best: Mapping[tuple[str, int], float]) -> str:
    if row is None:
        return ABSENT
    if column not in METRICS:
        return published(row[column])
    mean = row[f"{column}_mean"]
    return latex_score(mean, row[f"{column}_std"], bold=mean == best.get((column, row["ratio"])))
