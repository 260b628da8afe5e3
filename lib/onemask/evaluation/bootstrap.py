"""Paired bootstrap over clustering seeds (replicates), exemplars and test images, all resampled independently.

Both sides of a comparison see the same resample, so that what exemplars, images and seeds have in common cancels.
A score is a ratio of sums: a mean is sum of scores / count, a precision TP / (TP + FP).

Intervals and p-values take the bootstrap's standard error and Student's t with Satterthwaite's degrees of freedom.
Percentiles would not do: of five exemplars and three seeds they are too narrow, and a p-value of 2000 resamples
cannot be small enough to outlast Holm's correction of a hundred claims.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t as student_t

from onemask.seeds import derive_seed

FACTORS = ("replicates", "exemplars", "images")
UNDEFINED_SHARE = 0.05  # of resamples without a score (no prediction at all, say), beyond which there is no estimate


@dataclass(frozen=True)
class Setting:
    """A method under one setting: `part` and `whole`, each [replicates, exemplars, images]; its score is their ratio.

    An axis of length one does not vary, e.g. the seed of a method without a clustering: it fits any length.
    """

    part: np.ndarray
    whole: np.ndarray


@dataclass(frozen=True)
class Side:
    """Settings of one side of a comparison: their mean score, or the best one's, chosen anew in every resample."""

    settings: Sequence[Setting]
    take: Literal["mean", "best"] = "mean"


@dataclass(frozen=True)
class Unit:
    """What is resampled together: a class, or a rare label. `pairs` (more, less) are averaged."""

    name: str
    pairs: Sequence[tuple[Side, Side]]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of replicates, exemplars and images."""
        shapes = [setting.part.shape for pair in self.pairs for side in pair for setting in side.settings]
        return dict(zip(FACTORS, np.max(shapes, axis=0).tolist(), strict=True))


@dataclass(frozen=True)
class Comparison:
    """Scores of both sides, their difference, its standard error and degrees of freedom."""

    more: float
    less: float
    error: float
    freedom: float

    @property
    def difference(self) -> float:
        return self.more - self.less

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Of the difference."""
        half = self.error * float(student_t.ppf((1 + confidence) / 2, self.freedom)) if self.error else 0.0
        return self.difference - half, self.difference + half

    def p_value(self, effect: float) -> float:
        """Two-sided p of `effect`, the difference or the difference moved by a constant, being zero."""
        if not self.error:
            return float(effect == 0)
        return float(2 * student_t.sf(abs(effect) / self.error, self.freedom))


def compare(units: Sequence[Unit], resamples: int, seed: int) -> Comparison:
    """Mean over units, each pair of a unit weighing the same. Units are resampled independently of each other.

    ValueError where a side has no score, or none in more than a twentieth of the resamples, or nothing varies.
    """
    shares = np.array([len(unit.pairs) for unit in units]) / sum(len(unit.pairs) for unit in units)
    sides = [_score(unit, {}) for unit in units]
    variances, parts, freedoms = [], [], []
    for unit in units:
        draws = _draws(unit, resamples, seed)
        variances.append(_variance(unit, draws))
        parts.append([_variance(unit, {factor: draws[factor]}) for factor in draws])
        freedoms.append([unit.sizes[factor] - 1 for factor in draws])
    more, less = (float(np.dot(shares, [side[i].item() for side in sides])) for i in (0, 1))
    pooled = np.concatenate([share**2 * np.array(part) for share, part in zip(shares, parts, strict=True)])
    if not pooled.size or math.isnan(more - less):
        raise ValueError("a side has no score" if pooled.size else "one exemplar and one image alone")
    error = math.sqrt(np.dot(shares**2, variances))
    return Comparison(more, less, error, _satterthwaite(pooled, np.concatenate(freedoms)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: the chance of any false rejection among all of them stays below the level."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def resample_weights(rng: np.random.Generator, n: int, resamples: int) -> np.ndarray:
    """Weights [resamples, n]: n - 1 draws out of n, scaled by n / (n - 1) (Rao & Wu 1988).

    n draws out of n would make the variance of a mean too small by (n - 1) / n, a third for three seeds.
    """
    return rng.multinomial(n - 1, np.full(n, 1 / n), resamples) * (n / (n - 1))


def _draws(unit: Unit, resamples: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(derive_seed(seed, "bootstrap", unit.name))
    return {factor: resample_weights(rng, n, resamples) for factor, n in unit.sizes.items() if n > 1}


def _variance(unit: Unit, draws: dict[str, np.ndarray]) -> float:
    more, less = _score(unit, draws)
    differences = more - less
    defined = np.isfinite(differences)
    if defined.mean() < 1 - UNDEFINED_SHARE:
        raise ValueError(f"{unit.name}: a side has no score in {1 - defined.mean():.0%} of the resamples")
    return float(differences[defined].var(ddof=1))


def _score(unit: Unit, draws: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Both sides' scores [resamples], averaged over the unit's pairs; without draws [1], the scores as measured."""
    more, less = zip(*((_side(a, draws), _side(b, draws)) for a, b in unit.pairs), strict=True)
    return np.mean(more, axis=0), np.mean(less, axis=0)


def _side(side: Side, draws: dict[str, np.ndarray]) -> np.ndarray:
    scores = np.stack([_ratio(setting, draws) for setting in side.settings])
    # A setting without a score (no prediction at all) is never the best; of a mean it leaves nothing.
    return np.fmax.reduce(scores, axis=0) if side.take == "best" else scores.mean(axis=0)


def _ratio(setting: Setting, draws: dict[str, np.ndarray]) -> np.ndarray:
    part, whole = (_weighted_sum(values, draws) for values in (setting.part, setting.whole))
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _weighted_sum(values: np.ndarray, draws: dict[str, np.ndarray]) -> np.ndarray:
    """Sum over all axes of values [R, E, I] times the weights of each, one per resample."""
    one = np.ones((1, 1))
    seeds, exemplars, images = (
        draws[factor] if factor in draws and size > 1 else one.repeat(size, axis=1)
        for factor, size in zip(FACTORS, values.shape, strict=True)
    )
    per_fit = images @ values.reshape(-1, values.shape[2]).T  # [resamples, R E]
    weights = seeds[:, :, None] * exemplars[:, None, :]
    sums = (per_fit * weights.reshape(len(weights), -1)).sum(axis=1)
    return np.broadcast_to(sums, max([len(sums), *map(len, draws.values())])).copy()


def _satterthwaite(variances: np.ndarray, freedoms: np.ndarray) -> float:
    """Degrees of freedom of a sum of independent variances."""
    total = variances.sum()
    return float(total**2 / (variances**2 / freedoms).sum()) if total else math.inf
