"""NT-Xent at points where its value is known, against the printed double loop, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from onemask.kernels.nt_xent import nt_xent

from .fresh import fresh


def random_views(count: int = 6, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    rng = fresh(0)
    z_a, z_b = (F.normalize(torch.randn(count, dim, generator=rng, dtype=torch.float64), dim=1) for _ in range(2))
    return z_a, z_b


def printed(z_a: torch.Tensor, z_b: torch.Tensor, temperature: float) -> torch.Tensor:
    """Eq. 1 of Chen et al. (2020), anchor by anchor."""
    z, count = [*z_a, *z_b], len(z_a)
    losses = []
    for i, anchor in enumerate(z):
        others = torch.stack([(anchor @ z[k] / temperature).exp() for k in range(2 * count) if k != i])
        positive = (anchor @ z[(i + count) % (2 * count)] / temperature).exp()
        losses.append(-(positive / others.sum()).log())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("count", [2, 7])
def test_identical_views_of_orthonormal_pixels_have_a_closed_form(count, temperature):
    z = torch.eye(8, dtype=torch.float64)[:count]
    share = math.exp(1 / temperature) / (math.exp(1 / temperature) + 2 * count - 2)
    assert float(nt_xent(z, z, temperature)) == pytest.approx(-math.log(share), abs=1e-12)


def test_vectors_that_are_all_equal_leave_a_guess_among_the_others():
    z = torch.eye(3)[[0, 0, 0, 0, 0]]
    assert float(nt_xent(z, z, 0.3)) == pytest.approx(math.log(2 * 5 - 1))


def test_a_single_pixel_has_no_negatives_and_costs_nothing():
    z_a, z_b = random_views(1)
    assert float(nt_xent(z_a, z_b, 0.1)) == pytest.approx(0, abs=1e-12)


def test_it_is_the_printed_loop_and_so_is_its_gradient():
    z_a, z_b = (z.requires_grad_() for z in random_views())
    loss, expected = nt_xent(z_a, z_b, 0.2), printed(z_a, z_b, 0.2)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, [z_a, z_b]), torch.autograd.grad(expected, [z_a, z_b])
    torch.testing.assert_close(*gradients)
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.2), (z_a, z_b))


def test_the_order_of_pixels_and_of_views_does_not_matter():
    z_a, z_b = random_views()
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    torch.testing.assert_close(nt_xent(z_a[order], z_b[order], 0.2), nt_xent(z_a, z_b, 0.2))
    torch.testing.assert_close(nt_xent(z_b, z_a, 0.2), nt_xent(z_a, z_b, 0.2))


def test_pixels_that_do_not_correspond_cost_more():
    z, rotated = torch.eye(5), torch.roll(torch.eye(5), 1, dims=0)
    assert float(nt_xent(z, rotated, 0.1)) == pytest.approx(float(nt_xent(z, z, 0.1)) + 10, rel=1e-4)


def test_a_small_temperature_stays_finite():
    z_a, z_b = (z.float().requires_grad_() for z in random_views())
    loss = nt_xent(z_a, z_b, 1e-3)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z_a.grad).all() and torch.isfinite(z_b.grad).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_positive_is_named(temperature):
    with pytest.raises(ValueError, match="temperature"):
        nt_xent(*random_views(), temperature)


def test_bad_shapes_are_named():
    z_a, z_b = random_views()
    with pytest.raises(ValueError, match="z_b"):
        nt_xent(z_a, z_b[:3], 0.1)
    with pytest.raises(ValueError, match="z_a"):
        nt_xent(z_a[0], z_b[0], 0.1)
    with pytest.raises(ValueError, match="z_a"):
        nt_xent(z_a[:0], z_b[:0], 0.1)
