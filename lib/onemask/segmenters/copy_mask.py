"""Copy-mask: every image gets the exemplar's mask. The floor that a one-shot method has to leave behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from onemask.segmenters.base import Features, check_label_maps, fitted


class CopyMask:
    """Segmenter (see base); of several annotated samples it pastes each pixel's most frequent label."""

    def __init__(self, num_labels: int) -> None:
        self.num_labels = num_labels
        self.mask: Tensor | None = None

    def represent(self, features: Features) -> list[Tensor]:
        """The smallest map: only the number of images matters."""
        return [min(features, key=Tensor.numel)]

    def fit(self, features: Features, label_maps: Tensor) -> Self:
        check_label_maps(features, label_maps, self.num_labels)
        # mode() takes the smallest of equally frequent labels: deterministic.
        self.mask = label_maps.mode(dim=0).values.to(torch.uint8)
        return self

    def segment(self, representation: Sequence[Tensor]) -> Tensor:
        return fitted(self.mask).expand(len(representation[0]), -1, -1)

    def predict(self, features: Features) -> Tensor:
        return self.segment(self.represent(features))

    def state(self) -> dict[str, Tensor]:
        return {"mask": fitted(self.mask)}

    def restore(self, state: Mapping[str, Tensor]) -> Self:
        self.mask = state["mask"]
        return self


def build(settings: Mapping[str, Any], num_labels: int, clustering: Any, seed: int) -> CopyMask:
    """An unfitted segmenter; nothing but `num_labels` is used."""
    return CopyMask(num_labels)
