"""Tuning on the tuning split: as many trials for every method, drawn from the method's own grid of values.

A trial is a mapping of dotted keys of the configuration to values, e.g. {"swav.temperature": 0.2, "heads.hidden": 64}.
Trial 0 is empty: the study as it stands. Test images play no part.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onemask.errors import OnemaskError

Trial = dict[str, Any]


def draw_trials(space: Mapping[str, Sequence[Any]], count: int, seed: int, where: str = "tuning.space") -> list[Trial]:
    """The empty trial and count - 1 different points of the grid; OnemaskError when the grid has fewer.

    An empty `space` means that there is nothing to tune: the empty trial alone.
    """
    if not space:
        return [{}]
    points = math.prod(map(len, space.values()))
    if points < count - 1:
        raise OnemaskError(f"{where}: {points} points for {count} trials; add values: every method gets as many")
    grid = list(itertools.product(*space.values()))
    chosen = np.random.default_rng(seed).choice(points, count - 1, replace=False)
    return [{}, *(dict(zip(space, grid[index], strict=True)) for index in chosen)]


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


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}
