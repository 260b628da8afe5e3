"""Which images and pixels a clustering sees, and the pixels' marginal in the transport problem (decisions 21, 22)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.errors import OnemaskError
from onemask.seeds import ANNOTATED_SEEDS

BINS = 64


def draw_seeds(count: int, generator: torch.Generator) -> list[int]:
    """Seeds of latents, above all of an annotated set's (ANNOTATED_SEEDS): no test image is ever clustered."""
    return torch.randint(2 * ANNOTATED_SEEDS, 2**62, (count,), generator=generator).tolist()


def random_pixels(images: int, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Flat indices [images, count] into size x size, drawn without replacement in each image."""
    if count > size * size:
        raise OnemaskError(f"pixels: {count} of an image's {size * size} are asked for; lower `pixels`")
    return torch.rand(images, size * size, generator=generator).topk(count, dim=1, sorted=False).indices


def patches(images: int, count: int, size: int, patch_size: int, generator: torch.Generator) -> Tensor:
    """Flat indices [images, P] of the whole square patches that fit into `count` pixels, each placed at random."""
    number = count // patch_size**2
    if not (0 < patch_size <= size and number):
        raise OnemaskError(
            f"patch_size: no {patch_size} x {patch_size} patch fits into {count} pixels of a {size} x {size} image;"
            " lower `patch_size` or raise `pixels`"
        )
    corners = torch.randint(0, size - patch_size + 1, (2, images, number, 1, 1), generator=generator)
    inside = torch.arange(patch_size)
    rows, columns = corners[0] + inside[:, None], corners[1] + inside
    return (rows * size + columns).flatten(1)


def pixel_distribution(features: Sequence[Tensor], pixels: Tensor, size: int, mode: str = "nearest") -> Tensor:
    """Marginal [N * P] of sampled pixels [N, P]: how common each one's feature norm is among all pixels of the images.

    The image's pixel distribution of Section 9.2, as a histogram of feature norms in BINS bins (decision 21). Norms
    come from the maps at native size; bilinear upsampling interpolates squared norms in place of the features.
    """
    squares = [feature.square().sum(1, keepdim=True) for feature in features]
    align = False if mode == "bilinear" else None
    resized = [F.interpolate(square, size, mode=mode, align_corners=align) for square in squares]
    norms = torch.stack(resized).sum(0).sqrt()
    low, high = torch.aminmax(norms)
    bins = ((norms - low) / (high - low).clamp(min=1e-12) * BINS).long().clamp(max=BINS - 1).flatten(1)
    share = torch.bincount(bins.flatten(), minlength=BINS).double() / bins.numel()
    return share[bins.gather(1, pixels)].flatten()
