"""Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, 2017), the optimiser of Section 6.2.3."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class LARS:
    """SGD with momentum whose rate is scaled per tensor: v = m v + lr lambda (g + wd w); w = w - v.

    lambda = trust |w| / (|g| + wd |w|), and 1 for a tensor whose weights or gradients are all zero. No torch.optim:
    see onemask.optim.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.9,
        trust: float = 0.01,
        weight_decay: float = 0.0,
    ) -> None:
        self.params, self.lr, self.momentum = list(params), lr, momentum
        self.trust, self.weight_decay = trust, weight_decay
        self.velocities = [torch.zeros_like(weight) for weight in self.params]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.params:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of every tensor that has a gradient."""
        for weight, velocity in zip(self.params, self.velocities, strict=True):
            if weight.grad is None:
                continue
            scale = self.lr * local_rate(weight, weight.grad, self.trust, self.weight_decay)
            velocity.mul_(self.momentum).add_((weight.grad + self.weight_decay * weight) * scale)
            weight.sub_(velocity)


def local_rate(weight: Tensor, gradient: Tensor, trust: float, weight_decay: float) -> Tensor:
    """lambda of one tensor, a scalar tensor."""
    weight_norm, gradient_norm = weight.norm(), gradient.norm()
    rate = trust * weight_norm / (gradient_norm + weight_decay * weight_norm)
    return torch.where((weight_norm > 0) & (gradient_norm > 0), rate, torch.ones_like(rate))
