"""What the rest of the package asks of a generator: W+ latents in, image and block features out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

MOST_ENLARGED = 8 << 30  # bytes of a batch's maps at full size


class FeatureGenerator(Protocol):
    """A style-based generator whose hidden features can be read while it synthesises.

    `block_ws[k]` are the w indices that block k owns and `feature_blocks[i]` the block of feature map i (decision 10).
    """

    resolution: int
    w_dim: int
    num_ws: int
    block_ws: list[tuple[int, ...]]
    feature_channels: list[int]
    feature_blocks: list[int]

    @property
    def device(self) -> torch.device:
        """Where it computes, and wants its latents."""
        ...

    def sample_ws(self, seeds: Sequence[int], truncation_psi: float) -> Tensor:
        """ws [N, num_ws, w_dim], one latent per seed, whatever the batch it is drawn in."""
        ...

    def synthesize(self, ws: Tensor) -> Tensor:
        """Images [N, 3, H, W], about -1 to 1, not clamped."""
        ...

    def features(self, ws: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Images and the feature maps [N, C_l, h_l, w_l] after each convolution's activation, at native sizes."""
        ...


def enlarged_bytes(generator: FeatureGenerator) -> int:
    """What an image's maps take at full size in single precision: more than what most segmenters make of them."""
    return 4 * sum(generator.feature_channels) * generator.resolution**2


def images_at_once(generator: FeatureGenerator, most: int) -> int:
    """`most`, or as many images as MOST_ENLARGED holds: large ones are segmented few at a time."""
    return max(1, min(most, MOST_ENLARGED // enlarged_bytes(generator)))


def synthesize_all(generator: FeatureGenerator, ws: Tensor) -> Tensor:
    """Images of any number of latents, as many at a time as memory holds."""
    return torch.cat([generator.synthesize(part) for part in ws.split(images_at_once(generator, len(ws)))])


def mapped_blocks(generator: FeatureGenerator) -> int:
    """Number of blocks that have feature maps: where features end before the image does, later blocks change none."""
    return max(generator.feature_blocks) + 1
