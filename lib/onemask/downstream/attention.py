"""Selective dense attention of SDANet (PIDRay's authors, Wang et al. 2021) over the levels of a feature pyramid.

Each level looks at all levels, brought to its own size. Two softmaxes over the levels, one per channel and one per
pixel, select what to take from which; a global-context block refines the sum, which is added to the level.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONTEXT_RATIO = 16  # a global-context block's bottleneck has a 16th of the channels


def gather_levels(levels: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Maps [N, C, h_l, w_l] of all levels at one size: [N, L, C, H, W]; larger by maxima, smaller ones repeated."""
    return torch.stack(
        [
            F.adaptive_max_pool2d(level, size)
            if level.shape[-1] > size[-1]
            else F.interpolate(level, size, mode="nearest")
            for level in levels
        ],
        dim=1,
    )


class ChannelSelection(nn.Module):
    """Softmax over levels per channel, from each level's mean through a bottleneck of half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(channels, channels // 2), nn.ReLU(inplace=True), nn.Linear(channels // 2, channels)
        )

    def weights(self, gathered: Tensor) -> Tensor:
        """[N, L, C, 1, 1], one over L where all levels are the same."""
        return self.score(gathered.mean(dim=(3, 4))).softmax(dim=1)[..., None, None]

    def forward(self, gathered: Tensor) -> Tensor:
        return (self.weights(gathered) * gathered).sum(dim=1)


class SpatialSelection(nn.Module):
    """Softmax over levels per pixel, from the mean and the maximum over channels through a 7x7 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Conv2d(2, 1, 7, padding=3)

    def weights(self, gathered: Tensor) -> Tensor:
        """[N, L, 1, H, W], one over L where all levels are the same."""
        described = torch.stack([gathered.mean(dim=2), gathered.amax(dim=2)], dim=2)
        return self.score(described.flatten(0, 1)).unflatten(0, gathered.shape[:2]).softmax(dim=1)

    def forward(self, gathered: Tensor) -> Tensor:
        return (self.weights(gathered) * gathered).sum(dim=1)


class GlobalContext(nn.Module):
    """x plus what an attention-weighted mean over all pixels says of every one (Cao et al. 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // CONTEXT_RATIO)
        self.attention = nn.Conv2d(channels, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(channels, inner, 1),
            nn.LayerNorm([inner, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        weights = self.attention(x).flatten(2).softmax(dim=2)
        context = torch.einsum("nchw,nhw->nc", x, weights.view(len(x), *x.shape[2:]))
        return x + self.transform(context[..., None, None])


class SelectiveDenseAttention(nn.Module):
    """Pyramid {name: [N, C, h_l, w_l]} -> the same names and sizes, each level with what it selects from all."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.channel = nn.ModuleList(ChannelSelection(channels) for _ in range(levels))
        self.spatial = nn.ModuleList(SpatialSelection() for _ in range(levels))
        self.context = nn.ModuleList(GlobalContext(channels) for _ in range(levels))

    def forward(self, pyramid: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
        levels, refined = list(pyramid.values()), OrderedDict()
        parts = zip(pyramid.items(), self.channel, self.spatial, self.context, strict=True)
        for (name, level), channel, spatial, context in parts:
            gathered = gather_levels(levels, level.shape[-2:])
            refined[name] = level + context(channel(gathered) + spatial(gathered))
        return refined
