"""Experiments: one-shot runs under changed settings, and their scores in one table (Section 9).

A run is a method on a class with dotted changes of the configuration, e.g. {"swav.epsilon": 0.1}, a number of shots
and a replicate (the clustering's seed). `plan` lists an experiment's runs, `gather` joins their rows. Knows no torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from onemask.evaluation.metrics import KEYS, METRICS, image_scores


@dataclass(frozen=True)
class Run:
    """One run; `changes` are the experiment's `base` and a point of its grid, `point` the latter alone."""

    cls: str
    method: str
    shots: int
    replicate: int
    changes: Mapping[str, Any]
    point: Mapping[str, Any]


def plan(classes: Iterable[str], experiment: Mapping[str, Any]) -> list[Run]:
    """All runs of an experiment (onemask.sections.ExperimentSettings as plain values), in a fixed order."""
    grid = experiment["grid"]
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    axes = (classes, experiment["methods"], experiment["shots"], experiment["replicates"], points)
    return [
        Run(cls, method, shots, replicate, experiment["base"] | point, point)
        for cls, method, shots, replicate, point in itertools.product(*axes)
    ]


def gather(runs: Sequence[Mapping[str, Any]], tables: Sequence[pd.DataFrame], exemplars: int) -> pd.DataFrame:
    """Scores of all runs, a row per exemplar and test image, for the first `exemplars` fits of each.

    `runs` give shots, replicate and point, `tables` the rows of each run as in evaluation.metrics. Columns: study,
    class, method, shots, replicate, the keys of the grid, exemplar, image, and METRICS in shares of one.
    """
    scores = [image_scores(rows[rows["exemplar"] < exemplars]) for rows in tables]
    return _with_settings(runs, scores, ["exemplar", "image", *METRICS])


def gather_failures(
    runs: Sequence[Mapping[str, Any]], tables: Sequence[pd.DataFrame], exemplars: int
) -> pd.DataFrame:
    """The same of runs' failures: instead of image and scores the `reason` why an exemplar has none."""
    return _with_settings(runs, [rows[rows["exemplar"] < exemplars] for rows in tables], ["exemplar", "reason"])


def _with_settings(
    runs: Sequence[Mapping[str, Any]], tables: Sequence[pd.DataFrame], columns: Sequence[str]
) -> pd.DataFrame:
    """All rows in one table: KEYS, the run's settings, then these columns."""
    parts = []
    for run, rows in zip(runs, tables, strict=True):
        settings = {"shots": run["shots"], "replicate": run["replicate"], **run["point"]}
        parts.append(rows.assign(**settings)[[*KEYS, *settings, *columns]])
    return pd.concat(parts, ignore_index=True)
