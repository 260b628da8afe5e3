"""Study real_faces in numbers: parts of unseen faces against landmarks of an independent network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from onemask.evaluation.landmarks import PARTS
from onemask.files import read_npz
from onemask.paper.style import escape, latex_score
from onemask.paper.tables import Table, Tabular, write_table

ANNOTATION = "annotation"


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows`, a csv of landmarks.COLUMNS per method, and `landmarks`; options: titles {method: title}, note."""
    seeds = read_npz(inputs["landmarks"], ["seeds"], "landmarks", "make them again")["seeds"]
    table = summary(pd.concat([pd.read_csv(path) for path in inputs["rows"]], ignore_index=True), int(seeds[0]))
    write_table(outputs, draw(table, options, len(seeds) - 1), table)


def summary(rows: pd.DataFrame, exemplar: int) -> pd.DataFrame:
    """A row per method and part: faces, mean and deviation of IoU over faces in percent; ANNOTATION's come first.

    The latter are the one annotated face's, the seed `exemplar`, whose label map every method returns as it is.
    """
    own = rows[(rows["seed"] == exemplar) & (rows["method"] == rows["method"].iloc[0])].assign(method=ANNOTATION)
    rows = pd.concat([own, rows[rows["seed"] != exemplar]], ignore_index=True)
    groups = rows.assign(iou=100 * rows["iou"]).groupby(["method", "part"], sort=False)["iou"]
    return groups.agg(faces="count", iou_mean="mean", iou_std="std").reset_index()


def draw(table: pd.DataFrame, options: Mapping[str, Any], drawn: int) -> Table:
    """A line per method, a column per part; the highest mean of a column is bold."""
    cells = table.set_index(["method", "part"])
    best = table[table["method"] != ANNOTATION].groupby("part")["iou_mean"].max()
    lines = [
        [escape({ANNOTATION: "The annotation itself", **options["titles"]}[method])]
        + [_cell(cells.loc[(method, part)], best[part], method) for part in PARTS]
        for method in table["method"].unique()
    ]
    faces = int(table[table["method"] != ANNOTATION]["faces"].min())
    caption = (
        f"Study real\\_faces: parts of {faces} unseen faces of {drawn} against the outlines that MediaPipe's face mesh"
        " finds in the images; IoU in percent, mean and standard deviation over faces. Every method was fitted once, on"
        " the one annotated face; only SwAV's settings were chosen on this generator. Landmarks follow conventions of"
        " their own: the first line is the annotation against the landmarks of its one face. Face: skin, eyebrows,"
        " nose, eyes and mouth against the face's oval, which hair may cover. Bold: highest mean."
        f" {escape(options['note'])}"
    )
    groups = [("", list(PARTS))]
    return Table(caption.strip(), "tab:faces", [Tabular("Method", groups, [lines[:1], lines[1:]])])


def _cell(row: pd.Series, best: float, method: str) -> str:
    spread = np.nan if method == ANNOTATION else row["iou_std"]
    return latex_score(row["iou_mean"], spread, bold=method != ANNOTATION and row["iou_mean"] == best)
