"""Experiments' csv files read for tables and figures: checked, in percent, and summed up over fits. Knows no torch."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import KEYS, METRICS

FIT = ["replicate", "exemplar"]
COLUMN_CHARACTERS = 58  # that a heading has room for above a figure of one column
REMEDY = "run the rule gather_experiment again"


def read_experiment(path: str | Path, grid: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of results/<study>/experiments/<name>.csv with METRICS in percent.

    Columns of `grid` are text as written there ("all", "0", "True"). OnemaskError names a file that is no such csv,
    lacks one of the columns, or has no row.
    """
    try:
        rows = pd.read_csv(path, dtype={name: str for name in [*KEYS, *grid]})
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{path}: not a readable csv ({error}); {REMEDY}") from None
    if missing := [name for name in [*KEYS, "shots", *grid, *FIT, "image", *METRICS] if name not in rows]:
        raise OnemaskError(f"{path}: has no column {missing[0]!r}; {REMEDY}")
    if rows.empty:
        raise OnemaskError(f"{path}: has no rows; {REMEDY}")
    rows[METRICS] *= 100
    return rows


def per_fit(rows: pd.DataFrame, by: Sequence[str], metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Means over test images, a row per fit: indexed by `by`, replicate and exemplar."""
    return rows.groupby([*by, *FIT], sort=False)[list(metrics)].mean()


def spread(rows: pd.DataFrame, by: Sequence[str], metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """One row per `by`: exemplars, replicates, images, and <metric>_mean and <metric>_std over fits.

    A fit is an exemplar under a replicate. The deviation is the sample's, NaN where there is one fit alone.
    """
    by = list(by)
    counts = rows.groupby(by, sort=False).agg(
        exemplars=("exemplar", "nunique"), replicates=("replicate", "nunique"), images=("image", "nunique")
    )
    return counts.join(over_fits(per_fit(rows, by, metrics), by)).reset_index()


def over_fits(fits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """<column>_mean and <column>_std of values per fit (indexed by `by`, replicate and exemplar)."""
    table = fits.groupby(list(by), sort=False).agg(["mean", "std"])
    table.columns = [f"{column}_{statistic}" for column, statistic in table.columns]
    return table


def setting_lines(inputs: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    """Lines for a sweep's heading: what is `swept`, what it changes beside its grid (`base`), and another head's wIoU.

    The last only where there is an input `reference`, an experiment of one point, whose title is the option so named.
    """
    values = ", ".join(f"{key.split('.')[-1]} {value}" for key, value in options.get("base", {}).items())
    lines = [f"{options['swept']}, ± one standard deviation over fits"] if "swept" in options else []
    lines += textwrap.wrap(values.replace("_", " "), COLUMN_CHARACTERS)
    if path := inputs.get("reference"):
        table = spread(read_experiment(path), ["class"], ["wiou"])
        scores = ", ".join(
            f"{row['wiou_mean']:.1f} ± {row['wiou_std']:.1f} ({row['class']})" for row in table.to_dict("records")
        )
        lines.append(f"{options['reference']} at the default point: {scores}")
    return lines
