"""A csv as a readable HTML table, for Snakemake's report. Knows no torch."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pandas as pd

from onemask.files import write_text

STYLE = """
body { font: 14px sans-serif; margin: 1.5em; }
table { border-collapse: collapse; }
th { position: sticky; top: 0; background: #fff; border-bottom: 2px solid #444; text-align: left; }
th, td { padding: .25em .7em; white-space: nowrap; }
td { border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
td.long { white-space: normal; min-width: 22em; }
"""
LONG = 40  # characters, from which on a text may take several lines


def write_page(path: str | Path, csv: str | Path, title: str, note: str) -> None:
    """Write the table below `note`: four digits, empty cells for nothing, the header in sight while scrolling."""
    table = pd.read_csv(csv)
    head = "".join(f"<th>{escape(str(name)).replace('_', ' ')}</th>" for name in table.columns)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.itertuples(index=False))
    write_text(
        path,
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n<p>{escape(note)}</p>\n<table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></body></html>\n",
    )


def _cell(value: object) -> str:
    if pd.isna(value):
        return "<td></td>"
    text = (f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}") if isinstance(value, float) else str(value)
    kind = ' class="long"' if len(text) > LONG else ""
    return f"<td{kind}>{escape(text)}</td>"
