"""K-means: assignment without the concatenated map equals the nearest centroid, found clusters are the true ones."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from onemask import sections
from onemask.clustering.kmeans import KMeansResult, KMeansSettings, fit_kmeans, map_scales
from onemask.errors import OnemaskError
from onemask.files import write_safetensors
from onemask.kernels.projection import concatenate_features

SMALL = KMeansSettings(clusters=7, images=10, pixels=40)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("scaling", ["map_std", "none"])
def test_assignment_is_to_the_nearest_centroid(generator, upsampling, scaling):
    result = fit_kmeans(generator, dataclasses.replace(SMALL, upsampling=upsampling, scaling=scaling), seed=3)
    maps = generator.features(generator.sample_ws([1, 2], 0.7))[1]
    x = concatenate_features(maps, 16, upsampling).permute(0, 2, 3, 1) / result.scales
    expected = torch.cdist(x.flatten(0, 2).double(), result.centroids.double()).argmin(1).reshape(2, 16, 16)
    clusters = result.assign(maps, 16)
    assert clusters.dtype == torch.int64
    assert float((clusters == expected).double().mean()) > 0.995  # ties within rounding
    assert len(clusters.unique()) > 3


def test_the_same_seed_finds_the_same_centroids(generator):
    first, second, other = (fit_kmeans(generator, SMALL, seed) for seed in (3, 3, 4))
    assert torch.equal(first.centroids, second.centroids)
    assert not torch.equal(first.centroids, other.centroids)


def test_scaled_maps_have_equal_spread_and_channels_keep_their_relative_strength():
    x = torch.randn(500, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([100.0, 50.0, 1.0, 1.0, 0.1])
    scales = map_scales(x, [2, 3], "map_std")
    scaled = x / scales
    assert float(scaled[:, :2].std(correction=0)) == pytest.approx(1, rel=1e-3)
    assert float(scaled[:, 2:].std(correction=0)) == pytest.approx(1, rel=1e-3)
    assert float(scales[0]) == float(scales[1])
    assert torch.equal(map_scales(x, [2, 3], "none"), torch.ones(5))


def test_a_saved_clustering_assigns_alike(tmp_path, generator):
    result = fit_kmeans(generator, SMALL, seed=3)
    result.save(tmp_path / "kmeans.safetensors")
    maps = generator.features(generator.sample_ws([1], 0.7))[1]
    assert torch.equal(KMeansResult.load(tmp_path / "kmeans.safetensors").assign(maps, 16), result.assign(maps, 16))
    write_safetensors(tmp_path / "other.safetensors", {"weight": torch.eye(2)})
    with pytest.raises(OnemaskError, match=r"other\.safetensors"):
        KMeansResult.load(tmp_path / "other.safetensors")


def test_more_clusters_than_pixels_are_refused(generator):
    with pytest.raises(OnemaskError, match=r"kmeans\.clusters"):
        fit_kmeans(generator, dataclasses.replace(SMALL, clusters=401), seed=3)


def test_the_studys_section_fits_the_settings():
    assert KMeansSettings(**sections.KMeansSettings().model_dump(), truncation=0.5).truncation == 0.5
