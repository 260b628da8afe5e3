"""HFC + SwAV: self-supervised clustering of a generator's hidden features, pixel by pixel (Section 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.clustering.lars import LARS
from onemask.clustering.projection import FeatureProjection
from onemask.clustering.views import (
    Views,
    ViewSettings,
    new_projection,
    noise_sigma,
    not_finite,
    project_views,
    sample_views,
)
from onemask.kernels.backend import WIDEST, uses_triton
from onemask.kernels.sinkhorn import sinkhorn
from onemask.kernels.swapped_prediction import swapped_prediction_loss
from onemask.progress import steps

if TYPE_CHECKING:
    from onemask.stylegan2.protocol import FeatureGenerator

LOG_COLUMNS = ["step", "loss", "global", "local", "code_entropy", "prototype_usage"]


@dataclass(frozen=True)
class SwAVSettings(ViewSettings):
    """The section `swav` of a study.

    `patches` takes as many whole patches of patch_size x patch_size as fit into an image's share of `pixels`. With
    `steps` 0 projection and prototypes stay random (the ablation without training). `triton`: onemask.kernels.fused on
    a GPU, where it is installed and takes as many prototypes.
    """

    SECTION: ClassVar[str] = "swav"

    prototypes: int = 500
    temperature: float = 0.1
    epsilon: float = 0.05
    sinkhorn_iterations: int = 10
    sampling: Literal["random_pixels", "patches"] = "random_pixels"
    patch_size: int = 64
    marginals: Literal["uniform", "pixel_distribution"] = "uniform"
    local_loss: bool = True
    triton: bool = True


@dataclass
class SwAVResult:
    """What a training leaves: the projection, prototypes [K, D] of unit length, one log row (LOG_COLUMNS) per step."""

    projection: FeatureProjection
    prototypes: Tensor
    log: list[dict[str, float]]


def train_swav(generator: FeatureGenerator, settings: SwAVSettings, seed: int) -> SwAVResult:
    """Train the projection and the prototypes on the generator's own images (Eq. 10).

    It runs where the generator is. All draws come from one CPU generator made from `seed`, so that equal seeds mean
    equal images, pixels and blocks on any device. OnemaskError names the step at which the loss is not finite.
    """
    rng = torch.Generator().manual_seed(seed)
    projection = new_projection(generator, settings, rng).to(generator.device)
    prototypes = torch.randn(settings.prototypes, settings.dim, generator=rng).to(generator.device).requires_grad_()
    optimiser = LARS(
        [projection.weight, prototypes], settings.lr, settings.momentum, settings.lars_trust, settings.weight_decay
    )
    sigma = noise_sigma(generator, settings, rng)
    patch_size = settings.patch_size if settings.sampling == "patches" else None
    weighted = settings.marginals == "pixel_distribution"
    log = []
    for step in steps(settings.steps, "SwAV"):
        normalise_rows(prototypes)
        views = sample_views(generator, settings, sigma, rng, patch_size=patch_size, marginals=weighted)
        optimiser.zero_grad()
        log.append({"step": step, **accumulate_gradients(views, projection, prototypes, generator, settings, step)})
        optimiser.step()
    normalise_rows(prototypes)
    return SwAVResult(projection.requires_grad_(False).eval(), prototypes.detach(), log)


def normalise_rows(prototypes: Tensor) -> None:
    """Scale each prototype to unit length, in place (decision 16)."""
    with torch.no_grad():
        prototypes.copy_(F.normalize(prototypes, dim=1))


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
        first = (first_map(generator, views.blocks[0]), first_map(generator, views.blocks[1]))
        loss, _ = swapped_loss(views, first, projection, prototypes, settings, step)
        loss.backward()
        row["local"] = float(loss.detach())
    row["loss"] = row["global"] + row["local"]
    if not math.isfinite(row["loss"]):
        raise not_finite(settings, "loss", step)
    return row


def first_map(generator: FeatureGenerator, block: int) -> int:
    """Number of maps that M_{1, s-1} of Eq. 11 masks: those before the perturbed block's (decision 25).

    Maps come in the order of their blocks, so these are the first ones.
    """
    return sum(owner < block for owner in generator.feature_blocks)


def swapped_loss(
    views: Views,
    first_maps: tuple[int, int],
    projection: FeatureProjection,
    prototypes: Tensor,
    settings: SwAVSettings,
    step: int,
) -> tuple[Tensor, Tensor]:
    """Eq. 2 for both views, each without the maps before its first; also the codes [B, K] of the first view."""
    scores, codes = [], []
    triton = settings.triton and uses_triton(prototypes) and settings.prototypes <= WIDEST
    pair = project_views(views, projection, settings, step, first_maps)
    for z, marginal in zip(pair, views.marginals, strict=True):
        scores.append(z @ prototypes.T)
        options = (settings.epsilon, settings.sinkhorn_iterations, marginal)
        codes.append(sinkhorn(scores[-1].detach(), *options, triton=triton))
    return swapped_prediction_loss(*scores, *codes, settings.temperature, triton=triton), codes[0]


def code_statistics(codes: Tensor) -> dict[str, float]:
    """Mean entropy of a pixel's code in nats, and the share of prototypes that are some pixel's first choice."""
    entropy = torch.special.entr(codes).sum(1).mean()
    return {"code_entropy": float(entropy), "prototype_usage": codes.argmax(1).unique().numel() / codes.shape[1]}
