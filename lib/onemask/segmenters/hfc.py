"""Hidden feature clustering with a continuous representation (HFC+SwAV, HFC+SimCLR; Section 5, decisions 14, 27).

The head sees raw z: no L2 normalisation, no prototypes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from onemask.errors import OnemaskError
from onemask.kernels.projection import Size, project_features
from onemask.segmenters.base import Features, fitted, output_size
from onemask.segmenters.head_segmenter import HeadSegmenter, head_segmenter

STATES_UNCERTAINTY = True


class Projection(Protocol):
    """z [N, D, H, W] = activation(weight [D, C] h); without a `negative_slope` the activation is the identity."""

    weight: Tensor
    negative_slope: float | None
    mode: str

    def __call__(self, features: Features, size: Size) -> Tensor: ...


class LinearSegmenter(HeadSegmenter):
    """A linear head on a linear projection: one linear map of the features, with a row per label instead of D."""

    def __init__(self, projection: Projection, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.projection = projection

    @torch.no_grad()
    def predict(self, features: Features) -> Tensor:
        [layer] = fitted(self.head).layers
        weight = layer.weight.flatten(1) @ self.projection.weight
        logits = project_features(features, weight, output_size(features), self.projection.mode)
        return (logits + layer.bias[:, None, None]).argmax(dim=1).to(torch.uint8)


def build(settings: Mapping[str, Any], num_labels: int, clustering: Projection | None, seed: int) -> HeadSegmenter:
    """An unfitted segmenter on z = clustering(features, size) [N, D, H, W]; OnemaskError without such a clustering."""
    if not callable(clustering):
        raise OnemaskError(
            "method module hfc: needs a clustering with a continuous z, such as `clustering: swav`; "
            "for k-means use the module hfc_kmeans"
        )
    linear = clustering.negative_slope is None and settings.get("head") == "mlp1"
    return head_segmenter(
        lambda features, size: [clustering(features, size)],
        settings,
        num_labels,
        seed,
        kind=partial(LinearSegmenter, clustering) if linear else HeadSegmenter,
        nearest=clustering.mode == "nearest",
    )
