"""GAN-like degradations of renders, so that an annotator trained on renders also reads generated images.

What small generators get wrong: soft or ringing edges, blobs of coloured noise, parts that are bent or smeared, the
grid of upsampling layers, a shifted palette. Every strength is drawn per image, and is often zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class DegradeSettings:
    """Largest strengths; `clean` is the share of images left alone, `probability` that of each degradation."""

    clean: float = 0.15
    probability: float = 0.5
    warp: float = 0.025  # standard deviation of the displacement, as a share of the image's side
    colour: float = 0.25  # gain, offset and saturation
    noise: float = 0.1  # blobs of low-frequency colour
    blur: float = 1.2  # pixels
    ringing: float = 1.5  # gain of the unsharp mask
    resample: float = 1.0  # weight of the image halved and doubled again
    blocks: float = 0.08  # quantisation step of 8 x 8 cosine coefficients


@torch.no_grad()
def degrade(
    images: Tensor, planes: Tensor, settings: DegradeSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Degraded images [N, 3, H, W] in [-1, 1], and their masks, planes uint8 [N, P, H, W], which follow the warp alone.

    Sides are multiples of 8.
    """
    n = len(images)
    active = torch.rand(n, generator=generator) >= settings.clean

    def strength(largest: float) -> Tensor:
        used = active & (torch.rand(n, generator=generator) < settings.probability)
        return (used * torch.rand(n, generator=generator) * largest)[:, None, None, None]

    images, planes = warp(images, planes, strength(settings.warp), generator)
    images = shift_colours(images, strength(settings.colour), generator)
    images = images + strength(settings.noise) * _blobs(images, 3, generator)
    images = smear(images, strength(settings.blur), generator)
    images = images + strength(settings.ringing) * (images - blur(images, torch.full((n, 1, 1, 1), 0.8)))
    images = resample(images, strength(settings.resample), generator)
    images = quantise_blocks(images, strength(settings.blocks))
    return images.clamp(-1, 1), planes


def _field(n: int, channels: int, cells: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Smooth Gaussian noise [n, channels, *size] with about `cells` bumps along a side."""
    coarse = torch.randn(n, channels, cells, cells, generator=generator)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=False)


def _blobs(images: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    """Noise of two scales, present only where a third field is high: spots, not a veil."""
    n, size = len(images), images.shape[-2:]
    colour = _field(n, channels, 8, size, generator) + _field(n, channels, 20, size, generator)
    return colour * _field(n, 1, 5, size, generator).clamp(0, 1.5)


def warp(images: Tensor, planes: Tensor, strength: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Bend images (bilinear) and planes (nearest) by one smooth displacement, `strength` [N, 1, 1, 1] of a side."""
    n, size = len(images), images.shape[-2:]
    identity = torch.eye(2, 3).expand(n, 2, 3)
    grid = F.affine_grid(identity, [n, 1, *size], align_corners=False)
    bend = 0.7 * _field(n, 2, 5, size, generator) + 0.5 * _field(n, 2, 10, size, generator)
    grid = grid + 2 * strength * bend.permute(0, 2, 3, 1)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    masks = F.grid_sample(planes.float(), grid, mode="nearest", padding_mode="border", align_corners=False)
    return moved, masks.to(torch.uint8)


def shift_colours(images: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Gain and offset per channel, and saturation, each off by up to about `strength`."""
    n = len(images)
    gain = 1 + strength * torch.randn(n, 3, 1, 1, generator=generator)
    offset = 0.5 * strength * torch.randn(n, 3, 1, 1, generator=generator)
    saturation = 1 + strength * 2 * torch.randn(n, 1, 1, 1, generator=generator)
    grey = images.mean(dim=1, keepdim=True)
    return (grey + (images - grey) * saturation.clamp(min=0)) * gain + offset


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with its own sigma [N, 1, 1, 1] (pixels) per image; 0 leaves an image as it is."""
    n, channels, height, width = images.shape
    taps = torch.exp(-0.5 * (torch.arange(-3.0, 4.0) / sigma.reshape(n, 1).clamp(min=1e-3)) ** 2)
    kernel = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = F.pad(images, (3, 3, 3, 3), mode="reflect").reshape(1, n * channels, height + 6, width + 6)
    rows = F.conv2d(flat, kernel[:, None, None, :], groups=n * channels)
    return F.conv2d(rows, kernel[:, None, :, None], groups=n * channels).reshape(images.shape)


def smear(images: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """Blur that comes and goes across the image, as where a generator leaves a part vague."""
    where = (0.6 + _field(len(images), 1, 4, images.shape[-2:], generator)).clamp(0, 1)
    return torch.lerp(images, blur(images, sigma), where)


def resample(images: Tensor, weight: Tensor, generator: torch.Generator) -> Tensor:
    """Blend with the image halved and doubled again, by nearest (a grid) or bilinear interpolation (a veil)."""
    half, size = F.avg_pool2d(images, 2), images.shape[-2:]
    grid, veil = F.interpolate(half, size), F.interpolate(half, size, mode="bilinear", align_corners=False)
    nearest = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.3
    return torch.lerp(images, torch.where(nearest, grid, veil), weight * torch.where(nearest, 0.5, 1.0))


@cache
def _cosines() -> Tensor:
    """The orthonormal 8-point cosine transform (DCT-II), rows are frequencies."""
    index = torch.arange(8.0)
    basis = torch.cos(pi / 8 * index[:, None] * (index + 0.5)) / 2
    basis[0] /= 2**0.5
    return basis


def quantise_blocks(images: Tensor, step: Tensor) -> Tensor:
    """Round the cosine coefficients of 8 x 8 blocks, as JPEG does, coarser at high frequencies; step 0 does nothing."""
    n, channels, height, width = images.shape
    basis, index = _cosines(), torch.arange(8.0)
    blocks = images.reshape(n, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    coefficients = basis @ blocks @ basis.T
    steps = (step * 8).reshape(n, 1, 1, 1, 1, 1).clamp(min=1e-6) * (1 + index[:, None] + index) / 8
    restored = basis.T @ ((coefficients / steps).round() * steps) @ basis
    quantised = restored.transpose(3, 4).reshape(images.shape)
    return torch.where(step > 0, quantised, images)
