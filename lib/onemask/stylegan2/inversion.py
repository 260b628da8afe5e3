"""Images to W+ latents by optimisation (Karras et al. 2020, Appendix D, in the W+ of Abdal et al. 2019).

The latents of every layer are free, the noise stays the generator's constant one. An optimised noise would paint what
the latents cannot, and the hidden features would no longer be those of a generated image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from onemask.errors import OnemaskError
from onemask.seeds import derive_seed
from onemask.stylegan2.protocol import FeatureGenerator

FeatureNetwork = Callable[[Tensor], Sequence[Tensor]]
RAMP_DOWN = 0.3  # share of the steps over which the learning rate falls to zero: Adam comes to rest
BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class InversionSettings:
    """Adam on latents in units of W's standard deviation.

    The loss of an image is the sum of mean squared errors at `scales` resolutions, each half of the one before,
    `feature_weight` times those of a feature network's maps, and `pull` times the mean square of the latents.
    """

    steps: int = 300
    learning_rate: float = 0.1
    scales: int = 3
    pull: float = 0.01
    feature_weight: float = 1.0
    latent_samples: int = 1000  # for the mean and the deviation of W
    batch: int = 16  # images optimised at once


@dataclass(frozen=True)
class Inversion:
    """ws [N, num_ws, w_dim]; psnr [N], dB of the clamped reconstructions, whose range is 2; feature distance [N].

    The latter is the loss's, over all maps of the feature network; None where there was none.
    """

    ws: Tensor
    psnr: Tensor
    feature_distance: Tensor | None = None


def invert(
    generator: FeatureGenerator,
    images: Tensor,
    settings: InversionSettings,
    seed: int,
    features: FeatureNetwork | None = None,
) -> Inversion:
    """W+ latents whose images are close to `images` [N, 3, R, R] in [-1, 1], from the mean of W on.

    `features` maps images to a list of maps, LPIPS-like; without it the loss is of pixels alone. `seed` draws the
    latents from which the mean of W is measured. OnemaskError when the images are not of the generator's size, or when
    the optimisation diverges.
    """
    _check(generator, images)
    mean, deviation = latent_statistics(generator, settings.latent_samples, seed)
    batches = images.to(mean.device, torch.float32).split(settings.batch)
    with tqdm(total=settings.steps * len(batches), desc="inversion", unit="step", mininterval=1) as progress:
        parts = [_invert_batch(generator, part, mean, deviation, settings, features, progress) for part in batches]
    apart = None if features is None else torch.cat([part.feature_distance for part in parts])
    inversion = Inversion(torch.cat([part.ws for part in parts]), torch.cat([part.psnr for part in parts]), apart)
    if not inversion.ws.isfinite().all():
        raise OnemaskError("inversion: a latent is not finite; lower its learning_rate")
    return inversion


@torch.no_grad()
def latent_statistics(generator: FeatureGenerator, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Mean [num_ws, w_dim] and root mean square deviation (a scalar) of `count` latents at psi 1."""
    first = derive_seed(seed, "latents")
    ws = generator.sample_ws(range(first, first + count), 1.0)
    mean = ws.mean(dim=0)
    return mean, (ws - mean).square().mean().sqrt()


def _invert_batch(
    generator: FeatureGenerator,
    targets: Tensor,
    mean: Tensor,
    deviation: Tensor,
    settings: InversionSettings,
    features: FeatureNetwork | None,
    progress: tqdm,
) -> Inversion:
    x = torch.zeros(len(targets), *mean.shape, device=mean.device, requires_grad=True)
    optimiser = torch.optim.Adam([x], settings.learning_rate, BETAS)
    wanted = _pyramid(targets, settings.scales)
    wanted_maps = [] if features is None else [m.detach() for m in features(targets)]
    for step in range(settings.steps):
        optimiser.param_groups[0]["lr"] = settings.learning_rate * ramp_down(step / settings.steps)
        images = generator.synthesize(mean + deviation * x)
        loss = distance(_pyramid(images, settings.scales), wanted) + settings.pull * x.square().mean(dim=(1, 2))
        if features is not None:
            loss = loss + settings.feature_weight * distance(features(images), wanted_maps)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # a sum, and Adam is element-wise: no image feels its neighbours
        optimiser.step()
        progress.update()
    with torch.no_grad():
        ws = mean + deviation * x
        images = generator.synthesize(ws)
        apart = None if features is None else distance(features(images), wanted_maps)
        return Inversion(ws, psnr(images, targets), apart)


def ramp_down(progress: float) -> float:
    """Factor of the learning rate at a share of the steps in [0, 1): one, then half a cosine down to zero."""
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / RAMP_DOWN))


def distance(maps: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Sum over pairs of maps [N, C, h, w] of their mean squared differences: [N]."""
    pairs = zip(maps, wanted, strict=True)
    return torch.stack([(a - b).square().mean(dim=(1, 2, 3)) for a, b in pairs]).sum(dim=0)


def psnr(images: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB [N] of images clamped to [-1, 1]: 10 log10(2^2 / MSE).

    With `mask` (bool [N, H, W]) the error is that of its pixels; NaN where it is empty.
    """
    errors = (images.clamp(-1, 1) - targets).square().mean(dim=1)
    if mask is None:
        return 10 * torch.log10(4 / errors.mean(dim=(1, 2)))
    return 10 * torch.log10(4 * mask.sum(dim=(1, 2)) / (errors * mask).sum(dim=(1, 2)))


def _pyramid(images: Tensor, scales: int) -> list[Tensor]:
    pyramid = [images]
    for _ in range(scales - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid


def _check(generator: FeatureGenerator, images: Tensor) -> None:
    if not images.is_floating_point():
        raise ValueError(f"images: {images.dtype}, expected floats in [-1, 1]")
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, generator.resolution, generator.resolution):
        size = generator.resolution
        raise OnemaskError(f"images: {list(images.shape)}, expected [N, 3, {size}, {size}]; resize them first")
