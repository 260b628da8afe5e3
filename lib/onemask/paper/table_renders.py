"""A check on the annotator: methods scored on inverted renders with exact masks, beside the annotator's test images.

Both use the same exemplars. Were a method favoured by the annotator's mistakes, its rank would fall on exact masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import image_scores, read_rows, summarise
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.tables import WIOU_FG, Row, Table, Tabular, check_methods, in_order, of_study, ranged, write_table

METRIC = "wiou_fg"
SIDES = ("renders", "annotated")


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `renders` and `annotated`, metrics csv files of the same methods and classes; options: `methods`."""
    sides = {side: read_rows(inputs[side]) for side in SIDES}
    for rows in sides.values():
        check_methods(rows, options["methods"], "metrics csv")
    study = of_study(pd.concat(sides.values()), "renders table")
    table = summary(sides["renders"], sides["annotated"], options["methods"])
    write_table(outputs, draw(table, options["methods"], study), table)


def summary(renders: pd.DataFrame, annotated: pd.DataFrame, methods: Mapping[str, Any]) -> pd.DataFrame:
    """A row per class and method: exemplars, images, and per side <side>_mean, <side>_std, <side>_rank.

    Scores are wiou_fg in percent. Of the annotated test images the exemplars alone count that the renders' rows have.
    `agreement` is Spearman's correlation of both sides' ranks within the class, the same in each of its rows.
    """
    common = renders[["class", "method", "exemplar"]].drop_duplicates()
    sides = {"renders": renders, "annotated": annotated.merge(common, on=["class", "method", "exemplar"])}
    if sides["annotated"].empty:
        raise OnemaskError("renders table: no exemplar was scored on both kinds of test images; run both rules again")
    tables = []
    for side, rows in sides.items():
        summed = summarise(image_scores(rows)).set_index(["study", "class", "method"])
        values = pd.DataFrame({f"{side}_{what}": summed[f"{METRIC}_{what}"] * 100 for what in ("mean", "std")})
        values[f"{side}_rank"] = values.groupby("class")[f"{side}_mean"].rank(ascending=False, method="min")
        tables.append(values.join(summed[["exemplars", "images"]]) if side == "renders" else values)
    table = tables[0].join(tables[1], how="inner").reset_index()
    table = in_order(table, **{"class": renders["class"].unique(), "method": methods})
    table["agreement"] = table["class"].map({name: _agreement(group) for name, group in table.groupby("class")})
    return table


def _agreement(group: pd.DataFrame) -> float:
    return group["renders_mean"].corr(group["annotated_mean"], method="spearman")


def draw(table: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], study: str) -> Table:
    """A line per method; per class its score on renders and on annotated images, the best of each in bold."""
    classes = list(table["class"].unique())
    groups = [(escape(name), ["renders", "annotated"]) for name in classes]
    rows = [_line(methods[name]["title"], group, classes) for name, group in table.groupby("method", sort=False)]
    agreement = table.groupby("class", sort=False)["agreement"].first()
    ranks = ", ".join(f"{escape(name)} {value:.2f}" for name, value in agreement.items())
    caption = (
        f"Exact masks against the annotator's, study {study}: {WIOU_FG} in percent on {ranged(table['images'])} renders"
        f" inverted into W+ (exact masks) and on the annotated test images; the same {ranged(table['exemplars'])}"
        f" exemplars, mean and standard deviation over them. Spearman's correlation of the two rankings: {ranks}."
    )
    return Table(caption, "tab:renders", [Tabular("Method", groups, [rows])])


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
