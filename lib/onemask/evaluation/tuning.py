"""Tuning on the tuning split: as many trials for every method, drawn from the method's own grid of values.

A trial is a mapping of dotted keys of the configuration to values, e.g. {"swav.temperature": 0.2, "heads.hidden": 64}.
Trial 0 is empty: the study as it stands. Classes have the same trials, and so have methods of the same grid: a setting
is chosen by its mean over classes (`ranking`). Test images play no part.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onemask.errors import OnemaskError

if TYPE_CHECKING:
    import pandas as pd

Trial = dict[str, Any]


def draw_trials(
    space: Mapping[str, Sequence[Any]],
    count: int,
    seed: int,
    where: str = "tuning.space",
    sections: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Trial]:
    """The empty trial and count - 1 different points of the grid; OnemaskError when the grid has fewer.

    The point that changes nothing in `sections`, the study's own, would be the empty trial again and is left out. An
    empty `space` means that there is nothing to tune: the empty trial alone.
    """
    if not space:
        return [{}]
    grid = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    if sections is not None:
        grid = [trial for trial in grid if with_trial(sections, trial) != sections]
    if len(grid) < count - 1:
        raise OnemaskError(f"{where}: {len(grid)} points for {count} trials; add values: every method gets as many")
    chosen = np.random.default_rng(seed).choice(len(grid), count - 1, replace=False)
    return [{}, *(grid[index] for index in chosen)]


def with_trial(sections: Mapping[str, Mapping[str, Any]], trial: Trial) -> dict[str, dict[str, Any]]:
    """A copy of the sections with the trial's values; OnemaskError for a key that a section does not have."""
    changed = {name: _copy(values) for name, values in sections.items()}
    for key, value in trial.items():
        *path, last = key.split(".")
        target: Any = changed
        for part in path:
            target = target.get(part) if isinstance(target, dict) else None
        if not path or not isinstance(target, dict) or last not in target:
            raise OnemaskError(f"tuning.space: unknown key {key!r}; name a key of {', '.join(sections)}")
        target[last] = value
    return changed


def ranking(trials: pd.DataFrame, by: str) -> pd.DataFrame:
    """Trials of each method, the best mean over classes of the metric `by` first.

    `trials` has a row per class, method and trial (columns class, method, trial, settings and metrics); the result a
    row per method and trial, with the number of `classes` that it was run on. OnemaskError where a trial number has
    other settings in another class.
    """
    keys = ["method", "trial"]
    if (trials.groupby(keys)["settings"].nunique() > 1).any():
        raise OnemaskError("tuning: a trial has different settings in different classes; tune all classes again")
    metrics = [name for name in trials if name not in ("class", *keys, "settings")]
    groups = trials.groupby([*keys, "settings"], sort=False)
    means = groups[metrics].mean().assign(classes=groups.size()).reset_index()
    order = {method: i for i, method in enumerate(trials["method"].unique())}
    rank = means.assign(order=means["method"].map(order)).sort_values(["order", by], ascending=[True, False])
    return rank.drop(columns="order").reset_index(drop=True)[[*keys, "settings", "classes", *metrics]]


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}
