"""What the trainings on two views share: W+ views of the same pixels (Section 4.1) and the projection's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.clustering.augmentation import matching_sigma, perturb
from onemask.clustering.pixels import draw_seeds, patches, pixel_distribution, random_pixels
from onemask.clustering.projection import FeatureProjection
from onemask.errors import OnemaskError
from onemask.kernels.checks import all_finite
from onemask.stylegan2.protocol import FeatureGenerator, mapped_blocks

NEGATIVE_SLOPES: dict[str, float | None] = {"leaky_relu": 0.2, "linear": None}
SIGMA_BANK = 256


@dataclass(frozen=True)
class Perturbation:
    """Augmentation in W+ (decisions 9 to 12). `sigma` None: as far as interpolation; `block` "all": any, at random."""

    method: Literal["interpolation", "noise"] = "interpolation"
    strength: float = 0.9
    sigma: float | None = None
    block: Literal["all"] | int = "all"


@dataclass(frozen=True)
class ViewSettings:
    """The keys that every section of such a training has, and the truncation psi at which images are sampled.

    `pixels` is the batch size B of one view in one step, shared evenly by its images. SECTION names the section.
    """

    SECTION: ClassVar[str]

    dim: int = 128
    steps: int = 150
    images_per_step: int = 4
    pixels: int = 4096
    perturbation: Perturbation = field(default_factory=Perturbation)
    lr: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 1e-6
    lars_trust: float = 0.01
    activation: Literal["leaky_relu", "linear"] = "leaky_relu"
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    truncation: float = 0.7

    @classmethod
    def from_section(cls, section: Mapping[str, Any], truncation: float) -> Self:
        """From a study's validated section as plain values, `perturbation` a mapping in it."""
        perturbation = Perturbation(**section.get("perturbation", {}))
        return cls(**dict(section) | {"perturbation": perturbation, "truncation": truncation})


@dataclass(frozen=True)
class Views:
    """Two views of the same B pixels: of each its maps [N, C_l, h_l, w_l], perturbed block and pixel marginal [B].

    `pixels` [N, P] index the pixels of images of size x size, B = N P.
    """

    features: tuple[list[Tensor], list[Tensor]]
    pixels: Tensor
    size: int
    blocks: tuple[int, int]
    marginals: tuple[Tensor | None, Tensor | None]


def new_projection(generator: FeatureGenerator, settings: ViewSettings, rng: torch.Generator) -> FeatureProjection:
    """The untrained projection of a generator's hidden features, on the CPU."""
    channels, slope = sum(generator.feature_channels), NEGATIVE_SLOPES[settings.activation]
    return FeatureProjection(channels, settings.dim, slope, settings.upsampling, rng)


def noise_sigma(generator: FeatureGenerator, settings: ViewSettings, rng: torch.Generator) -> float | None:
    """The stated sigma, or the one that moves latents as far as interpolation; None where no noise is added."""
    if settings.perturbation.method != "noise" or settings.perturbation.sigma is not None:
        return settings.perturbation.sigma
    bank = generator.sample_ws(draw_seeds(SIGMA_BANK, rng), settings.truncation)
    return matching_sigma(bank, settings.perturbation.strength)


@torch.no_grad()
def sample_views(
    generator: FeatureGenerator,
    settings: ViewSettings,
    sigma: float | None,
    rng: torch.Generator,
    *,
    patch_size: int | None = None,
    marginals: bool = False,
) -> Views:
    """New images, perturbed at layers s and t; the same random pixels of both (Eq. 9).

    `patch_size`: see `draw_pixels`. Pixel marginals (`pixel_distribution`) are None unless `marginals`.
    """
    images, size, mode = settings.images_per_step, generator.resolution, settings.upsampling
    ws, *ws_random = generator.sample_ws(draw_seeds(3 * images, rng), settings.truncation).split(images)
    blocks = (draw_block(generator, settings, rng), draw_block(generator, settings, rng))
    pixels = draw_pixels(settings, size, rng, patch_size).to(ws.device)
    p = settings.perturbation
    features, shares = [], []
    for block, other in zip(blocks, ws_random, strict=True):
        view = perturb(ws, other, generator.block_ws, block, p.strength, p.method, sigma, rng)
        maps = generator.features(view)[1]
        features.append(maps)
        shares.append(pixel_distribution(maps, pixels, size, mode) if marginals else None)
    return Views(tuple(features), pixels, size, blocks, tuple(shares))


def project_views(
    views: Views,
    projection: FeatureProjection,
    settings: ViewSettings,
    step: int,
    first_maps: tuple[int, int] = (0, 0),
) -> tuple[Tensor, Tensor]:
    """z [B, D] of unit length of both views' pixels, each without the maps before its first.

    OnemaskError names the step at which they are not finite.
    """
    if not all_finite(projection.weight):
        raise not_finite(settings, "projection", step)
    z_s, z_t = (
        F.normalize(projection.project_pixels(maps, views.pixels, views.size, first), dim=1)
        for maps, first in zip(views.features, first_maps, strict=True)
    )
    if not (all_finite(z_s) and all_finite(z_t)):
        raise not_finite(settings, "projection", step)
    return z_s, z_t


def draw_block(generator: FeatureGenerator, settings: ViewSettings, rng: torch.Generator) -> int:
    """The layer to perturb: any that a feature map shows, or the configured one (Table 7)."""
    count, block = mapped_blocks(generator), settings.perturbation.block
    if block == "all":
        return int(torch.randint(count, (), generator=rng))
    if not 0 <= block < count:
        key = f"{settings.SECTION}.perturbation.block"
        raise OnemaskError(f"{key}: {block}, but the generator has blocks 0 to {count - 1}")
    return block


def draw_pixels(settings: ViewSettings, size: int, rng: torch.Generator, patch_size: int | None = None) -> Tensor:
    """Flat pixel indices [images, P]: random pixels, or the whole patches that fit into P (decision 22)."""
    images, count = settings.images_per_step, settings.pixels // settings.images_per_step
    if patch_size is not None:
        return patches(images, count, size, patch_size, rng)
    return random_pixels(images, count, size, rng)


def not_finite(settings: ViewSettings, what: str, step: int) -> OnemaskError:
    """The error of a training that diverged."""
    section = settings.SECTION
    return OnemaskError(
        f"{section}: the {what} is not finite at step {step}; lower {section}.lr or {section}.lars_trust"
    )
