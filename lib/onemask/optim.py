"""Adam (Kingma and Ba, 2015) without torch.optim, whose first step imports torch._dynamo: 2 s of each short job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Adam:
    """torch's fused kernel on parameters of one device; every one has a gradient at every step.

    Attributes: `means` and `squares`, the moments of each parameter; `count`, the steps taken, a scalar tensor.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, betas: Sequence[float] = (0.9, 0.999)) -> None:
        self.parameters, self.lr, self.betas = list(parameters), lr, betas
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.count = torch.zeros((), device=self.parameters[0].device)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter."""
        self.count += 1
        torch._fused_adam_(
            self.parameters,
            [parameter.grad for parameter in self.parameters],
            self.means,
            self.squares,
            [],
            [self.count] * len(self.parameters),
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
