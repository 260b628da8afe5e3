"""Adaptive augmentation: each transform is of its own kind, acts with probability p, and p follows the overfitting."""

import math

import pytest
import torch

from onemask.training.augment import (
    COLOUR,
    GEOMETRIC,
    TRANSFORMS,
    adapt,
    augment,
    colour_matrices,
    geometric_matrices,
)

DRAWS = 4000
EYE, GREY = torch.eye(3), torch.full((3, 3), 1 / 3)


def test_p_zero_is_the_identity():
    x = torch.randn(2, 3, 8, 8)
    assert augment(x, 0.0) is x
    torch.testing.assert_close(geometric_matrices(4, 0.0, TRANSFORMS), EYE.expand(4, 3, 3))
    linear, offset = colours(4, 0.0, TRANSFORMS)
    torch.testing.assert_close(linear, EYE.expand(4, 3, 3), atol=1e-6, rtol=0)
    assert not offset.any()


def colours(n, p, names):
    return colour_matrices(n, p, names).split([3, 1], dim=2)


def warps(names, n=DRAWS):
    """Linear parts [n, 2, 2] and shifts [n, 2] at p = 1."""
    torch.manual_seed(5)
    matrices = geometric_matrices(n, 1.0, names)
    return matrices[:, :2, :2], matrices[:, :2, 2]


def spread(values):
    """Mean and standard deviation of the base-2 logarithm."""
    return values.log2().mean().item(), values.log2().std().item()


def test_flips_are_of_the_horizontal_axis_in_half_of_the_draws():
    linear, shift = warps(["flip"])
    assert not shift.any() and not linear[:, [0, 1], [1, 0]].any() and (linear[:, 1, 1] == 1).all()
    assert linear[:, 0, 0].mean().abs() < 0.05 and set(linear[:, 0, 0].tolist()) == {-1.0, 1.0}


def test_translations_reach_an_eighth_of_the_image():
    linear, shift = warps(["translate"])  # the image's side is 2
    assert (linear == torch.eye(2)).all()
    assert 0.24 < shift.abs().amax() <= 0.25 and (shift.abs().mean(dim=0) - 0.125).abs().max() < 0.01


@pytest.mark.parametrize("name", ["scale", "stretch"])
def test_scalings_are_log_normal(name):
    linear, shift = warps([name])
    assert not shift.any() and not linear[:, [0, 1], [1, 0]].any()
    x, y = linear[:, 0, 0], linear[:, 1, 1]
    torch.testing.assert_close(y, x if name == "scale" else 1 / x)
    assert spread(x) == pytest.approx((0, 0.2), abs=0.02)


@pytest.mark.parametrize(("name", "turns"), [("rotate90", 4), ("rotate", None)])
def test_rotations_reach_all_angles(name, turns):
    linear, shift = warps([name])
    assert not shift.any()
    torch.testing.assert_close(linear @ linear.mT, torch.eye(2).expand(DRAWS, 2, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(linear), torch.ones(DRAWS), atol=1e-5, rtol=0)
    angles = torch.atan2(linear[:, 1, 0], linear[:, 0, 0]) / (2 * math.pi) % 1
    bins = (angles * (turns or 8) + (0.5 if turns else 0)).long() % (turns or 8)
    shares = torch.bincount(bins) / DRAWS
    assert len(shares) == (turns or 8) and (shares - 1 / len(shares)).abs().max() < 0.03


def test_brightness_moves_all_channels_alike_and_contrast_scales_them():
    torch.manual_seed(5)
    linear, offset = colours(DRAWS, 1.0, ["brightness"])
    torch.testing.assert_close(linear, EYE.expand_as(linear), atol=1e-6, rtol=0)
    assert (offset == offset[:, :1]).all() and offset.std().item() == pytest.approx(0.2, abs=0.02)
    linear, offset = colours(DRAWS, 1.0, ["contrast"])
    assert not offset.any() and spread(linear[:, 0, 0]) == pytest.approx((0, 0.5), abs=0.03)
    torch.testing.assert_close(linear, linear[:, :1, :1] * EYE, atol=1e-5, rtol=0)


def test_saturation_scales_what_is_not_grey():
    torch.manual_seed(5)
    linear, _ = colours(DRAWS, 1.0, ["saturation"])
    factor = (linear[:, 0, 0] - 1 / 3) * 3 / 2
    assert spread(factor) == pytest.approx((0, 1), abs=0.05)
    torch.testing.assert_close(linear, GREY + factor[:, None, None] * (EYE - GREY), atol=1e-4, rtol=1e-4)


def test_luma_flips_half_of_the_draws_about_the_plane_of_no_grey():
    torch.manual_seed(5)
    linear, _ = colours(DRAWS, 1.0, ["luma"])
    flipped = linear[:, 0, 0] < 0.9
    assert abs(flipped.float().mean() - 0.5) < 0.03
    torch.testing.assert_close(linear, EYE - 2 * GREY * flipped[:, None, None], atol=1e-5, rtol=0)


def test_hue_turns_colours_about_the_grey_axis():
    torch.manual_seed(5)
    linear, _ = colours(DRAWS, 1.0, ["hue"])
    torch.testing.assert_close(linear @ torch.ones(3), torch.ones(DRAWS, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(linear @ linear.mT, EYE.expand_as(linear), atol=1e-5, rtol=0)
    cosines = (linear.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2
    assert torch.linalg.det(linear).min() > 0 and cosines.mean().abs() < 0.05 and cosines.min() < -0.99


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_acts_with_probability_p_and_alone(name):
    torch.manual_seed(6)
    geometric, (linear, offset) = geometric_matrices(DRAWS, 0.3, [name]), colours(DRAWS, 0.3, [name])
    moved = (geometric - EYE).abs().amax(dim=(1, 2)) > 1e-4
    coloured = torch.cat([linear - EYE, offset], dim=2).abs().amax(dim=(1, 2)) > 1e-4
    acting, idle = (moved, coloured) if name in GEOMETRIC else (coloured, moved)
    assert (name in COLOUR) != (name in GEOMETRIC) and not idle.any()
    visible = {"flip": 1 / 2, "luma": 1 / 2, "rotate90": 3 / 4}.get(name, 1)  # the rest draws the identity
    assert acting.float().mean().item() == pytest.approx(0.3 * visible, abs=0.03)


def test_quarter_turns_move_pixels_without_loss():
    torch.manual_seed(2)
    x = torch.randn(16, 3, 8, 8)
    y = augment(x, 1.0, ["rotate90"])
    turns = [
        [k for k in range(4) if torch.allclose(torch.rot90(before, k, (1, 2)), after, atol=1e-4)]
        for before, after in zip(x, y, strict=True)
    ]
    assert {k for (k,) in turns} == {0, 1, 2, 3}


def test_augmentation_is_differentiable():
    torch.manual_seed(3)
    x = torch.randn(4, 3, 8, 8, requires_grad=True)
    augment(x, 0.8).square().sum().backward()
    assert (x.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_p_follows_the_sign_of_the_overfitting():
    assert adapt(0.2, 0.9, 0.6, 100, 1000) == pytest.approx(0.3)
    assert adapt(0.05, 0.1, 0.6, 100, 1000) == 0.0
    assert adapt(0.95, 0.9, 0.6, 100, 1000) == 1.0
