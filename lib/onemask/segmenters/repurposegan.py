"""RepurposeGAN (Tritrong et al., 2021) in the paper's two columns: the head sees the raw hidden features.

The MLP's first layer runs at native sizes; the FCN sees the concatenated map (Eq. 8). With `fit_split: supervised` the
same module is the supervised reference row: the same head fitted on that split in minibatches, for as many steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from onemask.segmenters.base import Features
from onemask.segmenters.head_segmenter import HeadSegmenter, head_segmenter

STATES_UNCERTAINTY = True


def build(settings: Mapping[str, Any], num_labels: int, clustering: Any, seed: int) -> HeadSegmenter:
    """An unfitted segmenter; `clustering` is not used."""
    return head_segmenter(_raw, settings, num_labels, seed)


def _raw(features: Features, size: int) -> Sequence[Tensor]:
    return features
