"""How numbers look, in LaTeX (booktabs) and in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: "\\" + character for character in "&%$#_{}"},
}
ABSENT = "--"


def escape(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(SPECIAL.get(character, character) for character in text)


def number(value: float, decimals: int = 1) -> str:
    """A fixed number of decimals, `--` for NaN."""
    return ABSENT if math.isnan(value) else f"{value:.{decimals}f}"


def latex_score(mean: float, spread: float, decimals: int = 1, bold: bool = False) -> str:
    """Mean with a small +- spread; no spread for NaN."""
    text = number(mean, decimals)
    text = rf"\textbf{{{text}}}" if bold else text
    return text if math.isnan(spread) else rf"{text}{{\tiny$\pm${number(spread, decimals)}}}"


def plain_score(mean: float, spread: float, decimals: int = 1, bold: bool = False) -> str:
    """The same in plain text; a star marks what LaTeX sets in bold."""
    text = number(mean, decimals) if math.isnan(spread) else f"{number(mean, decimals)} ± {number(spread, decimals)}"
    return text + ("*" if bold else " ")


def latex_row(cells: Iterable[str]) -> str:
    """Cells as one line of a tabular."""
    return " & ".join(cells) + r" \\"


def latex_table(caption: str, label: str, tabulars: Sequence[str]) -> str:
    """A floating table of tabulars, one below the other."""
    body = "\n\n\\medskip\n".join(tabulars)
    head = "\\begin{table}[t]\n\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}"
    return f"{head}\n\\caption{{{caption}}}\n\\label{{{label}}}\n{body}\n\\end{{table}}\n"


def latex_tabular(columns: str, header: Sequence[str], blocks: Sequence[Sequence[str]]) -> str:
    """A booktabs tabular; a rule stands between blocks of lines."""
    body = ["\\midrule\n" + "\n".join(lines) for lines in blocks if lines]
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *header, *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a plain-text table: the first column left, the others right aligned."""
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join(
            [row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))]
        ).rstrip()
        for row in rows
    ]
