"""Sinkhorn-Knopp against a float64 log-domain iteration written apart from it, and against its marginals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import logsumexp

from onemask.kernels import sinkhorn as module
from onemask.kernels.sinkhorn import sinkhorn

from .fresh import fresh


def reference(scores, epsilon, iterations, r=None, c=None) -> torch.Tensor:
    exponent = scores.numpy().astype(np.float64) / epsilon
    count, prototypes = exponent.shape
    with np.errstate(divide="ignore"):
        log_r = np.log(np.full(count, 1 / count) if r is None else r.numpy() / r.numpy().sum())
        log_c = np.log(np.full(prototypes, 1 / prototypes) if c is None else c.numpy() / c.numpy().sum())
    f = np.zeros(count)
    for _ in range(iterations):
        g = log_c - logsumexp(exponent + f[:, None], axis=0)
        f = log_r - logsumexp(exponent + g, axis=1)
    plan = exponent + g
    return torch.from_numpy(np.exp(plan - logsumexp(plan, axis=1, keepdims=True)))


def cosines(kind: str, count: int, prototypes: int, dim: int = 32) -> torch.Tensor:
    rng = fresh(count + prototypes)
    c = F.normalize(torch.randn(prototypes, dim, generator=rng), dim=1)
    noise = torch.randn(count, dim, generator=rng)
    if kind == "spread":
        z = noise
    elif kind == "crowded":  # every pixel sits on one prototype: all others are far from everybody
        z = c[:1] + 0.01 * noise
    elif kind == "opposed":  # a few pixels on a prototype, the rest opposite to it
        z = torch.where(torch.arange(count)[:, None] < 3, c[:1], -c[:1]) + 0.001 * noise
    else:
        return torch.rand(count, prototypes, generator=rng) * 1.99 - 0.995
    return (F.normalize(z, dim=1) @ c.T).clamp(-0.995, 0.995)


@pytest.mark.parametrize("kind", ["spread", "crowded", "opposed", "uniform"])
@pytest.mark.parametrize(("count", "prototypes"), [(2000, 512), (300, 512), (2000, 3), (1, 7), (9, 1)])
@pytest.mark.parametrize("epsilon", [0.003, 0.05])
def test_codes_are_within_1e_5_of_the_float64_log_domain(kind, count, prototypes, epsilon):
    scores = cosines(kind, count, prototypes)
    codes = sinkhorn(scores, epsilon, 10)
    assert codes.dtype == torch.float32
    assert torch.isfinite(codes).all()
    torch.testing.assert_close(codes.double(), reference(scores, epsilon, 10), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("low", "epsilon"), [(100.0, 0.01), (100.0, 0.1), (-101.0, 0.01), (0.9, 0.0003)])
@pytest.mark.parametrize("iterations", [1, 10])
def test_scores_far_from_zero_are_as_exact(low, epsilon, iterations):
    scores = low + torch.rand(300, 64, generator=fresh(5)) * min(1.0, abs(low) / 9)
    codes = sinkhorn(scores, epsilon, iterations).double()
    torch.testing.assert_close(codes, reference(scores, epsilon, iterations), atol=1e-5, rtol=0)


@pytest.mark.parametrize("epsilon", [0.003, 0.05])
@pytest.mark.parametrize("iterations", [1, 3])
def test_arbitrary_marginals_follow_the_reference(epsilon, iterations):
    rng = fresh(1)
    scores = cosines("spread", 400, 50)
    r, c = torch.rand(400, generator=rng) + 1e-3, torch.rand(50, generator=rng) + 1e-3
    codes = sinkhorn(scores, epsilon, iterations, r, c)
    torch.testing.assert_close(codes.double(), reference(scores, epsilon, iterations, r, c), atol=1e-5, rtol=0)


def test_rows_sum_to_one_and_columns_reach_their_marginal():
    rng = fresh(2)
    scores, r, c = cosines("spread", 200, 20), torch.rand(200, generator=rng), torch.rand(20, generator=rng)
    codes = sinkhorn(scores, 0.1, 200, r, c)
    torch.testing.assert_close(codes.sum(1), torch.ones(200))
    torch.testing.assert_close((codes * (r / r.sum())[:, None]).sum(0), c / c.sum(), atol=1e-6, rtol=1e-4)


def test_equal_scores_give_uniform_codes_and_a_diagonal_gives_a_permutation():
    torch.testing.assert_close(sinkhorn(torch.full((6, 4), 0.9), 0.003, 10), torch.full((6, 4), 0.25))
    torch.testing.assert_close(sinkhorn(torch.eye(5), 0.01, 10), torch.eye(5))


def test_a_score_added_to_a_row_or_a_column_changes_nothing():
    rng = fresh(3)
    scores = cosines("spread", 50, 8).double()
    shifted = scores + torch.rand(50, 1, generator=rng, dtype=torch.float64)
    shifted = shifted + torch.rand(8, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(shifted, 0.1, 500), sinkhorn(scores, 0.1, 500))


def test_what_the_scaling_form_would_lose_is_computed_in_the_log_domain():
    # Prototype 0 is reached only by a pixel of no mass; for all others it is 10^5 epsilons away.
    scores = torch.tensor([[1.0, 0.0], [0.0, 0.9], [0.0, 0.8], [0.0, 0.85]], dtype=torch.float64)
    r, c = torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)
    assert module._scaling(scores, 1e-5, 10, r / 3, c, 0.0, 1.0, False) is None
    codes = sinkhorn(scores, 1e-5, 10, r, c)
    torch.testing.assert_close(codes, reference(scores, 1e-5, 10, r, c), atol=1e-9, rtol=0)


def test_a_prototype_of_no_mass_stays_empty():
    codes = sinkhorn(cosines("spread", 30, 4), 0.05, 10, prototype_marginal=torch.tensor([0.0, 1.0, 1.0, 1.0]))
    assert torch.isfinite(codes).all()
    assert float(codes[:, 0].max()) == 0


def test_codes_carry_no_gradient():
    assert not sinkhorn(torch.rand(4, 3, requires_grad=True), 0.05, 3).requires_grad


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scores", {"scores": torch.zeros(0, 3)}),
        ("scores", {"scores": torch.zeros(3)}),
        ("scores", {"scores": torch.tensor([[math.nan, 0.0]])}),
        ("scores", {"scores": torch.tensor([[math.inf, math.inf]])}),
        ("scores", {"scores": torch.zeros(2, 2, dtype=torch.long)}),
        ("epsilon", {"epsilon": 0.0}),
        ("epsilon", {"epsilon": math.inf}),
        ("iterations", {"iterations": 0}),
        ("pixel_marginal", {"pixel_marginal": torch.ones(4)}),
        ("pixel_marginal", {"pixel_marginal": torch.tensor([1.0, -1.0, 1.0])}),
        ("prototype_marginal", {"prototype_marginal": torch.tensor([1.0, math.inf])}),
        ("prototype_marginal", {"prototype_marginal": torch.zeros(2)}),
    ],
)
def test_bad_arguments_are_named(name, change):
    arguments = {"scores": torch.zeros(3, 2), "epsilon": 0.05, "iterations": 3, **change}
    with pytest.raises(ValueError, match=name):
        sinkhorn(**arguments)
