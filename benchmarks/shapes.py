"""The sizes of what is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shapes:
    """Sizes of what the kernels are given."""

    resolution: int = 256
    channel_base: int = 32768
    channel_max: int = 512
    latent: int = 512
    dim: int = 512
    prototypes: int = 4000
    pixels: int = 20000
    labels: int = 8
    images: int = 4  # of the generator's batch


PAPER = Shapes()
SMALL = Shapes(32, 512, 32, 32, dim=16, prototypes=50, pixels=300, images=2)
