"""Fitting a head on annotated samples (Section 6.2.4, decision 26)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.errors import OnemaskError
from onemask.optim import Adam
from onemask.progress import steps
from onemask.segmenters.heads import Prepared

Prepare = Callable[[Sequence[Tensor]], Sequence[Prepared]]


@dataclass(frozen=True)
class FitOptions:
    """Adam and the number of epochs. `batch` is the most images per step: fewer samples make a full batch each step."""

    epochs: int = 200
    learning_rate: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    batch: int = 10


def fit_head(
    head: nn.Module,
    prepare: Prepare,
    features: Sequence[Tensor],
    label_maps: Tensor,
    options: FitOptions,
    generator: torch.Generator,
) -> None:
    """Fit `head` in place: cross entropy over all pixels, one Adam step per epoch.

    `features` are maps [n, C_l, h_l, w_l], `label_maps` [n, H, W]; `prepare` makes of maps what the head reads. With
    more than `options.batch` samples each step sees a minibatch of the shuffled samples, and the number of steps stays
    the same: the supervised row and the one-shot rows are the same network after as many steps. OnemaskError if the
    loss is not finite in the end.
    """
    optimiser = Adam(head.parameters(), options.learning_rate, options.betas)
    loss = torch.zeros(())
    batches = _batches(features, label_maps.long(), prepare, options.batch, generator)
    for _, (prepared, targets) in zip(steps(options.epochs, "fit", shown=False), batches, strict=False):
        optimiser.zero_grad()
        loss = F.cross_entropy(head(prepared, targets.shape[-1]), targets)
        loss.backward()
        optimiser.step()
    if not bool(torch.isfinite(loss)):
        raise OnemaskError("the head's loss is not finite; lower its learning_rate")
    head.requires_grad_(False)


def _batches(
    features: Sequence[Tensor], targets: Tensor, prepare: Prepare, batch: int, generator: torch.Generator
) -> Iterator[tuple[Sequence[Prepared], Tensor]]:
    """Endless batches; a full batch is prepared once."""
    # Features never need gradients: without them the first layer's backward pass is half as long.
    take = partial(_take, [feature.detach() for feature in features], targets, prepare)
    if len(targets) <= batch:
        whole = take(slice(None))
        while True:
            yield whole
    while True:
        for indices in torch.randperm(len(targets), generator=generator).split(batch):
            yield take(indices)


def _take(
    features: Sequence[Tensor], targets: Tensor, prepare: Prepare, indices: Tensor | slice
) -> tuple[Sequence[Prepared], Tensor]:
    with torch.no_grad():
        return prepare([feature[indices] for feature in features]), targets[indices]
