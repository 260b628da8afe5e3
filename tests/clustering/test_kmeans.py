"""K-means: assignment without the concatenated map equals the nearest centroid; single blocks; merging over blocks."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from onemask import sections
from onemask.clustering.kmeans import (
    KMeansResult,
    KMeansSettings,
    MergedKMeans,
    fit_codebooks,
    fit_kmeans,
    map_scales,
    merge,
)
from onemask.errors import OnemaskError
from onemask.files import write_safetensors
from onemask.kernels.projection import concatenate_features
from onemask.segmenters.hfc_kmeans import ClusterTable

SMALL = KMeansSettings(clusters=7, images=10, pixels=40, block_clusters=4)
VARIANTS = [SMALL, dataclasses.replace(SMALL, layers=1), dataclasses.replace(SMALL, layers="merged")]


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


@pytest.mark.parametrize("settings", VARIANTS)
def test_the_same_seed_finds_the_same_centroids(generator, settings):
    first, second, other = (fit_kmeans(generator, settings, seed) for seed in (3, 3, 4))
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


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_saved_clustering_assigns_alike(tmp_path, generator, settings):
    result = fit_kmeans(generator, settings, seed=3)
    result.save(tmp_path / "kmeans.safetensors")
    loaded = KMeansResult.load(tmp_path / "kmeans.safetensors")
    maps = generator.features(generator.sample_ws([1], 0.7))[1]
    assert type(loaded) is type(result) and torch.equal(loaded.centroids, result.centroids)
    assert torch.equal(loaded.assign(maps, 16), result.assign(maps, 16))


def test_a_file_of_another_kind_is_one_line(tmp_path):
    write_safetensors(tmp_path / "other.safetensors", {"weight": torch.eye(2)})
    with pytest.raises(OnemaskError, match=r"other\.safetensors"):
        KMeansResult.load(tmp_path / "other.safetensors")


def test_a_single_block_sees_its_own_maps_alone_at_their_size(generator):
    """Block 1 has the maps 1 and 2, of 8 px: the others may hold anything, and codes come in squares of 2 x 2."""
    result = fit_kmeans(generator, dataclasses.replace(SMALL, layers=1, upsampling="bilinear"), seed=3)
    maps = generator.features(generator.sample_ws([1, 2], 0.7))[1]
    x = torch.cat(maps[1:3], dim=1).permute(0, 2, 3, 1) / result.scales
    native = torch.cdist(x.flatten(0, 2).double(), result.centroids.double()).argmin(1).reshape(2, 8, 8)
    others = [maps[index] if index in (1, 2) else torch.full_like(maps[index], torch.nan) for index in range(5)]
    clusters = result.assign(others, 16)
    expected = native.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert float((clusters == expected).double().mean()) > 0.995  # ties within rounding
    assert len(clusters.unique()) > 3


def codebooks(*points):
    """A block of one channel for each list of points."""
    return [KMeansResult(torch.tensor(each)[:, None], torch.ones(1), maps=(i,)) for i, each in enumerate(points)]


def assigned(result, *codes):
    """Clusters of pixels whose features are the codebooks' own points."""
    points = [
        book.centroids[list(code), 0] for book, code in zip(result.codebooks, zip(*codes, strict=True), strict=True)
    ]
    return result.assign([each[None, None, None] for each in points], (1, len(codes)))[0, 0].tolist()


def test_common_joint_codes_weigh_more_in_merging():
    """Ward merges where w_a w_b / (w_a + w_b) d^2 is least: 50 for the near common pair, 1.4 for the rare code."""
    books = codebooks([0.0, 1.0, 2.2], [5.0])
    once = merge(books, torch.tensor([[0, 0], [1, 0], [2, 0]]), 2)
    assert len(set(assigned(once, (0, 0), (1, 0)))) == 1
    often = merge(books, torch.tensor([[0, 0]] * 100 + [[1, 0]] * 100 + [[2, 0]]), 2)
    first, second, third = assigned(often, (0, 0), (1, 0), (2, 0))
    assert first != second == third
    torch.testing.assert_close(often.centroids[third], torch.tensor([(100 * 1.0 + 2.2) / 101, 5.0]))


def test_merged_codes_keep_their_cluster_and_others_go_to_the_nearest_centroid():
    """Code (1, 0) went to cluster 1, though the centroid of cluster 0 is nearer."""
    result = MergedKMeans(
        torch.tensor([[0.0, 5.0], [4.0, 5.0]]),
        torch.ones(2),
        codebooks=tuple(codebooks([0.0, 1.0, 1.5, 3.0], [5.0])),
        codes=torch.tensor([[0, 0], [1, 0]]),
        clusters=torch.tensor([0, 1]),
    )
    assert assigned(result, (0, 0), (1, 0), (2, 0), (3, 0)) == [0, 1, 0, 1]


def test_fewer_merged_clusters_are_unions_of_more(generator):
    fitted = fit_codebooks(generator, SMALL, seed=3)
    many, few = (merge(*fitted, number).clusters for number in (9, 3))
    assert len(many.unique()) == 9 and len(few.unique()) == 3
    assert len(torch.stack([many, few]).unique(dim=1).T) == 9


def test_merged_clusters_are_a_one_shot_segmenter(generator):
    """Labels that are themselves unions of clusters are learnt from one image without an error."""
    result = fit_kmeans(generator, VARIANTS[2], seed=3)
    maps = generator.features(generator.sample_ws([1], 0.7))[1]
    label_maps = (result.assign(maps, 16) % 2).to(torch.uint8)
    assert 0 < int(label_maps.sum()) < label_maps.numel()
    assert torch.equal(ClusterTable(result, 2).fit(maps, label_maps).predict(maps), label_maps)


def test_more_clusters_than_pixels_are_refused(generator):
    with pytest.raises(OnemaskError, match=r"kmeans\.clusters"):
        fit_kmeans(generator, dataclasses.replace(SMALL, clusters=401), seed=3)


def test_more_merged_clusters_than_joint_codes_are_refused():
    with pytest.raises(OnemaskError, match=r"3 exceed the 2 joint codes that occur; raise kmeans\.block_clusters"):
        merge(codebooks([0.0, 1.0], [5.0]), torch.tensor([[0, 0], [1, 0], [1, 0]]), 3)


def test_a_block_that_the_generator_lacks_is_refused(generator):
    with pytest.raises(OnemaskError, match=r"kmeans\.layers: 3, but the generator has blocks 0 to 2"):
        fit_kmeans(generator, dataclasses.replace(SMALL, layers=3), seed=3)


def test_the_studys_section_fits_the_settings():
    assert KMeansSettings(**sections.KMeansSettings().model_dump(), truncation=0.5).truncation == 0.5
