"""SDANet on baggage scans by the ratio of real to generated ones (Section 8.2), from csv files alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from onemask.paper.published import read_sdanet
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.table3 import TITLE
from onemask.paper.tables import PUBLISHED, Row, Table, Tabular, of_study, published, ranged, write_table

SCORES = ("iou", "ap", "ap_box")


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, a csv per training (a row per item), and `published`; options: settings, title of the method."""
    rows = pd.concat([pd.read_csv(path) for path in inputs["rows"]], ignore_index=True)
    table = summary(rows, read_sdanet(inputs["published"]))
    write_table(outputs, draw(table, options, of_study(rows, "sdanet")), table)


def summary(rows: pd.DataFrame, theirs: Mapping[int, float]) -> pd.DataFrame:
    """A row per ratio (0: real scans alone): mean and deviation over runs of SCORES, and of iou's `gain` in each run.

    iou is the mean over items; all in percent, a gain in points over the same run without generated scans.
    """
    keys = ["study", "class", "method", "ratio"]
    runs = rows.groupby([*keys, "run"], sort=False).agg({"iou": "mean", "ap": "first", "ap_box": "first"}) * 100
    runs = runs.reset_index()
    alone = runs[runs["ratio"] == 0].set_index("run")["iou"]
    runs["gain"] = runs["iou"] - runs["run"].map(alone)
    counts = rows.groupby(keys, sort=False).agg(runs=("run", "nunique"), images=("images", "first"))
    spread = runs.groupby(keys, sort=False)[[*SCORES, "gain"]].agg(["mean", "std"])
    spread.columns = ["_".join(name) for name in spread.columns]
    table = counts.join(spread).reset_index().sort_values("ratio", ignore_index=True)
    table["published_gain"] = [theirs.get(ratio, math.nan) for ratio in table["ratio"]]
    return table


def draw(table: pd.DataFrame, options: Mapping[str, Any], study: str) -> Table:
    """A line per ratio."""
    settings, best = options["settings"], table["iou_mean"].max()
    caption = (
        f"SDANet ({escape(settings['body'])}) trained on {settings['real']} annotated scans and, by the ratio R:A, on"
        f" generated ones that {escape(options['title'])} annotated, a segmenter per item, fitted on one scan of every"
        f" item; study {study}. {settings['steps']} steps of {settings['batch']} scans. In percent: mean and sample"
        f" standard deviation over {ranged(table['runs'])} runs, on the same {ranged(table['images'])} real test scans;"
        " IoU is the mean over items, of all confident detections rasterised per item; AP is COCO's. Gains are in"
        " points of IoU, run by run. Bold: highest IoU. Italics: Section 8.2 of the paper."
    )
    names = ["IoU", "gain", f"{PUBLISHED} gain", "AP (masks)", "AP (boxes)"]
    lines = [_line(row, best) for row in table.to_dict("records")]
    return Table(caption, "tab:sdanet", [Tabular("R:A", [("", names)], [lines])])


def _line(row: Mapping[str, Any], best: float) -> Row:
    iou, masks, boxes = (
        latex_score(row[f"{name}_mean"], row[f"{name}_std"], bold=name == "iou" and row["iou_mean"] == best)
        for name in SCORES
    )
    gain = latex_score(row["gain_mean"], row["gain_std"], 2) if row["ratio"] else ABSENT
    return [f"1:{row['ratio']}" if row["ratio"] else TITLE, iou, gain, published(row["published_gain"]), masks, boxes]
