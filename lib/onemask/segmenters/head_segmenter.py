"""A frozen embedding of the hidden features with a head on top: what RepurposeGAN and HFC have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from onemask.kernels.projection import Size, row_strips
from onemask.segmenters.base import Features, check_label_maps, check_settings, fitted, of_most_uncertain, output_size
from onemask.segmenters.fit import FitOptions, fit_head
from onemask.segmenters.heads import Prepared, head, initialise

Embedding = Callable[[Features, Size], Sequence[Tensor]]
Representation = tuple[Sequence[Prepared], Size]  # what the head reads, and the size of its logits
STRIP = {"cpu": 1 << 12, "cuda": 1 << 20}  # pixels that a pixelwise head sees at once: z of more leaves the cache
SETTINGS = ("head", "hidden", "upsampling", "epochs", "learning_rate", "betas", "batch")


class HeadSegmenter:
    """Segmenter (see base) that fits the head `name` on `embed(features, size)`, maps of one batch.

    `nearest`: the embedding enlarges maps by nearest upsampling, so that strips of rows can be embedded one by one.
    """

    in_minibatches = True  # `fit` takes maps [indices] of its samples, and of no more than a minibatch at a time

    def __init__(
        self,
        embed: Embedding,
        name: str,
        num_labels: int,
        seed: int,
        hidden: int = 128,
        upsampling: str = "nearest",
        options: FitOptions | None = None,
        nearest: bool = True,
    ) -> None:
        self.embed, self.num_labels, self.seed = embed, num_labels, seed
        self.make_head = partial(head, name, num_labels=num_labels, hidden=hidden, mode=upsampling)
        self.options = options or FitOptions()
        self.head: nn.Module | None = None
        empty = self.make_head(1)
        self._prepare = empty.prepare  # a head's preparation needs no weights
        self._in_strips = empty.pixelwise and nearest and upsampling == "nearest"

    def represent(self, features: Features) -> Representation:
        return self._represent(features, output_size(features))

    @torch.no_grad()
    def _represent(self, features: Features, size: Size) -> Representation:
        return self._prepare(self.embed(features, size), size), size

    def fit(self, features: Features, label_maps: Tensor) -> Self:
        check_label_maps(features, label_maps, self.num_labels)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            embedded = self.embed([feature[:1] for feature in features], output_size(features))
        self.head = self.make_head(sum(part.shape[1] for part in embedded))
        initialise(self.head, generator)
        self.head.to(features[0].device)
        fit_head(self.head, lambda maps: self.represent(maps)[0], features, label_maps, self.options, generator)
        return self

    @torch.no_grad()
    def segment(self, representation: Representation) -> Tensor:
        return fitted(self.head)(*representation).argmax(dim=1).to(torch.uint8)

    @torch.no_grad()
    def confident(self, features: Features) -> tuple[Tensor, Tensor]:
        """Label maps uint8 [N, H, W], and the probability [N, H, W] of each pixel's label."""
        values, labels = fitted(self.head)(*self.represent(features)).softmax(dim=1).max(dim=1)
        return labels.to(torch.uint8), values

    def uncertainty(self, features: Features) -> Tensor:
        """Per image [N] the mean entropy of its 10 % most uncertain pixels, as a share of the largest there is."""
        return self.with_uncertainty(features)[1]

    @torch.no_grad()
    def with_uncertainty(self, features: Features) -> tuple[Tensor, Tensor]:
        """Label maps uint8 [N, H, W] and uncertainties [N] of one pass over the features."""
        logits = fitted(self.head)(*self.represent(features))
        entropy = torch.special.entr(logits.softmax(dim=1)).sum(dim=1).flatten(1) / math.log(self.num_labels)
        return logits.argmax(dim=1).to(torch.uint8), of_most_uncertain(entropy)

    def predict(self, features: Features) -> Tensor:
        """As base says; a pixelwise head goes strip by strip, so that the representation of all never exists."""
        if not self._in_strips:
            return self.segment(self.represent(features))
        strips = row_strips(features, output_size(features), STRIP.get(features[0].device.type, STRIP["cpu"]))
        return torch.cat([self.segment(self._represent(*strip)) for strip in strips], dim=1)

    def state(self) -> dict[str, Tensor]:
        return dict(fitted(self.head).state_dict())

    def restore(self, state: Mapping[str, Tensor]) -> Self:
        self.head = self.make_head(state["layers.0.weight"].shape[1])
        self.head.to(state["layers.0.weight"].device).load_state_dict(state)
        self.head.requires_grad_(False)
        return self


def head_segmenter(
    embed: Embedding,
    settings: Mapping[str, Any],
    num_labels: int,
    seed: int,
    kind: Callable[..., HeadSegmenter] = HeadSegmenter,
    nearest: bool = True,
) -> HeadSegmenter:
    """From a method's settings: `head`, `hidden`, `upsampling` and FitOptions' fields; OnemaskError on another key."""
    check_settings(settings, SETTINGS)
    own = {key: settings[key] for key in ("hidden", "upsampling") if key in settings}
    options = {key: settings[key] for key in settings if key not in ("head", *own)}
    name = settings.get("head") or "fcn3"
    return kind(embed, name, num_labels, seed, options=FitOptions(**options), nearest=nearest, **own)
