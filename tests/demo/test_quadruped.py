"""Limbs, curves and shading of the four-legged worlds, held against plain geometry."""

from __future__ import annotations

import pytest
import torch

from onemask.demo.canvas import Canvas, Light, circle
from onemask.demo.quadruped import Joint, blend, blended, curve, inflated, leg, limb, ramp, segment

FRAME = Canvas(torch.tensor([0]), 128, ("background",)).frame
X, Y = FRAME.x.expand(1, 128, 128), FRAME.y.expand(1, 128, 128)


def test_curve_is_the_quadratic_bezier() -> None:
    joints = curve(Joint(0.0, 0.0, 0.1), (1.0, 0.0), Joint(1.0, 2.0, 0.3), 4)
    assert [(joint.x, joint.y) for joint in (joints[0], joints[2], joints[-1])] == [(0, 0), (0.75, 0.5), (1, 2)]
    assert [joint.radius for joint in joints] == pytest.approx([0.1, 0.15, 0.2, 0.25, 0.3])


def test_limb_of_one_radius_is_the_distance_to_its_path() -> None:
    shape = limb(FRAME, [Joint(-0.5, 0.0, 0.1), Joint(0.0, 0.0, 0.1), Joint(0.0, 0.5, 0.1)])
    path = torch.cat([torch.stack([torch.linspace(-0.5, 0, 200), torch.zeros(200)], 1),
                      torch.stack([torch.zeros(200), torch.linspace(0, 0.5, 200)], 1)])
    points = torch.stack([X, Y], -1).reshape(-1, 2)
    nearest = torch.cdist(points, path).amin(1).reshape(shape.shape)
    assert torch.allclose(shape, nearest - 0.1, atol=2e-3)


def test_leg_passes_through_its_knee_and_reaches_the_toe() -> None:
    shape = leg(FRAME, Joint(0.0, -0.5, 0.05), 0.2, Joint(0.0, 0.5, 0.05), -0.3, 0.05)

    def at(x: float, y: float) -> float:
        return shape[0, round((y + 1) * 64), round((x + 1) * 64)].item()

    assert at(0.2, 0.0) < 0 and at(-0.28, 0.5) < 0
    assert at(0.0, 0.0) > 0 and at(0.2, 0.5) > 0


def test_blend_fills_the_joint_only() -> None:
    left, right = segment(FRAME, Joint(-0.5, 0.0, 0.2), Joint(0.0, 0.0, 0.2)), circle(FRAME.at(0.1, 0.3), 0.2)
    plain = torch.minimum(left, right)
    joined = blend(left, right, 0.15, FRAME)
    apart = (left - right).abs() > 0.15
    assert torch.equal(joined[apart], plain[apart])
    assert (joined <= plain).all() and (plain - joined).max().item() == pytest.approx(0.15 / 4, abs=1e-3)


def test_blend_radius_scales_with_the_frame() -> None:
    doubled = FRAME.at(0.0, 0.0, scale=2.0)
    left, right = circle(doubled.at(-0.1, 0.0), 0.1), circle(doubled.at(0.1, 0.0), 0.1)
    assert torch.allclose(blend(left, right, 0.1, doubled), blend(left, right, 0.2, FRAME))


def test_inflated_disc_is_lit_like_a_cushion() -> None:
    light = Light(torch.tensor([0.0]), torch.tensor([-0.6]), torch.tensor([0.8]))
    brightness = inflated(circle(FRAME, 0.6), 0.3, light, ambient=0.5, gain=0.5)[0]
    assert brightness[64, 64].item() == pytest.approx(0.5 + 0.5 * 0.8, abs=1e-3)
    assert brightness[30, 64] > brightness[64, 64] > brightness[98, 64]
    assert torch.allclose(brightness, brightness.flip(1), atol=1e-4)


def test_inflated_normal_is_the_analytic_one() -> None:
    """On the disc's border fading by half (distance -width / 2) the normal tilts by half the outward direction."""
    light = Light(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([0.0]))
    brightness = inflated(circle(FRAME, 0.6), 0.4, light, ambient=0.0, gain=1.0)[0]
    column = 64 + round(0.4 * 64)
    distance = FRAME.x[0, 0, column].item() - 0.6
    assert brightness[64, column].item() == pytest.approx(1 + distance / 0.4, abs=0.01)


def test_ramp_runs_both_ways() -> None:
    values = torch.tensor([[[-1.0, 0.0, 0.25, 1.0, 2.0]]])
    assert ramp(values, 0.0, 1.0).flatten().tolist() == [0, 0, 0.25, 1, 1]
    assert ramp(values, 1.0, 0.0).flatten().tolist() == [1, 1, 0.75, 0, 0]


def test_blended_runs_from_base_to_accent() -> None:
    base, accent = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    colours = blended(base, accent, torch.tensor([[[0.0, 0.5, 1.0]]]))
    assert colours[0, :, 0].T.tolist() == [[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]]
