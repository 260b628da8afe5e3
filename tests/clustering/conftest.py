"""A tiny generator that satisfies FeatureGenerator: three blocks of fixed random convolutions, 4 to 16 px."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor


class TinyGenerator:
    """Each convolution's input is scaled per channel by an affine map of its own w, as in StyleGAN2."""

    resolution = 16
    w_dim = 8
    num_ws = 6
    block_ws = [(0,), (1, 2), (3, 4)]
    feature_channels = [6, 6, 6, 4, 4]
    feature_blocks = [0, 1, 1, 2, 2]
    device = torch.device("cpu")

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(11)
        self.constant = torch.randn(1, 6, 4, 4, generator=rng)
        sizes = zip([6, *self.feature_channels[:-1]], self.feature_channels, strict=True)
        self.weights = [torch.randn(out, inner, 3, 3, generator=rng) / (3 * inner**0.5) for inner, out in sizes]
        self.affines = [torch.randn(self.w_dim, weight.shape[1], generator=rng) / 3 for weight in self.weights]
        self.to_rgb = torch.randn(3, 4, 1, 1, generator=rng) / 4

    def sample_ws(self, seeds: Sequence[int], truncation_psi: float) -> Tensor:
        draws = [torch.randn(self.w_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return truncation_psi * torch.stack(draws)[:, None].repeat(1, self.num_ws, 1)

    def synthesize(self, ws: Tensor) -> Tensor:
        return self.features(ws)[0]

    def features(self, ws: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, maps = self.constant.expand(len(ws), -1, -1, -1), []
        for index, (weight, affine) in enumerate(zip(self.weights, self.affines, strict=True)):
            x = F.interpolate(x, scale_factor=2.0) if index in (1, 3) else x
            styles = 1 + ws[:, index] @ affine
            x = F.leaky_relu(F.conv2d(x * styles[:, :, None, None], weight, padding=1), 0.2) * 2**0.5
            maps.append(x)
        return torch.tanh(F.conv2d(x, self.to_rgb)), maps


@pytest.fixture(scope="session")
def generator() -> TinyGenerator:
    return TinyGenerator()
