"""Hidden feature clustering with a continuous representation (HFC+SwAV, HFC+SimCLR; Section 5, decisions 14, 27).

The head sees raw z: no L2 normalisation, no prototypes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from onemask.errors import OnemaskError
from onemask.segmenters.base import Features
from onemask.segmenters.head_segmenter import HeadSegmenter, head_segmenter

Projection = Callable[[Features, int], Tensor]


def build(settings: Mapping[str, Any], num_labels: int, clustering: Projection | None, seed: int) -> HeadSegmenter:
    """An unfitted segmenter on z = clustering(features, size) [N, D, H, W]; OnemaskError without such a clustering."""
    if not callable(clustering):
        raise OnemaskError(
            "method module hfc: needs a clustering with a continuous z, such as `clustering: swav`; "
            "for k-means use the module hfc_kmeans"
        )
    return head_segmenter(lambda features, size: [clustering(features, size)], settings, num_labels, seed)
