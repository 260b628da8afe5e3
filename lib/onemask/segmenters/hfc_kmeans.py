"""HFC+KMeans: one-hot codes of the clusters -> segmenter, in closed form.

On one-hot codes a dense layer holds one independent row of logits per cluster, and cross entropy makes that row the log
of the label frequencies within the cluster: its prediction is the cluster's most frequent label. This module counts
that table instead of approaching it by 200 epochs of Adam. Clusters that the exemplar lacks, most of them where K is
large, would be left to the random initialisation; here they take the label of the nearest cluster that it has, the
reading that favours this baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from onemask.errors import OnemaskError
from onemask.segmenters.base import Features, check_label_maps, fitted, output_size


class Clusters(Protocol):
    """A fitted k-means on hidden features, with centroids [K, C]."""

    centroids: Tensor

    def assign(self, features: Features, size: int) -> Tensor:
        """Index int64 [N, size, size] of each pixel's cluster."""
        ...


class ClusterTable:
    """Segmenter (see base): a table cluster -> label."""

    def __init__(self, clusters: Clusters, num_labels: int) -> None:
        self.clusters = clusters
        self.num_labels = num_labels
        self.table: Tensor | None = None

    def represent(self, features: Features) -> list[Tensor]:
        """Each pixel's cluster, int64 [N, 1, H, W]."""
        return [self.clusters.assign(features, output_size(features))[:, None]]

    def fit(self, features: Features, label_maps: Tensor) -> Self:
        check_label_maps(features, label_maps, self.num_labels)
        pairs = self.represent(features)[0].flatten() * self.num_labels + label_maps.long().flatten()
        cells = len(self.clusters.centroids) * self.num_labels
        counts = pairs.bincount(minlength=cells).unflatten(0, (-1, self.num_labels))
        # The share of each label in the exemplar, below 1, decides ties.
        table = (counts + counts.sum(dim=0) / (counts.sum() + 1)).argmax(dim=1).to(torch.uint8)
        seen = counts.sum(dim=1).nonzero().flatten()
        centroids = self.clusters.centroids
        self.table = table[seen[torch.cdist(centroids, centroids[seen]).argmin(dim=1)]]
        return self

    def segment(self, representation: Sequence[Tensor]) -> Tensor:
        return fitted(self.table)[representation[0][:, 0]]

    def predict(self, features: Features) -> Tensor:
        return self.segment(self.represent(features))

    def state(self) -> dict[str, Tensor]:
        return {"table": fitted(self.table)}

    def restore(self, state: Mapping[str, Tensor]) -> Self:
        self.table = state["table"]
        return self


def build(settings: Mapping[str, Any], num_labels: int, clustering: Clusters | None, seed: int) -> ClusterTable:
    """An unfitted segmenter; OnemaskError without a clustering. No settings, no randomness."""
    if clustering is None:
        raise OnemaskError("method module hfc_kmeans: needs a clustering; set `clustering: kmeans` for the method")
    return ClusterTable(clustering, num_labels)
