"""The painter against geometry worked out by hand, and its random parameters against their distributions."""

from __future__ import annotations

import colorsys
from math import pi, sqrt

import pytest
import torch
from torch import Tensor

from onemask.demo import canvas
from onemask.demo.canvas import Canvas, Draws, Frame

SEEDS = torch.arange(4)
RED = (1.0, 0.0, 0.0)


def probe(*points: tuple[float, float]) -> Frame:
    """A frame whose pixels [1, 1, P] are these points."""
    x, y = torch.tensor(points).T
    return Frame(x[None, None], y[None, None])


def painted_area(distance: Tensor, size: int = 128) -> Tensor:
    """Area in canvas units, from the coverage painted on black."""
    board = Canvas(SEEDS, size, ("background",))
    board.paint(distance, RED)
    return board.image[:, 0].sum((1, 2)) * board.pixel**2


def board_frame(size: int = 128) -> Frame:
    return Canvas(SEEDS, size, ("background",)).frame


@pytest.mark.parametrize(("shape", "area"), [
    (lambda f: canvas.circle(f, 0.5), pi * 0.25),
    (lambda f: canvas.ellipse(f, 0.6, 0.3), pi * 0.18),
    (lambda f: canvas.box(f, 0.5, 0.25), 0.5),
    (lambda f: canvas.box(f, 0.5, 0.25, 0.2), 0.5 - (4 - pi) * 0.04),
    (lambda f: canvas.capsule(f, -0.4, 0.0, 0.4, 0.0, 0.1), 0.16 + pi * 0.01),
    (lambda f: canvas.convex(f, [(0.0, -0.5), (0.5, 0.5), (-0.5, 0.5)]), 0.5),
    (lambda f: canvas.polygon(f, [(0.0, -0.5), (0.5, 0.5), (0.0, 0.0), (-0.5, 0.5)]), 0.25),
    (lambda f: canvas.ring(canvas.circle(f, 0.5), 0.1), pi * (0.36 - 0.16)),
    (lambda f: canvas.arc(f, 0.5, pi / 4, 0.05), pi / 2 * 0.5 * 0.1 + pi * 0.0025),
    (lambda f: canvas.subtract(canvas.circle(f, 0.5), canvas.circle(f, 0.3)), pi * 0.16),
    (lambda f: canvas.intersect(canvas.box(f, 0.5, 0.5), canvas.half_plane(f, 1.0, 0.0)), 0.5),
])
def test_areas(shape, area: float) -> None:
    assert painted_area(shape(board_frame()))[0].item() == pytest.approx(area, rel=0.01)


def test_area_follows_the_frames_scale_and_not_its_place() -> None:
    scale = torch.tensor([0.3, 0.5, 0.7, 0.9])
    frame = board_frame().at(torch.tensor([0.0, 0.1, -0.1, 0.05]), 0.02, scale, scale)
    assert torch.allclose(painted_area(canvas.box(frame, 0.5, 0.3)), 0.6 * scale**2, rtol=0.01)


def test_distances() -> None:
    frame = probe((3.0, 4.0), (0.0, 0.0))
    assert canvas.circle(frame, 1.0).flatten().tolist() == pytest.approx([4.0, -1.0])
    assert canvas.box(frame, 1.0, 1.0).flatten().tolist() == pytest.approx([sqrt(4 + 9), -1.0])
    assert canvas.capsule(frame, 0.0, 0.0, 3.0, 0.0, 1.0, 2.0).flatten().tolist() == pytest.approx([2.0, -1.0])
    turned = frame.at(0.0, 0.0, pi / 2)  # clockwise on screen: the frame's x axis points down
    assert torch.stack([turned.x, turned.y]).flatten().tolist() == pytest.approx([4.0, 0.0, -3.0, 0.0], abs=1e-6)


def test_convex_and_polygon_agree_on_a_convex_shape() -> None:
    frame, corners = board_frame(64), [(0.0, -0.5), (0.6, 0.1), (0.2, 0.5), (-0.5, 0.3)]
    first, second = canvas.convex(frame, corners), canvas.polygon(frame, corners)
    assert torch.equal(first < 0, second < 0)
    assert torch.allclose(first[first < 0], second[first < 0], atol=1e-5)


def test_smooth_union_contains_the_union_and_equals_it_far_away() -> None:
    frame = board_frame(64)
    first, second = canvas.circle(frame.at(-0.3, 0.0), 0.3), canvas.circle(frame.at(0.3, 0.0), 0.3)
    plain, smooth = canvas.union(first, second), canvas.smooth_union(first, second, 0.2)
    assert (smooth <= plain).all()
    assert (smooth < plain - 0.04).any()
    assert torch.equal(smooth[(first - second).abs() > 0.2], plain[(first - second).abs() > 0.2])


def test_labels_rare_masks_and_presence() -> None:
    board = Canvas(SEEDS, 32, ("background", "part"), ("rare",))
    present = torch.tensor([True, False, True, True])
    board.paint(canvas.box(board.frame, 0.5, 0.5).expand(4, -1, -1), RED, "part", "rare", present)
    board.paint(canvas.box(board.frame, 0.25, 0.25).expand(4, -1, -1), RED, "background")
    rendered = board.finish()
    assert rendered.label_maps.flatten(1).sum(1).tolist() == [192, 0, 192, 192]  # 16 x 16 less the 8 x 8 hidden again
    assert rendered.rare["rare"].flatten(1).sum(1).tolist() == [192, 0, 192, 192]
    assert rendered.images[1, 0].max() == 255  # the second box, on black
    assert rendered.images[0, :, 16, 6].tolist() == [0, 0, 0]


def test_hsv_is_colorsys() -> None:
    hue, saturation, value = (Draws(SEEDS).uniform(name) for name in "hsv")
    expected = [colorsys.hsv_to_rgb(*row) for row in torch.stack([hue, saturation, value], 1).tolist()]
    assert torch.allclose(canvas.hsv(hue, saturation, value), torch.tensor(expected), atol=1e-5)
    assert torch.allclose(canvas.hsv(hue + 1, saturation, value), torch.tensor(expected), atol=1e-5)


def test_draws_have_their_distributions_and_are_independent() -> None:
    """20,000 seeds: the standard errors are below 0.008."""
    draws = Draws(torch.arange(20_000))
    first, second = draws.uniform("first", -1, 1), draws.uniform("second", -1, 1)
    assert abs(first.mean()) < 0.02
    assert first.var().item() == pytest.approx(1 / 3, abs=0.01)
    pairs = torch.corrcoef(torch.stack([first, second, first.roll(1)]))
    assert (pairs - torch.eye(3)).abs().max() < 0.03
    normal = draws.normal("normal", 3.0, 0.5, limit=4.0)
    assert (normal.mean().item(), normal.std().item()) == pytest.approx((3.0, 0.5), abs=0.02)
    shares = torch.bincount(draws.choice("choice", [1, 2, 5])) / 20_000
    assert torch.allclose(shares, torch.tensor([0.125, 0.25, 0.625]), atol=0.015)
    assert draws.flag("flag", 0.3).float().mean().item() == pytest.approx(0.3, abs=0.015)


def test_a_draw_depends_on_seed_and_name_only() -> None:
    together, alone = Draws(torch.tensor([5, 6, 7])), Draws(torch.tensor([6]))
    assert together.uniform("a")[1] == alone.uniform("a")[0]
    assert together.uniform("a")[1] != together.uniform("b")[1]
