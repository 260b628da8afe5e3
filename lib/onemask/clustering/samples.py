"""Unlabelled generated samples: hidden features that a one-shot method learns from beside the exemplar (LAGM)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from onemask.clustering.pixels import draw_seeds
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.progress import steps

if TYPE_CHECKING:
    from onemask.stylegan2.protocol import FeatureGenerator

IMAGES_AT_ONCE = 8


@dataclass(frozen=True)
class Samples:
    """Feature maps fp16 [images, C_l, h_l, w_l] of generated images, at native sizes, on the CPU."""

    features: list[Tensor]

    def __len__(self) -> int:
        return len(self.features[0])

    def take(self, indices: Tensor, device: torch.device | str = "cpu") -> list[Tensor]:
        """The maps of the images `indices` in single precision."""
        return [feature[indices].to(device, torch.float32) for feature in self.features]

    def to(self, device: torch.device | str) -> Self:
        """Itself: a step's maps go to a device when they are taken."""
        return self

    def save(self, path: str | Path) -> None:
        """Write as safetensors."""
        tensors = {f"features.{number}": feature for number, feature in enumerate(self.features)}
        write_safetensors(path, tensors, {"kind": "samples"})

    @classmethod
    def load(cls, path: str | Path) -> Samples:
        """Read what `save` wrote; OnemaskError when the file is something else."""
        tensors, metadata = read_safetensors(path)
        if metadata.get("kind") != "samples" or "features.0" not in tensors:
            raise OnemaskError(f"{path}: not a file of samples; run the rule that makes it again")
        return cls([tensors[f"features.{number}"] for number in range(len(tensors))])


@torch.no_grad()
def draw_samples(generator: FeatureGenerator, images: int, truncation: float, seed: int) -> Samples:
    """Features of `images` generated images, none of them of an annotated set; deterministic by `seed`.

    OnemaskError when a feature exceeds half precision.
    """
    seeds = draw_seeds(images, torch.Generator().manual_seed(seed))
    batches = []
    for batch in steps(-(-images // IMAGES_AT_ONCE), "samples"):
        start = batch * IMAGES_AT_ONCE
        maps = generator.features(generator.sample_ws(seeds[start : start + IMAGES_AT_ONCE], truncation))[1]
        batches.append([feature.half().cpu() for feature in maps])
    features = [torch.cat(parts) for parts in zip(*batches, strict=True)]
    if not all(bool(feature.isfinite().all()) for feature in features):
        raise OnemaskError("samples: a feature is not finite in half precision; check the generator's weights")
    return Samples(features)
