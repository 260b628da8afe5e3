"""Verdicts on the paper's claims (onemask.evaluation.claims) as claims.csv and a LaTeX table. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.evaluation.claims import ALL, NOT_TESTED, ONE_SEED, judge, read_claims, read_sources
from onemask.files import atomic, write_text
from onemask.paper.style import ABSENT, escape, latex_row, latex_table, latex_tabular

LINES_PER_TABLE = 44  # of about 60 characters a line, so that a table fits a page
SOURCES = ("one_shot", "rare", "speed", "experiments", "sdanet")
COLUMNS = r"p{5.6cm}p{2.4cm}p{3.2cm}rl"
HEADER = ["Claim", "Paper", r"Difference [95\,\%]", "$p$", "Verdict"]


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `claims` and csv files `one_shot`, `rare`, `speed`, `experiments`, `sdanet`; outputs: csv, tex.

    options: study, seed, resamples; `clustered`, the methods that have a clustering; `rare_replicates`, the clustering
    seed's number of each of `rare`; `runs`, whether replicates are whole runs. A source that the study has no files of
    leaves its claims not tested.
    """
    files = {name: list(inputs.get(name, [])) for name in SOURCES}
    files["rare"] = list(zip(files["rare"], options.get("rare_replicates", []), strict=True))
    sources = read_sources(**files)
    clustered = options.get("clustered", [])
    table = judge(read_claims(inputs["claims"]), sources, options["resamples"], options["seed"], clustered)
    with atomic(outputs["csv"]) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    label = Path(outputs["tex"]).stem.removeprefix("table_")
    write_text(outputs["tex"], latex(table, options["study"], options["resamples"], label, options.get("runs", False)))


def latex(table: pd.DataFrame, study: str, resamples: int, label: str = "claims", runs: bool = False) -> str:
    """Tables of a page each: a block per claim, its classes or labels in one line below it."""
    blocks = [_block(rows) for _, rows in table.groupby("id", sort=False)]
    pages: list[list[list[str]]] = [[]]
    used = 0
    for block, height in blocks:
        if pages[-1] and used + height > LINES_PER_TABLE:
            pages.append([])
            used = 0
        pages[-1].append(block)
        used += height
    caption = _caption(table, study, resamples, runs)
    captions = [caption, *["Claims of the paper, continued."] * (len(pages) - 1)]
    labels = [f"tab:{label}{f'-{page}' if page else ''}" for page in range(len(pages))]
    return "\n".join(
        latex_table(text, name, [latex_tabular(COLUMNS, [latex_row(HEADER)], page)])
        for text, name, page in zip(captions, labels, pages, strict=True)
    )


def _block(rows: pd.DataFrame) -> tuple[list[str], int]:
    """Lines of a claim, and how high they are."""
    row, *parts = rows.to_dict("records")
    reason = f" ({escape(row['note'])})" if row["verdict"] == NOT_TESTED else ""
    cells = [escape(row["claim"]) + reason, escape(row["paper"]), _difference(row), _p(row), _verdict(row)]
    lines = [latex_row(cells)]
    height = -(-len(row["claim"] + reason) // 42)
    if parts:
        text = "; ".join(f"{escape(part['scope'])} {_signed(part)} {part['verdict']}" for part in parts)
        lines.append(latex_row([rf"\multicolumn{{5}}{{p{{15.5cm}}}}{{\scriptsize\quad {text}}}"]))
        height += -(-len(text) // 110)
    return lines, height


def _difference(row: Mapping[str, Any]) -> str:
    if pd.isna(row["difference"]):
        return ABSENT
    if row["unit"] == "ratio":
        return rf"$\times$ {row['difference']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{_signed(row)} [${row['low']:+.2f}$, ${row['high']:+.2f}$]"


def _signed(row: Mapping[str, Any]) -> str:
    return ABSENT if pd.isna(row["difference"]) else f"${row['difference']:+.2f}$"


def _p(row: Mapping[str, Any]) -> str:
    if pd.isna(row["p_holm"]):
        return ABSENT
    return r"$<$.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}".removeprefix("0")


def _verdict(row: Mapping[str, Any]) -> str:
    if row["verdict"] == NOT_TESTED:
        return rf"\textit{{{NOT_TESTED}}}"
    return rf"\textbf{{{row['verdict']}}}" + (r"$^\dagger$" if ONE_SEED in str(row["note"]) else "")


def _caption(table: pd.DataFrame, study: str, resamples: int, runs: bool) -> str:
    tested = table[table["p"].notna()]
    whole = int((tested["scope"] == ALL).sum())
    replicates, images = _counts(tested["replicates"]), _counts(tested["images"])
    drawn = f"clustering seeds ({replicates}), exemplars ({_counts(tested['exemplars'])})"
    daggers = r" $\dagger$: one clustering seed, which decides nothing: another may say otherwise."
    if runs:
        daggers = ""
        drawn = f"runs ({replicates}), each with its own exemplar, clustering seed, samples and initialisation,"
    sentences = [
        rf"The paper's claims, study \texttt{{{escape(study)}}}: differences in points of percent with intervals of"
        r" 95\,\% (of frames per second: ratios of medians, bounded by the images' quartiles, not tested).",
        f"Paired bootstrap of {resamples} resamples over {drawn} and test images ({images}); two-sided $p$ from its"
        f" standard error and Student's $t$, corrected by Holm's method over the {whole} claims,"
        f" and over the {len(tested) - whole} classes and labels below them.",
        r"A claim is decided where $p < .05$. Claims of equality hold where the difference is within the margin they"
        rf" name.{daggers}",
    ]
    return " ".join(sentences)


def _counts(values: Sequence[str]) -> str:
    """Least and largest of numbers or "a to b"."""
    numbers = [int(part) for value in values for part in str(value).split(" to ")]
    if not numbers:
        return ABSENT
    return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"
