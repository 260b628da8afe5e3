"""LARS against its equations worked by hand."""

from __future__ import annotations

import pytest
import torch

from onemask.clustering.lars import LARS


def test_two_steps_by_hand():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    optimiser = LARS([weight], lr=0.5, momentum=0.9, trust=0.1, weight_decay=0.2)
    weight.grad = torch.tensor([0.0, 1.0])
    optimiser.step()
    # |w| = 5, |g| = 1: lambda = 0.1 * 5 / (1 + 0.2 * 5) = 0.25; g + wd w = [0.6, 1.8]; v = 0.5 * 0.25 * that
    torch.testing.assert_close(weight.detach(), torch.tensor([3.0 - 0.075, 4.0 - 0.225]))
    weight.grad = torch.tensor([2.0, 0.0])
    norm = float(weight.detach().norm())
    rate = 0.5 * 0.1 * norm / (2 + 0.2 * norm)
    velocity = [0.9 * 0.075 + rate * (2 + 0.2 * 2.925), 0.9 * 0.225 + rate * 0.2 * 3.775]
    optimiser.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([2.925 - velocity[0], 3.775 - velocity[1]]))


def test_the_first_step_is_blind_to_the_gradients_length():
    moved = []
    for scale in (1.0, 1000.0):
        weight = torch.tensor([1.0, 2.0, 2.0], requires_grad=True)
        weight.grad = torch.tensor([1.0, -1.0, 0.5]) * scale
        LARS([weight], lr=1.0, trust=0.01).step()
        moved.append(weight.detach())
    torch.testing.assert_close(moved[0], moved[1])
    assert float((moved[0] - torch.tensor([1.0, 2.0, 2.0])).norm()) == pytest.approx(0.03)


def test_a_zero_weight_takes_the_plain_rate_and_one_without_gradient_stays():
    zero, idle = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    zero.grad = torch.tensor([1.0, -2.0])
    LARS([zero, idle], lr=0.1).step()
    torch.testing.assert_close(zero.detach(), torch.tensor([-0.1, 0.2]))
    assert torch.equal(idle.detach(), torch.ones(2))
