"""A check on the annotator: methods scored on inverted renders against exact masks, and against the annotator's labels.

The images are the same. Were a method favoured by the annotator's mistakes, its rank would fall on exact masks. Beside
them stands Table 2, which is on other images: the generator's own, not reconstructions of renders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.evaluation.metrics import image_scores, read_rows, summarise
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.table2 import left_out
from onemask.paper.tables import WIOU_FG, Row, Table, Tabular, check_methods, in_order, of_study, ranged, write_table

METRIC = "wiou_fg"
SIDES = ("exact", "annotator")


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` of results/<study>/inverted/<class>/<method>, and `table2`; options: `methods`."""
    rows, methods = read_rows(inputs["rows"]), options["methods"]
    check_methods(rows, methods, "metrics csv")
    table = summary(rows, pd.read_csv(inputs["table2"]), methods)
    missing = left_out(inputs["failures"], methods)
    write_table(outputs, draw(table, methods, missing, of_study(rows, "renders table")), table)


def summary(rows: pd.DataFrame, table2: pd.DataFrame, methods: Mapping[str, Any]) -> pd.DataFrame:
    """A row per class and method: exemplars, images, per side <side>_mean, <side>_std, <side>_rank, and table2_mean.

    Scores are wiou_fg in percent. A class's images are its reconstructions with exact masks, then, in the same order,
    with the annotator's labels (onemask.demo.inverted). `agreement` and `agreement_table2` are Spearman's correlations
    within the class of the scores on exact masks with the annotator's and with Table 2's, the same in each of its rows.
    """
    count = rows.groupby("class")["image"].transform("max") + 1
    exact = rows["image"] < count // 2
    tables = []
    for side, part in zip(SIDES, (rows[exact], rows[~exact]), strict=True):
        summed = summarise(image_scores(part)).set_index(["study", "class", "method"])
        values = pd.DataFrame({f"{side}_{what}": summed[f"{METRIC}_{what}"] * 100 for what in ("mean", "std")})
        values[f"{side}_rank"] = values.groupby("class")[f"{side}_mean"].rank(ascending=False, method="min")
        tables.append(values.join(summed[["exemplars", "images"]]) if side == "exact" else values)
    theirs = table2.set_index(["study", "class", "method"])[f"{METRIC}_mean"].rename("table2_mean")
    table = tables[0].join(tables[1]).join(theirs).reset_index()
    table = in_order(table, **{"class": rows["class"].unique(), "method": methods})
    for name, other in (("agreement", "annotator_mean"), ("agreement_table2", "table2_mean")):
        ranks = {
            cls: group["exact_mean"].corr(group[other], method="spearman") for cls, group in table.groupby("class")
        }
        table[name] = table["class"].map(ranks)
    return table


def draw(
    table: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], missing: Sequence[str], study: str
) -> Table:
    """A line per method; per class its score against exact masks and annotator's labels, the best of each in bold."""
    classes = list(table["class"].unique())
    groups = [(escape(name), list(SIDES)) for name in classes]
    rows = [_line(methods[name]["title"], group, classes) for name, group in table.groupby("method", sort=False)]
    first = table.groupby("class", sort=False)[["agreement", "agreement_table2"]].first()
    ranks, other_ranks = (", ".join(f"{escape(n)} {v:.2f}" for n, v in first[column].items()) for column in first)
    caption = (
        f"Exact masks against the annotator's labels, study {study}: {WIOU_FG} in percent on the same"
        f" {ranged(table['images'])} renders inverted into W+, mean and standard deviation over"
        f" {ranged(table['exemplars'])} exemplars. Bold: best. Spearman's correlation of the two rankings: {ranks};"
        f" of that by exact masks with Table 2's, on the generator's own images: {other_ranks}."
    )
    notes = [f"Left out: {escape(reason)}." for reason in missing]
    return Table(caption, "tab:renders", [Tabular("Method", groups, [rows])], notes)


def _line(title: str, group: pd.DataFrame, classes: list[str]) -> Row:
    by_class = group.set_index("class")
    cells = [escape(title)]
    for name in classes:
        for side in SIDES:
            if name not in by_class.index:
                cells.append(ABSENT)
                continue
            row = by_class.loc[name]
            best = row[f"{side}_rank"] == 1
            cells.append(latex_score(row[f"{side}_mean"], row[f"{side}_std"], bold=best))
    return cells
