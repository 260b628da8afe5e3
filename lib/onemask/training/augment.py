"""Adaptive discriminator augmentation (Karras et al. 2020, "Training GANs with limited data").

Every transform is drawn per image with probability p; all geometric transforms of an image become one affine warp
and all colour transforms one affine map of RGB, so that augmenting costs two passes whatever the list.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

GEOMETRIC = ("flip", "rotate90", "translate", "scale", "rotate", "stretch")
COLOUR = ("brightness", "contrast", "luma", "hue", "saturation")
TRANSFORMS = GEOMETRIC + COLOUR


def _rotation(angle: Tensor) -> Tensor:
    """Homogeneous rotations [N, 3, 3]."""
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    matrix[:, 1, 0] = angle.sin()
    matrix[:, 0, 1] = -angle.sin()
    return matrix


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    """Homogeneous scalings [N, 3, 3]."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))


def _translation(x: Tensor, y: Tensor) -> Tensor:
    """Homogeneous translations [N, 3, 3]; 2 is the image's side."""
    matrix = torch.eye(3, device=x.device).repeat(len(x), 1, 1)
    matrix[:, 0, 2], matrix[:, 1, 2] = x, y
    return matrix


def geometric_matrices(n: int, p: float, names: Iterable[str], device: torch.device | str = "cpu") -> Tensor:
    """Warps [N, 3, 3] in the coordinates of `affine_grid`; each named transform acts with probability p."""
    on = {name: (torch.rand(n, device=device) < p).float() * (name in set(names)) for name in GEOMETRIC}
    quarter = torch.randint(0, 4, (n,), device=device) * (math.pi / 2)
    size = torch.exp2(on["scale"] * torch.randn(n, device=device) * 0.2)
    stretch = torch.exp2(on["stretch"] * torch.randn(n, device=device) * 0.2)
    shift = (torch.rand(2, n, device=device) * 2 - 1) * 0.25 * on["translate"]
    flip = 1 - 2 * on["flip"] * torch.randint(0, 2, (n,), device=device)
    angle = (torch.rand(n, device=device) * 2 - 1) * math.pi * on["rotate"]
    matrix = _scaling(flip, torch.ones_like(flip)) @ _rotation(quarter * on["rotate90"]) @ _translation(*shift)
    return matrix @ _rotation(angle) @ _scaling(size * stretch, size / stretch)


def colour_matrices(n: int, p: float, names: Iterable[str], device: torch.device | str = "cpu") -> Tensor:
    """Affine maps of RGB in [-1, 1], [N, 3, 4]; hue, saturation and the luma flip act about the grey axis."""
    names = set(names)
    on = {name: (torch.rand(n, device=device) < p).float() * (name in names) for name in COLOUR}
    eye = torch.eye(3, device=device)
    grey = torch.full((3, 3), 1 / 3, device=device)  # projection on the grey axis v v^T, v = (1, 1, 1) / sqrt(3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    angle = ((torch.rand(n, device=device) * 2 - 1) * math.pi * on["hue"])[:, None, None]
    luma = (on["luma"] * torch.randint(0, 2, (n,), device=device))[:, None, None]
    brightness, contrast, saturation = torch.randn(3, n, 1, 1, device=device)
    contrast = torch.exp2(0.5 * contrast * on["contrast"][:, None, None])
    saturation = torch.exp2(saturation * on["saturation"][:, None, None])
    hue = grey + angle.cos() * (eye - grey) + angle.sin() * cross
    linear = contrast * ((grey + saturation * (eye - grey)) @ hue @ (eye - 2 * grey * luma))
    offset = (0.2 * brightness * on["brightness"][:, None, None]).expand(n, 3, 1)
    return torch.cat([linear, offset], dim=2)


def augment(images: Tensor, p: float, names: Iterable[str] = TRANSFORMS) -> Tensor:
    """Augment images [N, 3, H, W] in [-1, 1], differentiable once, with torch's default generator; p = 0 is free."""
    if p <= 0:
        return images
    names, n, device = tuple(names), len(images), images.device
    if set(names) & set(GEOMETRIC):
        warp = geometric_matrices(n, p, names, device)[:, :2]
        grid = F.affine_grid(warp, list(images.shape), align_corners=False).to(images.dtype)
        images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    colours = colour_matrices(n, p, names, device)
    return torch.einsum("ncd,ndhw->nchw", colours[:, :, :3], images) + colours[:, :, 3, None, None]


def adapt(p: float, overfitting: float, target: float, images: int, length: float) -> float:
    """The next p: a step of images / length towards the target of r_t = E[sign D(real)], kept in [0, 1]."""
    step = images / length
    return min(max(p + math.copysign(step, overfitting - target), 0.0), 1.0)
