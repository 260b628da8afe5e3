"""HFC + KMeans, the baseline: mini-batch k-means on the hidden features of sampled pixels.

Maps of different layers differ in magnitude by an order; unscaled, the distance is that of the loudest layer alone.
With `scaling: map_std` each map is divided by the standard deviation of all its values in the sample, one number per
map, so that a layer counts by its channels and the channels of one layer keep their relative strengths; `none` leaves
them as they are.

Three variants (`layers`, Fig. 2): `all` clusters the concatenated features; a block index the maps of that StyleGAN
block alone; `merged` every block alone and then, bottom-up, what the blocks say together:

1. k-means on each block gives a codebook of `block_clusters` centroids; a pixel's joint code is one index per block.
2. A joint code is described by its centroids, one of each block, concatenated: a point among the scaled features.
3. Ward's agglomeration merges the joint codes of MERGED_PIXELS sampled pixels down to `clusters`. It is given pixels:
   equal codes merge first, at height zero, so that a code weighs by how common it is.
4. A joint code that was among them keeps its cluster, so that fewer clusters are unions of more; any other takes the
   cluster of the nearest centroid, the mean description of a cluster's pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, Self

import torch
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
from torch import Tensor

from onemask.clustering.pixels import draw_seeds, random_pixels
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.kernels.projection import Size, gather_pixels, project_features
from onemask.progress import steps
from onemask.stylegan2.protocol import FeatureGenerator, mapped_blocks

IMAGES_AT_ONCE = 8
MERGED_PIXELS = 8192  # Ward's agglomeration takes time and memory by its square


@dataclass(frozen=True)
class KMeansSettings:
    """The section `kmeans` of a study, and the truncation psi at which images are sampled; `pixels` is per image.

    `block_clusters` belongs to `layers: merged`. Single blocks, merged or not, are upsampled nearest: a code is no
    number to interpolate.
    """

    clusters: int = 100
    images: int = 64
    pixels: int = 1024
    batch: int = 4096
    iterations: int = 100
    scaling: Literal["map_std", "none"] = "map_std"
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    layers: Literal["all", "merged"] | int = "all"
    block_clusters: int = 16
    truncation: float = 0.7


@dataclass(frozen=True)
class KMeansResult:
    """Centroids [K, C] of the scaled features x / scales, scales [C], and how maps are upsampled.

    `maps` are the indices of the feature maps that C counts; None: all of them.
    """

    centroids: Tensor
    scales: Tensor
    mode: str = "nearest"
    maps: tuple[int, ...] | None = None

    def assign(self, features: Sequence[Tensor], size: Size) -> Tensor:
        """Index of the nearest centroid [N, H, W] int64 for maps [N, C_l, h_l, w_l].

        |x - c|^2 = |x|^2 - 2 x . c + |c|^2: the first term is the same for all clusters, and x . c is a projection,
        taken at native size. The concatenated map is never built.
        """
        chosen = features if self.maps is None else [features[index] for index in self.maps]
        products = project_features(chosen, self.centroids / self.scales, size, self.mode)
        half_squares = self.centroids.square().sum(1)[:, None, None] / 2
        return (products - half_squares).argmax(1)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)})

    def save(self, path: str | Path) -> None:
        """Write as safetensors."""
        tensors = {"centroids": self.centroids, "scales": self.scales}
        write_safetensors(path, tensors, {"kind": "kmeans", "mode": self.mode, "maps": self.maps})

    @classmethod
    def load(cls, path: str | Path) -> KMeansResult:
        """Read what `save` wrote, here or in MergedKMeans; OnemaskError when the file is something else."""
        tensors, metadata = read_safetensors(path)
        if metadata.get("kind") != "kmeans" or not {"centroids", "scales"} <= tensors.keys():
            raise OnemaskError(f"{path}: not a k-means clustering; run the rule that makes it again")
        if "codes" in tensors:
            return MergedKMeans.from_tensors(tensors, metadata["codebook_maps"])
        maps = metadata.get("maps")
        return cls(tensors["centroids"], tensors["scales"], metadata["mode"], maps and tuple(maps))


@dataclass(frozen=True, kw_only=True)
class MergedKMeans(KMeansResult):
    """Clusters of joint codes: `centroids` [K, C] are their mean descriptions; see the module's docstring.

    `codebooks`, one of each block; `codes` [J, blocks] int64, the joint codes that were merged, and `clusters` [J]
    int64, where each of them went.
    """

    codebooks: tuple[KMeansResult, ...]
    codes: Tensor
    clusters: Tensor

    def assign(self, features: Sequence[Tensor], size: Size) -> Tensor:
        """Cluster of each pixel's joint code [N, H, W] int64 for maps [N, C_l, h_l, w_l]."""
        codes = torch.stack([codebook.assign(features, size) for codebook in self.codebooks], dim=-1)
        distinct, inverse = torch.cat([self.codes, codes.flatten(0, -2)]).unique(dim=0, return_inverse=True)
        known, asked = inverse.split([len(self.codes), codes[..., 0].numel()])
        descriptions = describe(distinct, [codebook.centroids for codebook in self.codebooks])
        clusters = torch.cdist(descriptions, self.centroids).argmin(1)
        clusters[known] = self.clusters
        return clusters[asked].view(codes.shape[:-1])

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        return replace(super().to(device), codebooks=tuple(codebook.to(device) for codebook in self.codebooks))

    def save(self, path: str | Path) -> None:
        """Write as safetensors."""
        codebooks = {f"codebook{index}": codebook.centroids for index, codebook in enumerate(self.codebooks)}
        own = {name: getattr(self, name) for name in ("centroids", "scales", "codes", "clusters")}
        maps = [codebook.maps for codebook in self.codebooks]
        write_safetensors(path, own | codebooks, {"kind": "kmeans", "codebook_maps": maps})

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], codebook_maps: Sequence[Sequence[int]]) -> MergedKMeans:
        """What `save` wrote."""
        centroids = [tensors[f"codebook{index}"] for index in range(len(codebook_maps))]
        scales = tensors["scales"].split([each.shape[1] for each in centroids])
        parts = zip(centroids, scales, codebook_maps, strict=True)
        codebooks = tuple(KMeansResult(each, scale, maps=tuple(maps)) for each, scale, maps in parts)
        own = {name: tensors[name] for name in ("centroids", "scales", "codes", "clusters")}
        return cls(**own, codebooks=codebooks)


def describe(codes: Tensor, codebooks: Sequence[Tensor]) -> Tensor:
    """Joint codes [J, blocks] as points [J, sum C_b]: the rows of the blocks' codebooks [k, C_b], concatenated."""
    return torch.cat([rows[code] for rows, code in zip(codebooks, codes.unbind(1), strict=True)], dim=1)


def fit_kmeans(generator: FeatureGenerator, settings: KMeansSettings, seed: int) -> KMeansResult:
    """Cluster the features of random pixels of sampled images; one k-means++ start, deterministic by `seed`."""
    if settings.clusters > settings.images * settings.pixels:
        raise OnemaskError(f"kmeans.clusters: {settings.clusters} exceed the sampled pixels; raise kmeans.pixels")
    blocks = mapped_blocks(generator)
    if settings.layers not in ("all", "merged", *range(blocks)):
        raise OnemaskError(f"kmeans.layers: {settings.layers}, but the generator has blocks 0 to {blocks - 1}")
    if settings.layers == "merged":
        return merge(*fit_codebooks(generator, settings, seed), settings.clusters)
    mode = settings.upsampling if settings.layers == "all" else "nearest"
    x, scales = scaled_features(generator, settings, mode, seed)
    if settings.layers == "all":
        return KMeansResult(fit_centroids(x, settings, seed)[0], scales, mode)
    return fit_block(generator, x, scales, settings.layers, settings, seed)[0]


def fit_codebooks(
    generator: FeatureGenerator, settings: KMeansSettings, seed: int
) -> tuple[tuple[KMeansResult, ...], Tensor]:
    """K-means of every block alone, `block_clusters` each, and the joint codes [n, blocks] of the sampled pixels."""
    x, scales = scaled_features(generator, settings, "nearest", seed)
    few = replace(settings, clusters=settings.block_clusters)
    fitted = [fit_block(generator, x, scales, block, few, seed) for block in range(mapped_blocks(generator))]
    codebooks, codes = zip(*fitted, strict=True)
    return codebooks, torch.stack(codes, dim=1)


def merge(codebooks: Sequence[KMeansResult], codes: Tensor, clusters: int) -> MergedKMeans:
    """Merge the joint codes [n, blocks] of sampled pixels down to `clusters`; see the module's docstring."""
    codes, code_of = codes[:: -(-len(codes) // MERGED_PIXELS)].unique(dim=0, return_inverse=True)
    if clusters > len(codes):
        raise OnemaskError(
            f"kmeans.clusters: {clusters} exceed the {len(codes)} joint codes that occur; raise kmeans.block_clusters"
        )
    centroids = [codebook.centroids for codebook in codebooks]
    # A rotation into each codebook's own span keeps all distances, in a few dozen numbers.
    coordinates = [torch.linalg.qr(each.T, mode="r").R.T for each in centroids]
    pixels = describe(codes, coordinates)[code_of]
    labels = torch.from_numpy(AgglomerativeClustering(clusters, linkage="ward").fit_predict(pixels.numpy()))
    descriptions = describe(codes, centroids)[code_of]
    sums = torch.zeros(clusters, descriptions.shape[1]).index_add_(0, labels, descriptions)
    return MergedKMeans(
        sums / labels.bincount()[:, None],
        torch.cat([codebook.scales for codebook in codebooks]),
        codebooks=tuple(codebooks),
        codes=codes,
        clusters=torch.empty(len(codes), dtype=torch.int64).index_copy_(0, code_of, labels),
    )


def fit_block(
    generator: FeatureGenerator, x: Tensor, scales: Tensor, block: int, settings: KMeansSettings, seed: int
) -> tuple[KMeansResult, Tensor]:
    """K-means of one block's columns of the scaled features x [n, C], and each row's index int64 [n]."""
    owners = torch.tensor(generator.feature_blocks)
    own = owners.repeat_interleave(torch.tensor(generator.feature_channels)) == block
    centroids, codes = fit_centroids(x[:, own], settings, seed)
    maps = tuple((owners == block).nonzero().flatten().tolist())
    return KMeansResult(centroids, scales[own], maps=maps), codes


def fit_centroids(x: Tensor, settings: KMeansSettings, seed: int) -> tuple[Tensor, Tensor]:
    """Centroids [K, C] of rows x [n, C], and the index int64 [n] of each row's."""
    model = MiniBatchKMeans(
        settings.clusters,
        batch_size=settings.batch,
        max_iter=settings.iterations,
        n_init=1,
        random_state=seed % 2**32,
    ).fit(x.numpy())
    return torch.from_numpy(model.cluster_centers_).float(), torch.from_numpy(model.labels_).long()


def scaled_features(
    generator: FeatureGenerator, settings: KMeansSettings, mode: str, seed: int
) -> tuple[Tensor, Tensor]:
    """Scaled features [n, C] of sampled pixels, and the scales [C]."""
    x = sample_features(generator, settings, mode, torch.Generator().manual_seed(seed))
    scales = map_scales(x, generator.feature_channels, settings.scaling)
    return x / scales, scales


@torch.no_grad()
def sample_features(generator: FeatureGenerator, settings: KMeansSettings, mode: str, rng: torch.Generator) -> Tensor:
    """Concatenated features [images * pixels, C] of random pixels, on the CPU."""
    seeds = draw_seeds(settings.images, rng)
    rows = []
    for batch in steps(-(-settings.images // IMAGES_AT_ONCE), "features"):
        start = batch * IMAGES_AT_ONCE
        ws = generator.sample_ws(seeds[start : start + IMAGES_AT_ONCE], settings.truncation)
        pixels = random_pixels(len(ws), settings.pixels, generator.resolution, rng).to(ws.device)
        maps = generator.features(ws)[1]
        rows.append(gather_pixels(maps, pixels, generator.resolution, mode).flatten(0, 1).cpu())
    return torch.cat(rows)


def map_scales(x: Tensor, channels: Sequence[int], scaling: str) -> Tensor:
    """What each channel is divided by, [C]: its map's standard deviation over pixels and channels, or one."""
    if scaling == "none":
        return torch.ones(x.shape[1])
    deviations = [part.std(correction=0).clamp(min=1e-8).expand(part.shape[1]) for part in x.split(list(channels), 1)]
    return torch.cat(deviations)
