"""What the rest of the package asks of a generator: W+ latents in, image and block features out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


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


def mapped_blocks(generator: FeatureGenerator) -> int:
    """Number of blocks that have feature maps: where features end before the image does, later blocks change none."""
    return max(generator.feature_blocks) + 1
