"""What the paper's tables share: a table as a value, cells and captions, and writing it as LaTeX and csv. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import KEYS
from onemask.files import atomic, write_text
from onemask.paper.published import counterpart
from onemask.paper.style import ABSENT, escape, latex_row, latex_table, latex_tabular, number

Row = Sequence[str]
PUBLISHED = r"\textit{published}"
WIOU_FG = r"wIoU$_\mathrm{fg}$"
USUAL = {"shots": "1", "replicate": "0"}  # of a run: named where they differ


@dataclass(frozen=True)
class Tabular:
    """Cells are LaTeX. `first` heads the rows' titles; `groups` are (title, names of columns), a title may be empty.

    A row is (title, *cells), or one cell that spans all columns (`heading`). A rule stands between blocks; `align` is
    LaTeX's letter for columns of cells.
    """

    first: str
    groups: Sequence[tuple[str, Sequence[str]]]
    blocks: Sequence[Sequence[Row]]
    align: str = "r"

    @property
    def names(self) -> list[str]:
        return [name for _, names in self.groups for name in names]

    def tex(self) -> str:
        """A booktabs tabular; its header has a line of group titles where there is any."""
        titles = self._titles() if any(title for title, _ in self.groups) else []
        header = [*titles, latex_row([self.first, *self.names])]
        blocks = [[latex_row(row) for row in block] for block in self.blocks]
        return latex_tabular("l" + self.align * len(self.names), header, blocks)

    def _titles(self) -> list[str]:
        cells, rules, start = [""], [], 2
        for title, names in self.groups:
            cells.append(rf"\multicolumn{{{len(names)}}}{{c}}{{{title}}}")
            if title:
                rules.append(rf"\cmidrule(lr){{{start}-{start + len(names) - 1}}}")
            start += len(names)
        return [latex_row(cells), " ".join(rules)]


@dataclass(frozen=True)
class Table:
    """A floating table: caption and footnotes are LaTeX, tabulars stand one below the other."""

    caption: str
    label: str
    tabulars: Sequence[Tabular]
    footnotes: Sequence[str] = ()

    def tex(self) -> str:
        """The whole table environment."""
        notes = r" \\ ".join(self.footnotes)
        below = [rf"\parbox{{0.95\linewidth}}{{\centering\scriptsize {notes}}}"] if notes else []
        return latex_table(self.caption, self.label, [*(tabular.tex() for tabular in self.tabulars), *below])


def write_table(outputs: Mapping[str, str], table: Table, values: pd.DataFrame, *more: Table) -> None:
    """Write outputs["tex"] and outputs["csv"], atomically; floats of the csv have six significant digits.

    `more` are tables that follow in the same tex: one alone would not fit a page.
    """
    write_text(outputs["tex"], "\n".join(each.tex() for each in (table, *more)))
    with atomic(outputs["csv"]) as temporary:
        values.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def heading(title: str, width: int) -> Row:
    """A row of one cell over `width` columns of cells and the column of titles."""
    return [rf"\multicolumn{{{width + 1}}}{{l}}{{\textit{{{title}}}}}"]


def published(value: float | None, decimals: int = 2) -> str:
    """A published figure: in italics, ABSENT where there is none."""
    return ABSENT if value is None or math.isnan(value) else rf"\textit{{{number(value, decimals)}}}"


def plain_value(value: Any) -> str:
    """A setting as LaTeX: yes or no, numbers as they are configured, `--` for nothing."""
    if value is None or value is pd.NA:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return ABSENT if math.isnan(value) else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def of_study(rows: pd.DataFrame, what: str | Path) -> str:
    """The one study of all rows, as LaTeX; OnemaskError when there are several."""
    if len(studies := rows["study"].unique()) != 1:
        raise OnemaskError(f"{what}: rows of studies {', '.join(studies)} in one table; give those of one study")
    return rf"\texttt{{{escape(studies[0])}}}"


def ranged(values: Iterable[float]) -> str:
    """A count, or the smallest and the largest of several."""
    low, high = min(values := list(values)), max(values)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def over_runs(table: pd.DataFrame) -> str:
    """What mean and spread are over: a sentence from the columns exemplars, replicates and images of `spread`."""
    seeds = ranged(table["replicates"])
    times = f"{seeds} clustering seed{'' if seeds == '1' else 's'}"
    return (
        f"In percent: mean and sample standard deviation over {ranged(table['exemplars'])} exemplars and {times}, each"
        f" averaged over the same {ranged(table['images'])} test images."
    )


def beside(number_of_table: str) -> str:
    """Where the figures in italics come from."""
    return f"Italics: the paper's Table {number_of_table}, measured on other generators and other images."


def changed(base: Mapping[str, Any]) -> str:
    """A sentence on settings that an experiment changes beside its grid; empty for none."""
    values = ", ".join(rf"\texttt{{{escape(key)}}} {plain_value(value)}" for key, value in base.items())
    return f"All runs with {values}." if values else ""


def failed_fits(files: str | Sequence[str], methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A footnote for each fit of experiments (<name>.failures.csv) that came to nothing: which one, and why."""
    notes = []
    for path in [files] if isinstance(files, str) else files:
        table = pd.read_csv(path, dtype=str)
        varied = [name for name in table if name not in (*KEYS, *USUAL, "exemplar", "reason")]
        for row in table.to_dict("records"):
            settings = [f"{name} {row[name]}" for name in varied]
            settings += [f"{name} {row[name]}" for name, usual in USUAL.items() if row[name] != usual]
            where = ", ".join([methods[row["method"]]["title"], row["class"], *settings, f"exemplar {row['exemplar']}"])
            notes.append(f"Left out: {escape(where)}: {escape(row['reason'])}.")
    return notes


def check_methods(rows: pd.DataFrame, methods: Mapping[str, Any], what: str | Path) -> None:
    """OnemaskError for a method that the study does not configure."""
    if unknown := sorted(set(rows["method"]) - set(methods)):
        raise OnemaskError(f"{what}: method {unknown[0]!r} is not configured; there are {', '.join(methods)}")


def figures_of(
    table: pd.DataFrame,
    column: str,
    methods: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Mapping[Any, float]],
) -> list[float]:
    """The published figure of each row, by its method and by its value of `column`; NaN where there is none."""
    rivals = (counterpart(methods[name].get("published"), theirs) for name in table["method"])
    return [
        theirs[rival].get(value, math.nan) if rival else math.nan
        for rival, value in zip(rivals, table[column], strict=True)
    ]


def in_order(table: pd.DataFrame, **orders: Iterable[Any]) -> pd.DataFrame:
    """Rows sorted by columns, each in the order of its given values."""
    ranks = {name: {value: i for i, value in enumerate(values)} for name, values in orders.items()}
    return table.sort_values(list(orders), key=lambda c: c.map(ranks[c.name]), kind="stable", ignore_index=True)


def is_best(table: pd.DataFrame, metric: str, of: Sequence[str]) -> pd.Series:
    """Whether a row's mean is the largest of its group of `of` columns."""
    column = f"{metric}_mean"
    return table[column] == table.groupby(list(of), sort=False)[column].transform("max")
