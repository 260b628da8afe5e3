"""HFC + KMeans, the baseline: mini-batch k-means on the hidden features of sampled pixels.

Maps of different layers differ in magnitude by an order; unscaled, the distance is that of the loudest layer alone.
With `scaling: map_std` each map is divided by the standard deviation of all its values in the sample, one number per
map, so that a layer counts by its channels and the channels of one layer keep their relative strengths; `none` leaves
them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from tqdm import tqdm

from onemask.clustering.pixels import draw_seeds, random_pixels
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.kernels.projection import Size, gather_pixels, project_features

if TYPE_CHECKING:
    from onemask.stylegan2.protocol import FeatureGenerator

IMAGES_AT_ONCE = 8


@dataclass(frozen=True)
class KMeansSettings:
    """The section `kmeans` of a study, and the truncation psi at which images are sampled; `pixels` is per image."""

    clusters: int = 100
    images: int = 64
    pixels: int = 1024
    batch: int = 4096
    iterations: int = 100
    scaling: Literal["map_std", "none"] = "map_std"
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    truncation: float = 0.7


@dataclass(frozen=True)
class KMeansResult:
    """Centroids [K, C] of the scaled features x / scales, scales [C], and how maps are upsampled."""

    centroids: Tensor
    scales: Tensor
    mode: str = "nearest"

    def assign(self, features: Sequence[Tensor], size: Size) -> Tensor:
        """Index of the nearest centroid [N, H, W] int64 for maps [N, C_l, h_l, w_l].

        |x - c|^2 = |x|^2 - 2 x . c + |c|^2: the first term is the same for all clusters, and x . c is a projection,
        taken at native size. The concatenated map is never built.
        """
        products = project_features(features, self.centroids / self.scales, size, self.mode)
        half_squares = self.centroids.square().sum(1)[:, None, None] / 2
        return (products - half_squares).argmax(1)

    def save(self, path: str | Path) -> None:
        """Write as safetensors."""
        tensors = {"centroids": self.centroids, "scales": self.scales}
        write_safetensors(path, tensors, {"kind": "kmeans", "mode": self.mode})

    @classmethod
    def load(cls, path: str | Path) -> KMeansResult:
        """Read what `save` wrote; OnemaskError when the file is something else."""
        tensors, metadata = read_safetensors(path)
        if metadata.get("kind") != "kmeans" or not {"centroids", "scales"} <= tensors.keys():
            raise OnemaskError(f"{path}: not a k-means clustering; run the rule that makes it again")
        return cls(tensors["centroids"], tensors["scales"], metadata["mode"])


def fit_kmeans(generator: FeatureGenerator, settings: KMeansSettings, seed: int) -> KMeansResult:
    """Cluster the features of random pixels of sampled images; one k-means++ start, deterministic by `seed`."""
    if settings.clusters > settings.images * settings.pixels:
        raise OnemaskError(f"kmeans.clusters: {settings.clusters} exceed the sampled pixels; raise kmeans.pixels")
    rng = torch.Generator().manual_seed(seed)
    x = sample_features(generator, settings, rng)
    scales = map_scales(x, generator.feature_channels, settings.scaling)
    model = MiniBatchKMeans(
        settings.clusters,
        batch_size=settings.batch,
        max_iter=settings.iterations,
        n_init=1,
        random_state=seed % 2**32,
    ).fit((x / scales).numpy())
    return KMeansResult(torch.from_numpy(model.cluster_centers_).float(), scales, settings.upsampling)


@torch.no_grad()
def sample_features(generator: FeatureGenerator, settings: KMeansSettings, rng: torch.Generator) -> Tensor:
    """Concatenated features [images * pixels, C] of random pixels, on the CPU."""
    seeds = draw_seeds(settings.images, rng)
    rows = []
    for start in tqdm(range(0, settings.images, IMAGES_AT_ONCE), desc="features", unit="batch", mininterval=1):
        ws = generator.sample_ws(seeds[start : start + IMAGES_AT_ONCE], settings.truncation)
        pixels = random_pixels(len(ws), settings.pixels, generator.resolution, rng).to(ws.device)
        maps = generator.features(ws)[1]
        rows.append(gather_pixels(maps, pixels, generator.resolution, settings.upsampling).flatten(0, 1).cpu())
    return torch.cat(rows)


def map_scales(x: Tensor, channels: Sequence[int], scaling: str) -> Tensor:
    """What each channel is divided by, [C]: its map's standard deviation over pixels and channels, or one."""
    if scaling == "none":
        return torch.ones(x.shape[1])
    deviations = [part.std(correction=0).clamp(min=1e-8).expand(part.shape[1]) for part in x.split(list(channels), 1)]
    return torch.cat(deviations)
