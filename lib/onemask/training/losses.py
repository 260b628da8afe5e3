"""Losses of StyleGAN2 (Karras et al. 2020): non-saturating logistic loss and lazy R1."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Non-saturating loss: mean of -log sigmoid(D(G(z)))."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss: mean of -log sigmoid(D(x)) plus mean of -log(1 - sigmoid(D(G(z))))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean squared norm of the gradient of D at real images: Eq. C9 without gamma / 2, itself differentiable.

    Taken at the images that D is shown, after augmentation, so that no second derivative of the warp is needed.
    """
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
