"""Table 7: the perturbed block and how it is perturbed, beside the paper's layers, from an experiment's csv alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onemask.paper.experiments import FIT, over_fits, per_fit, read_experiment, spread
from onemask.paper.published import ABLATED, read_table7
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
    heading,
    in_order,
    is_best,
    of_study,
    over_runs,
    published,
    write_table,
)

METHOD, BLOCK = GRID = "swav.perturbation.method", "swav.perturbation.block"
NAMES = {METHOD: "perturbation", BLOCK: "block"}
KEYS = ["study", "class", "method", "perturbation", "block"]
FIGURES = ("perturbation", "block", "published_wiou", "published_ratio")
KINDS = ("interpolation", "noise")
FIRST_SIZE = 4  # pixels of block 0
REFERENCE = "all"  # IoU_r


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` and `failures` (experiments/table7) and `published`.

    options: methods, {name: {"title": text, ...}}; base, dotted settings that the experiment changes beside its grid.
    """
    rows = read_experiment(inputs["rows"], GRID).rename(columns=NAMES)
    check_methods(rows, options["methods"], inputs["rows"])
    table = summary(rows, read_table7(inputs["published"]))
    failed = failed_fits(inputs["failures"], options["methods"])
    write_table(outputs, draw(table, options, failed, of_study(rows, inputs["rows"])), table)


def summary(rows: pd.DataFrame, theirs: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """KEYS, resolution (px), spread of wiou and wiou_fg in percent, ratio_mean, ratio_std, published_wiou and _ratio.

    The ratio is IoU / IoU_r of one fit, IoU_r that of the block `all` with the same exemplar, seed and perturbation.
    Layers of the paper that our generator lacks are rows without values of ours.
    """
    table = spread(rows, KEYS, ["wiou", "wiou_fg"])
    table = table.merge(over_fits(_ratios(rows), KEYS).reset_index(), on=KEYS, how="left")
    published_for = table.loc[table["class"] == ABLATED, KEYS[:3]].drop_duplicates()
    figures = pd.DataFrame(
        dict(zip(FIGURES, (kind, block, printed[kind], printed[f"{kind}_ratio"]), strict=True))
        for block, printed in theirs.items()
        for kind in KINDS
    )
    runs = {name: rows[name].unique() for name in KEYS[:3]}
    table = table.merge(published_for.merge(figures, how="cross"), on=KEYS, how="outer")
    blocks = [*sorted({*table["block"]} - {REFERENCE}, key=int), REFERENCE]
    table = in_order(table, **runs, perturbation=KINDS, block=blocks)
    sizes = [None if block == REFERENCE else FIRST_SIZE * 2 ** int(block) for block in table["block"]]
    table.insert(len(KEYS), "resolution", pd.array(sizes, dtype="Int64"))
    return table


def _ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """IoU / IoU_r per fit, NaN where the block `all` was not run."""
    fits = per_fit(rows, KEYS, ["wiou"]).reset_index()
    same = [name for name in [*KEYS, *FIT] if name != "block"]
    fits["reference"] = fits["wiou"].where(fits["block"] == REFERENCE)
    fits["ratio"] = fits["wiou"] / fits.groupby(same, sort=False)["reference"].transform("first")
    return fits.set_index([*KEYS, *FIT])[["ratio"]]


def draw(table: pd.DataFrame, options: Mapping[str, Any], failed: Sequence[str], study: str) -> Table:
    """A block of lines per class and method, a line per generator block, `all` at the end."""
    table = table.assign(best=is_best(table, "wiou", ["class", "method", "perturbation"]))
    names = ["IoU", PUBLISHED, r"IoU/IoU$_r$", PUBLISHED]
    tabular = Tabular(
        "Block", [(f"{kind}-based", names) for kind in KINDS], _sections(table, options["methods"], 2 * len(names))
    )
    ran = table.dropna(subset="exemplars")
    sentences = [
        f"Perturbing one generator block alone, or any at random (all), study {study}: wIoU, and its ratio to that of"
        " the row `all' with the same exemplar.",
        over_runs(ran),
        changed(options["base"]),
        "Bold: best of a column.",
        beside("7"),
    ]
    return Table(" ".join(filter(None, sentences)), "tab:perturbed-block", [tabular], failed)


def _sections(table: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], width: int) -> list[list[Row]]:
    return [
        [
            heading(escape(f"{cls}, {methods[method]['title']}"), width),
            *(_line(block, lines.set_index("perturbation")) for block, lines in group.groupby("block", sort=False)),
        ]
        for (cls, method), group in table.groupby(["class", "method"], sort=False)
    ]


def _line(block: str, kinds: pd.DataFrame) -> Row:
    """A generator block under both kinds of perturbation (the index of `kinds`)."""
    title = "all (IoU$_r$)" if block == REFERENCE else f"{block} ({kinds['resolution'].iloc[0]} px)"
    return [title, *(cell for kind in KINDS for cell in _cells(kinds.loc[kind] if kind in kinds.index else None))]


def _cells(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return [ABSENT] * 4
    return [
        latex_score(row["wiou_mean"], row["wiou_std"], bold=row["best"]),
        published(row["published_wiou"]),
        latex_score(row["ratio_mean"], row["ratio_std"], 3),
        published(row["published_ratio"], 3),
    ]
