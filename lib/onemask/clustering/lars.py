"""Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, 2017), the optimiser of Section 6.2.3."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose rate is scaled per tensor: v = m v + lr lambda (g + wd w); w = w - v.

    lambda = trust |w| / (|g| + wd |w|), and 1 for a tensor whose weights or gradients are all zero.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.9,
        trust: float = 0.01,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every tensor that has a gradient; closures are not supported."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)

    def _update(self, weight: Tensor, group: dict) -> None:
        decay = group["weight_decay"]
        scale = group["lr"] * local_rate(weight, weight.grad, group["trust"], decay)
        velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
        velocity.mul_(group["momentum"]).add_((weight.grad + decay * weight) * scale)
        weight.sub_(velocity)


def local_rate(weight: Tensor, gradient: Tensor, trust: float, weight_decay: float) -> Tensor:
    """lambda of one tensor, a scalar tensor."""
    weight_norm, gradient_norm = weight.norm(), gradient.norm()
    rate = trust * weight_norm / (gradient_norm + weight_decay * weight_norm)
    return torch.where((weight_norm > 0) & (gradient_norm > 0), rate, torch.ones_like(rate))
