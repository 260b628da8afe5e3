"""HFC + SimCLR: the projection trained by a contrastive loss on pixels of two W+ views (Section 6.2.3).

A pixel and the same pixel of the other view attract each other, all other pixels of the batch repel (NT-Xent). The
network, the views and the optimiser are SwAV's; there are no prototypes and no local loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from onemask.clustering.lars import LARS
from onemask.clustering.projection import FeatureProjection
from onemask.clustering.views import ViewSettings, new_projection, noise_sigma, project_views, sample_views
from onemask.kernels.nt_xent import nt_xent
from onemask.progress import steps

if TYPE_CHECKING:
    from onemask.stylegan2.protocol import FeatureGenerator

LOG_COLUMNS = ["step", "loss", "alignment", "uniformity"]


@dataclass(frozen=True)
class SimCLRSettings(ViewSettings):
    """The section `simclr` of a study. Time and memory of a step grow with the square of `pixels`."""

    SECTION: ClassVar[str] = "simclr"

    pixels: int = 1024
    temperature: float = 0.5


@dataclass
class SimCLRResult:
    """What a training leaves: the projection and one log row (LOG_COLUMNS) per step."""

    projection: FeatureProjection
    log: list[dict[str, float]]


def train_simclr(generator: FeatureGenerator, settings: SimCLRSettings, seed: int) -> SimCLRResult:
    """Train the projection on the generator's own images.

    It runs where the generator is. All draws come from one CPU generator made from `seed`, so that equal seeds mean
    equal images, pixels and blocks on any device. OnemaskError names the step at which the projection is not finite.
    """
    rng = torch.Generator().manual_seed(seed)
    projection = new_projection(generator, settings, rng).to(generator.device)
    optimiser = LARS([projection.weight], settings.lr, settings.momentum, settings.lars_trust, settings.weight_decay)
    sigma = noise_sigma(generator, settings, rng)
    log = []
    for step in steps(settings.steps, "SimCLR"):
        z_a, z_b = project_views(sample_views(generator, settings, sigma, rng), projection, settings, step)
        loss = nt_xent(z_a, z_b, settings.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        log.append({"step": step, "loss": float(loss.detach()), **view_statistics(z_a.detach(), z_b.detach())})
    return SimCLRResult(projection.requires_grad_(False).eval(), log)


def view_statistics(z_a: Tensor, z_b: Tensor) -> dict[str, float]:
    """How alike two views of a pixel are, and how evenly the pixels of a view lie on the sphere.

    alignment: mean cosine of the positives; uniformity: log of the mean of exp(-2 |z - z'|^2) over pairs of pixels of
    the first view, 0 where all are one point (Wang and Isola, 2020). NaN for a single pixel, which has no pair.
    """
    uniformity = torch.pdist(z_a).square().mul(-2).exp().mean().log()
    return {"alignment": float((z_a * z_b).sum(1).mean()), "uniformity": float(uniformity)}
