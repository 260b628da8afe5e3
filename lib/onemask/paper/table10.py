"""Table 10: one, five and ten shots beside the supervised segmenter, from csv files alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import image_scores, read_rows, summarise
from onemask.paper.experiments import read_experiment, spread
from onemask.paper.published import ABLATED, read_table10
from onemask.paper.style import ABSENT, escape, latex_score
from onemask.paper.tables import (
    PUBLISHED,
    Row,
    Table,
    Tabular,
    beside,
    changed,
    check_methods,
    failed_fits,
    figures_of,
    heading,
    in_order,
    is_best,
    of_study,
    over_runs,
    published,
    write_table,
)

KEYS = ["study", "class", "method", "shots"]
METRICS = ["wiou", "wiou_fg", "fg_iou"]
Supervised = Mapping[str, Any]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` (experiments/table10), `supervised` (metrics csv files) and `published`.

    options: methods and base, as for Table 7.
    """
    if not inputs["supervised"]:
        raise OnemaskError("Table 10: no method with `fit_split: supervised` to compare with; configure one")
    rows, supervised = read_experiment(inputs["rows"]), read_rows(inputs["supervised"])
    for table in (rows, supervised):
        check_methods(table, options["methods"], "metrics csv")
    study = of_study(pd.concat([rows, supervised]), "Table 10")
    table = summary(rows, supervised, options["methods"], *read_table10(inputs["published"]))
    failed = failed_fits(inputs["failures"], options["methods"])
    write_table(outputs, draw(table, options, failed, study), table)


def summary(
    rows: pd.DataFrame,
    supervised: pd.DataFrame,
    methods: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Mapping[int, float]],
    theirs_supervised: float,
) -> pd.DataFrame:
    """A row per class, method and number of shots (none: supervised): `spread` in percent, and published_wiou."""
    table = spread(rows, KEYS, METRICS)
    table["published_wiou"] = figures_of(table, "shots", methods, theirs)
    reference = summarise(image_scores(supervised))
    scores = [f"{metric}_{statistic}" for metric in METRICS for statistic in ("mean", "std")]
    reference[scores] *= 100
    reference["published_wiou"], reference["replicates"] = theirs_supervised, 1
    reference["shots"] = pd.NA
    both = pd.concat([table, reference.reindex(columns=table.columns)], ignore_index=True)
    both.loc[both["class"] != ABLATED, "published_wiou"] = math.nan
    both["shots"] = both["shots"].astype("Int64")
    return in_order(both, **{"class": rows["class"].unique(), "method": list(methods)})


def draw(table: pd.DataFrame, options: Mapping[str, Any], failed: Sequence[str], study: str) -> Table:
    """A block of lines per class, a line per method; the supervised segmenter stands below."""
    few = table.dropna(subset="shots")
    few = few.assign(best=is_best(few, "wiou", ["class", "shots"]))
    shots = sorted(few["shots"].unique())
    blocks = []
    for name, group in few.groupby("class", sort=False):
        lines = [_line(method, options["methods"], part, shots) for method, part in group.groupby("method", sort=False)]
        blocks.append([heading(escape(name), 2 * len(shots)), *lines])
        reference = table[table["shots"].isna() & (table["class"] == name)]
        blocks.append([_supervised(row, options["methods"], 2 * len(shots)) for row in reference.to_dict("records")])
    sentences = [
        f"wIoU after 1 and more annotated images (shots), study {study}.",
        over_runs(few),
        "A run of $n$ shots is fitted on $n$ exemplars, so that runs share exemplars, and their spread is smaller than"
        " that of independent runs. Heads take as many steps as for one shot; DatasetGAN runs its epochs over all"
        " pixels, and k-means counts them. The supervised segmenter is fitted on annotated generated samples"
        " (published: on real images).",
        changed(options["base"]),
        "Bold: best of a column.",
        beside("10"),
    ]
    groups = [(f"{number}-shot", ["ours", PUBLISHED]) for number in shots]
    return Table(" ".join(filter(None, sentences)), "tab:few-shot", [Tabular("Method", groups, blocks)], failed)


def _line(method: str, methods: Mapping[str, Mapping[str, Any]], part: pd.DataFrame, shots: list[int]) -> Row:
    cells = [escape(methods[method]["title"])]
    by_shots = {row["shots"]: row for row in part.to_dict("records")}
    for number in shots:
        row = by_shots.get(number)
        cells.append(latex_score(row["wiou_mean"], row["wiou_std"], bold=row["best"]) if row else ABSENT)
        cells.append(published(row["published_wiou"] if row else None))
    return cells


def _supervised(row: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]], width: int) -> Row:
    score = f"ours {latex_score(row['wiou_mean'], row['wiou_std'])}, {PUBLISHED} {published(row['published_wiou'])}"
    return [escape(methods[row["method"]]["title"]), rf"\multicolumn{{{width}}}{{c}}{{{score}}}"]
