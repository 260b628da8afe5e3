"""The projection network f_theta: one dense layer and a leaky ReLU (Section 6.2.3, decision 13)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.kernels.projection import Size, project_features, project_pixels


class FeatureProjection(nn.Module):
    """z = LeakyReLU(W h) of hidden features h [C]; `weight` [D, C], no bias.

    `negative_slope` None leaves the layer linear (the `release` preset). `mode` is how maps are upsampled, "nearest" or
    "bilinear". `generator` draws the initial weights, uniform within 1 / sqrt(C).
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        negative_slope: float | None = 0.2,
        mode: str = "nearest",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.mode = mode
        uniform = torch.rand(dim, in_channels, generator=generator)
        self.weight = nn.Parameter((2 * uniform - 1) / in_channels**0.5)

    def forward(self, features: Sequence[Tensor], size: Size) -> Tensor:
        """z [N, D, H, W] of maps [N, C_l, h_l, w_l]; the concatenated map is never built."""
        return self._activate(project_features(features, self.weight, size, self.mode))

    def project_pixels(self, features: Sequence[Tensor], pixels: Tensor, size: Size, first_map: int = 0) -> Tensor:
        """z [N * P, D] of pixels [N, P] of the maps, as if the maps before `first_map` were zero (Eq. 11)."""
        weight = self.weight[:, sum(feature.shape[1] for feature in features[:first_map]) :]
        return self._activate(project_pixels(features[first_map:], weight, pixels, size, self.mode)).flatten(0, 1)

    def save(self, path: str | Path, prototypes: Tensor | None = None) -> None:
        """Write weight, settings and, where given, prototypes [K, D] as safetensors."""
        tensors = {"weight": self.weight} | ({} if prototypes is None else {"prototypes": prototypes})
        metadata = {"kind": "projection", "negative_slope": self.negative_slope, "mode": self.mode}
        write_safetensors(path, tensors, metadata)

    @classmethod
    def load(cls, path: str | Path) -> FeatureProjection:
        """Read what `save` wrote, without gradients; OnemaskError when the file is something else."""
        tensors, metadata = read_safetensors(path)
        if metadata.get("kind") != "projection" or getattr(tensors.get("weight"), "ndim", None) != 2:
            raise OnemaskError(f"{path}: not a trained projection; run the rule that makes it again")
        weight = tensors["weight"]
        projection = cls(weight.shape[1], weight.shape[0], metadata["negative_slope"], metadata["mode"])
        projection.weight = nn.Parameter(weight, requires_grad=False)
        return projection.eval()

    def _activate(self, z: Tensor) -> Tensor:
        return z if self.negative_slope is None else F.leaky_relu(z, self.negative_slope, inplace=not z.requires_grad)
