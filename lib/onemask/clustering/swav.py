"""HFC + SwAV: self-supervised clustering of a generator's hidden features, pixel by pixel (Section 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from onemask.clustering.augmentation import matching_sigma, perturb
from onemask.clustering.lars import LARS
from onemask.clustering.pixels import draw_seeds, patches, pixel_distribution, random_pixels
from onemask.clustering.projection import FeatureProjection
from onemask.errors import OnemaskError
from onemask.kernels.projection import gather_pixels
from onemask.kernels.sinkhorn import sinkhorn
from onemask.kernels.swapped_prediction import swapped_prediction_loss

if TYPE_CHECKING:
    from onemask.stylegan2.protocol import FeatureGenerator

NEGATIVE_SLOPES: dict[str, float | None] = {"leaky_relu": 0.2, "linear": None}
LOG_COLUMNS = ["step", "loss", "global", "local", "code_entropy", "prototype_usage"]
SIGMA_BANK = 256


@dataclass(frozen=True)
class Perturbation:
    """Augmentation in W+ (decisions 9 to 12). `sigma` None: as far as interpolation; `block` "all": any, at random."""

    method: Literal["interpolation", "noise"] = "interpolation"
    strength: float = 0.9
    sigma: float | None = None
    block: Literal["all"] | int = "all"


@dataclass(frozen=True)
class SwAVSettings:
    """The section `swav` of a study, and the truncation psi at which images are sampled.

    `pixels` is the batch size B of one view in one step, shared evenly by its images; `patches` takes as many whole
    patches of patch_size x patch_size as fit into an image's share.
    """

    dim: int = 128
    prototypes: int = 500
    temperature: float = 0.1
    epsilon: float = 0.05
    sinkhorn_iterations: int = 10
    steps: int = 150
    images_per_step: int = 4
    pixels: int = 4096
    sampling: Literal["random_pixels", "patches"] = "random_pixels"
    patch_size: int = 64
    marginals: Literal["uniform", "pixel_distribution"] = "uniform"
    perturbation: Perturbation = field(default_factory=Perturbation)
    local_loss: bool = True
    lr: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 1e-6
    lars_trust: float = 0.01
    activation: Literal["leaky_relu", "linear"] = "leaky_relu"
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    truncation: float = 0.7

    @classmethod
    def from_section(cls, section: Mapping[str, Any], truncation: float) -> SwAVSettings:
        """From a study's validated section `swav` as plain values, `perturbation` a mapping in it."""
        perturbation = Perturbation(**section.get("perturbation", {}))
        return cls(**dict(section) | {"perturbation": perturbation, "truncation": truncation})


@dataclass
class SwAVResult:
    """What a training leaves: the projection, prototypes [K, D] of unit length, one log row (LOG_COLUMNS) per step."""

    projection: FeatureProjection
    prototypes: Tensor
    log: list[dict[str, float]]


@dataclass(frozen=True)
class Views:
    """Two views of the same B pixels: features [B, C], the perturbed block and the pixel marginal [B] of each."""

    features: tuple[Tensor, Tensor]
    blocks: tuple[int, int]
    marginals: tuple[Tensor | None, Tensor | None]


def train_swav(
    generator: FeatureGenerator, settings: SwAVSettings, seed: int, device: torch.device | str = "cpu"
) -> SwAVResult:
    """Train the projection and the prototypes on the generator's own images (Eq. 10).

    `generator` is on `device` already. All draws come from one CPU generator made from `seed`, so that equal seeds mean
    equal images, pixels and blocks on any device. OnemaskError names the step at which the loss is not finite.
    """
    rng = torch.Generator().manual_seed(seed)
    projection = FeatureProjection(
        sum(generator.feature_channels), settings.dim, NEGATIVE_SLOPES[settings.activation], settings.upsampling, rng
    ).to(device)
    prototypes = torch.randn(settings.prototypes, settings.dim, generator=rng).to(device).requires_grad_()
    optimiser = LARS(
        [projection.weight, prototypes], settings.lr, settings.momentum, settings.lars_trust, settings.weight_decay
    )
    sigma = noise_sigma(generator, settings, rng)
    log = []
    for step in tqdm(range(settings.steps), desc="SwAV", unit="step", mininterval=1):
        normalise_rows(prototypes)
        views = sample_views(generator, settings, sigma, rng)
        optimiser.zero_grad()
        log.append({"step": step, **accumulate_gradients(views, projection, prototypes, generator, settings, step)})
        optimiser.step()
    normalise_rows(prototypes)
    return SwAVResult(projection.requires_grad_(False).eval(), prototypes.detach(), log)


def normalise_rows(prototypes: Tensor) -> None:
    """Scale each prototype to unit length, in place (decision 16)."""
    with torch.no_grad():
        prototypes.copy_(F.normalize(prototypes, dim=1))


def noise_sigma(generator: FeatureGenerator, settings: SwAVSettings, rng: torch.Generator) -> float | None:
    """The stated sigma, or the one that moves latents as far as interpolation; None where no noise is added."""
    if settings.perturbation.method != "noise" or settings.perturbation.sigma is not None:
        return settings.perturbation.sigma
    bank = generator.sample_ws(draw_seeds(SIGMA_BANK, rng), settings.truncation)
    return matching_sigma(bank, settings.perturbation.strength)


@torch.no_grad()
def sample_views(
    generator: FeatureGenerator, settings: SwAVSettings, sigma: float | None, rng: torch.Generator
) -> Views:
    """New images, perturbed at layers s and t; the features of the same random pixels of both (Eq. 9)."""
    images, size, mode = settings.images_per_step, generator.resolution, settings.upsampling
    ws, *ws_random = generator.sample_ws(draw_seeds(3 * images, rng), settings.truncation).split(images)
    blocks = (draw_block(generator, settings, rng), draw_block(generator, settings, rng))
    pixels = draw_pixels(settings, size, rng).to(ws.device)
    p = settings.perturbation
    features, marginals = [], []
    for block, other in zip(blocks, ws_random, strict=True):
        view = perturb(ws, other, generator.block_ws, block, p.strength, p.method, sigma, rng)
        maps = generator.features(view)[1]
        features.append(gather_pixels(maps, pixels, size, mode).flatten(0, 1))
        weighted = settings.marginals == "pixel_distribution"
        marginals.append(pixel_distribution(maps, pixels, size, mode) if weighted else None)
    return Views(tuple(features), blocks, tuple(marginals))


def draw_block(generator: FeatureGenerator, settings: SwAVSettings, rng: torch.Generator) -> int:
    """The layer to perturb: any, or the configured one (Table 7)."""
    count, block = len(generator.block_ws), settings.perturbation.block
    if block == "all":
        return int(torch.randint(count, (), generator=rng))
    if not 0 <= block < count:
        raise OnemaskError(f"swav.perturbation.block: {block}, but the generator has blocks 0 to {count - 1}")
    return block


def draw_pixels(settings: SwAVSettings, size: int, rng: torch.Generator) -> Tensor:
    """Flat pixel indices [images, P] (decision 22)."""
    images, count = settings.images_per_step, settings.pixels // settings.images_per_step
    if settings.sampling == "patches":
        return patches(images, count, size, settings.patch_size, rng)
    return random_pixels(images, count, size, rng)


def accumulate_gradients(
    views: Views,
    projection: FeatureProjection,
    prototypes: Tensor,
    generator: FeatureGenerator,
    settings: SwAVSettings,
    step: int,
) -> dict[str, float]:
    """Back-propagate L_global, then L_local (Eq. 10): their sum's gradient in one term's memory. Returns a log row."""
    loss, codes = swapped_loss(views, (0, 0), projection, prototypes, settings, step)
    loss.backward()
    row = {"global": float(loss.detach()), "local": 0.0, **code_statistics(codes)}
    if settings.local_loss:
        first = (first_channel(generator, views.blocks[0]), first_channel(generator, views.blocks[1]))
        loss, _ = swapped_loss(views, first, projection, prototypes, settings, step)
        loss.backward()
        row["local"] = float(loss.detach())
    row["loss"] = row["global"] + row["local"]
    if not math.isfinite(row["loss"]):
        raise not_finite("loss", step)
    return row


def first_channel(generator: FeatureGenerator, block: int) -> int:
    """Channels that M_{1, s-1} of Eq. 11 masks: those of the maps before the perturbed block's (decision 25).

    Maps come in the order of their blocks, so these are the first ones.
    """
    owners = zip(generator.feature_blocks, generator.feature_channels, strict=True)
    return sum(channels for owner, channels in owners if owner < block)


def swapped_loss(
    views: Views,
    first_channels: tuple[int, int],
    projection: FeatureProjection,
    prototypes: Tensor,
    settings: SwAVSettings,
    step: int,
) -> tuple[Tensor, Tensor]:
    """Eq. 2 for both views, each without the channels before its first; also the codes [B, K] of the first view."""
    scores, codes = [], []
    for x, first, marginal in zip(views.features, first_channels, views.marginals, strict=True):
        z = F.normalize(projection.project_pixels(x, first), dim=1)
        if not bool(torch.isfinite(z).all()):
            raise not_finite("projection", step)
        scores.append(z @ prototypes.T)
        codes.append(sinkhorn(scores[-1].detach(), settings.epsilon, settings.sinkhorn_iterations, marginal))
    return swapped_prediction_loss(*scores, *codes, settings.temperature), codes[0]


def code_statistics(codes: Tensor) -> dict[str, float]:
    """Mean entropy of a pixel's code in nats, and the share of prototypes that are some pixel's first choice."""
    entropy = torch.special.entr(codes).sum(1).mean()
    return {"code_entropy": float(entropy), "prototype_usage": codes.argmax(1).unique().numel() / codes.shape[1]}


def not_finite(what: str, step: int) -> OnemaskError:
    """The error of a training that diverged."""
    return OnemaskError(f"SwAV: the {what} is not finite at step {step}; lower swav.lr or swav.lars_trust")
