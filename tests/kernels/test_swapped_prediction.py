"""Eq. 2 and 3 at points where their value is known, and their gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from onemask.kernels import backend
from onemask.kernels.swapped_prediction import cross_entropy_and_gradient, swapped_prediction_loss

from .fresh import fresh


def random_views(count: int = 7, prototypes: int = 5) -> list[torch.Tensor]:
    rng = fresh(0)
    scores = [torch.rand(count, prototypes, generator=rng, dtype=torch.float64) * 2 - 1 for _ in range(2)]
    codes = [torch.softmax(torch.randn(count, prototypes, generator=rng, dtype=torch.float64), 1) for _ in range(2)]
    return [*scores, *codes]


def test_agreeing_one_hot_codes_at_a_tiny_temperature_cost_nothing():
    scores = torch.eye(4)[torch.tensor([0, 2, 1, 3, 3])] * 0.9
    codes = F.one_hot(scores.argmax(1), 4).float()
    assert float(swapped_prediction_loss(scores, scores, codes, codes, 0.003)) < 1e-6


def test_uniform_predictions_cost_log_k_per_view():
    _, _, codes_s, codes_t = random_views()
    scores = torch.full((7, 5), 0.3, dtype=torch.float64)
    loss = swapped_prediction_loss(scores, scores, codes_s, codes_t, 0.1)
    assert float(loss) == pytest.approx(2 * math.log(5))


def test_it_is_the_printed_double_sum():
    scores_s, scores_t, codes_s, codes_t = random_views()
    probability_s = (scores_s / 0.1).exp() / (scores_s / 0.1).exp().sum(1, keepdim=True)
    probability_t = (scores_t / 0.1).exp() / (scores_t / 0.1).exp().sum(1, keepdim=True)
    expected = -(codes_t * probability_s.log() + codes_s * probability_t.log()).sum() / 7
    torch.testing.assert_close(swapped_prediction_loss(scores_s, scores_t, codes_s, codes_t, 0.1), expected)


def test_the_views_are_swapped():
    scores = torch.eye(3) * 0.9
    codes = torch.eye(3)
    apart = torch.roll(codes, 1, dims=1)
    alike = swapped_prediction_loss(scores, torch.roll(scores, 1, dims=1), apart, codes, 0.01)
    own = swapped_prediction_loss(scores, torch.roll(scores, 1, dims=1), codes, apart, 0.01)
    assert float(alike) < 1e-6 < 100 < float(own)


def test_the_gradient_is_probability_minus_code_and_codes_get_none():
    scores_s, scores_t, codes_s, codes_t = (tensor.requires_grad_() for tensor in random_views())
    swapped_prediction_loss(scores_s, scores_t, codes_s, codes_t, 0.2).backward()
    expected = (torch.softmax(scores_s.detach() / 0.2, 1) - codes_t.detach()) / (0.2 * 7)
    torch.testing.assert_close(scores_s.grad, expected)
    assert codes_s.grad is None and codes_t.grad is None
    fixed = (codes_s.detach(), codes_t.detach(), 0.2)
    assert torch.autograd.gradcheck(lambda s, t: swapped_prediction_loss(s, t, *fixed), (scores_s, scores_t))


def test_large_scores_stay_finite():
    scores = torch.tensor([[1000.0, -1000.0]])
    assert torch.isfinite(swapped_prediction_loss(scores, scores, scores * 0 + 0.5, scores * 0 + 0.5, 0.01))


@pytest.mark.parametrize("middle", [0.0, 60.0, 85.0, 500.0, -60.0, -85.0, -500.0])
def test_the_gradient_and_the_loss_do_not_depend_on_where_scores_lie(middle):
    scores_s, scores_t, codes_s, codes_t = (tensor.float() for tensor in random_views())
    moved = scores_s.clone()
    moved[3] += middle
    expected, found = (
        (values.requires_grad_(), swapped_prediction_loss(values, scores_t, codes_s, codes_t, 1.0))
        for values in (scores_s, moved)
    )
    torch.testing.assert_close(found[1], expected[1], atol=1e-4, rtol=0)
    gradients = [torch.autograd.grad(loss, values)[0] for values, loss in (expected, found)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("middle", [0.0, 95.0])
def test_several_blocks_of_rows_are_one_matrix(monkeypatch, dtype, middle):
    views = [tensor.float() for tensor in random_views(50, 8)]
    views[0][-1] += middle  # the last block needs maxima, when the others are done
    views = [tensor.to(dtype) for tensor in views]
    whole = cross_entropy_and_gradient(views[0], views[3], 1.0)
    monkeypatch.setitem(backend.BLOCKS, "cpu", 24)
    torch.testing.assert_close(cross_entropy_and_gradient(views[0], views[3], 1.0), whole)
    exact = views[0].float().requires_grad_()
    loss = -(views[3].float() * F.log_softmax(exact, dim=1)).sum(1).mean()
    torch.testing.assert_close(whole[1].float(), torch.autograd.grad(loss, exact)[0], atol=1e-4, rtol=2e-2)


def test_bad_arguments_are_named():
    scores_s, scores_t, codes_s, codes_t = random_views()
    with pytest.raises(ValueError, match="codes_t"):
        swapped_prediction_loss(scores_s, scores_t, codes_s, codes_t[:3], 0.1)
    with pytest.raises(ValueError, match="temperature"):
        swapped_prediction_loss(scores_s, scores_t, codes_s, codes_t, 0.0)
