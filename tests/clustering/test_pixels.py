"""Sampled pixels lie where they should, and the pixel distribution is that of the images' feature norms."""

from __future__ import annotations

import pytest
import torch

from onemask.clustering.pixels import patches, pixel_distribution, random_pixels
from onemask.errors import OnemaskError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_random_pixels_do_not_repeat_and_cover_the_image_evenly():
    pixels = random_pixels(2000, 16, 8, rng())
    assert pixels.shape == (2000, 16)
    assert all(len(set(row)) == 16 for row in pixels.tolist())
    counts = torch.bincount(pixels.flatten(), minlength=64).float()
    torch.testing.assert_close(counts / counts.mean(), torch.ones(64), atol=0.2, rtol=0)
    assert sorted(random_pixels(1, 64, 8, rng())[0].tolist()) == list(range(64))


def test_patches_are_whole_squares_anywhere_in_the_image():
    pixels = patches(200, 21, 10, 3, rng())
    assert pixels.shape == (200, 18)  # two patches of nine fit into 21 pixels
    corners = pixels[:, ::9]
    expected = torch.tensor([0, 1, 2, 10, 11, 12, 20, 21, 22])
    assert torch.equal(pixels.unflatten(1, (2, 9)), corners[..., None] + expected)
    rows, columns = corners // 10, corners % 10
    assert set(rows.flatten().tolist()) == set(columns.flatten().tolist()) == set(range(8))
    assert (rows != columns).any()


def test_the_pixel_distribution_weighs_pixels_by_how_common_their_norm_is():
    feature = torch.full((1, 2, 4, 4), 3.0)
    feature[0, :, 0, 0] = 40.0
    doubled = feature.repeat_interleave(2, 2).repeat_interleave(2, 3)
    marginal = pixel_distribution([feature, doubled], torch.tensor([[0, 1, 5, 63]]), 8)
    torch.testing.assert_close(marginal, torch.tensor([4.0, 4.0, 60.0, 60.0], dtype=torch.float64) / 64)


def test_images_of_one_norm_have_a_uniform_distribution():
    marginal = pixel_distribution([torch.ones(2, 3, 4, 4)], torch.tensor([[0, 3], [5, 7]]), 4)
    torch.testing.assert_close(marginal, torch.ones(4, dtype=torch.float64))


def test_too_many_pixels_and_too_large_patches_are_refused():
    with pytest.raises(OnemaskError, match="pixels"):
        random_pixels(1, 65, 8, rng())
    for count, patch_size in ((100, 9), (15, 4)):
        with pytest.raises(OnemaskError, match="patch_size"):
            patches(1, count, 8, patch_size, rng())
