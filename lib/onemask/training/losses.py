"""Losses and regularisers of StyleGAN2 (Karras et al. 2020) and of BagGAN (Appendix C)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(fake_logits: Tensor, kind: str = "logistic") -> Tensor:
    """Non-saturating loss, mean of -log sigmoid(D(G(z))); under `wasserstein` the mean of -D(G(z))."""
    return -fake_logits.mean() if kind == "wasserstein" else F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, kind: str = "logistic") -> Tensor:
    """Logistic loss: mean of -log sigmoid(D(x)) plus mean of -log(1 - sigmoid(D(G(z)))).

    Under `wasserstein` the critic's: mean of D(G(z)) minus mean of D(x) (Arjovsky et al. 2017).
    """
    if kind == "wasserstein":
        return fake_logits.mean() - real_logits.mean()
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def overfitting_sign(real_logits: Tensor, fake_logits: Tensor, kind: str = "logistic") -> Tensor:
    """A sample of r_t = E[sign D(x)]; a Wasserstein critic has a free offset, so mean D(G(z)) is taken off first."""
    offset = fake_logits.mean() if kind == "wasserstein" else 0.0
    return (real_logits - offset).detach().sign().mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean squared norm of the gradient of D at real images: Eq. C9 without gamma / 2, itself differentiable.

    Taken at the images that D is shown, after augmentation, so that no second derivative of the warp is needed.
    """
    return _input_gradient(discriminator, images).square().sum(dim=(1, 2, 3)).mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Mean of (|gradient of D| - 1)^2 at random points between real and fake images (Gulrajani et al. 2017)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    norms = _input_gradient(discriminator, torch.lerp(fake, real, share)).square().sum(dim=(1, 2, 3))
    return ((norms + 1e-12).sqrt() - 1).square().mean()


def _input_gradient(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient


def path_lengths(synthesis: Callable[[Tensor], Tensor], ws: Tensor) -> Tensor:
    """|J_w^T y| per image [N] with y ~ N(0, 1) / sqrt(pixels), root mean square over layers; differentiable.

    Perceptual path length regularisation (StyleGAN2, Eq. 4): ws [N, num_ws, w_dim] must be part of a graph.
    """
    images = synthesis(ws)
    noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
    return (gradient.square().sum(dim=2).mean(dim=1) + 1e-12).sqrt()  # at 0 the root has no derivative
