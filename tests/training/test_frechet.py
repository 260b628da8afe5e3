"""Frechet distance against closed forms; the feature network against what its weights are known to recognise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from onemask.errors import OnemaskError
from onemask.stylegan2.checkpoint import save_generator
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.images import to_pixels
from onemask.training import frechet, image_features


def random_covariance(rng: np.random.Generator, size: int, rank: int) -> np.ndarray:
    factor = rng.normal(size=(size, rank))
    return factor @ factor.T


def test_maps_are_of_five_stages_and_of_unit_length_and_large_images_are_halved() -> None:
    network = image_features.EfficientNetLite0().eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps, large = network.maps(images), network.maps(torch.rand(1, 3, 512, 512))
    assert [tuple(found.shape[1:3]) for found in maps] == [(16, 32), (24, 16), (40, 8), (80, 4), (112, 4)]
    assert [found.shape[-1] for found in large] == [128, 64, 32, 16, 16]
    for found in maps:
        torch.testing.assert_close(found.norm(dim=1), torch.ones(2, *found.shape[2:]))


def test_equal_gaussians_have_distance_zero() -> None:
    rng = np.random.default_rng(0)
    mean, covariance = rng.normal(size=6), random_covariance(rng, 6, 6)
    assert frechet.frechet_distance(mean, covariance, mean, covariance) == pytest.approx(0, abs=1e-9)


def test_commuting_gaussians_have_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    a, b, shift = rng.uniform(0.1, 4, 5), rng.uniform(0.1, 4, 5), rng.normal(size=5)
    expected = shift @ shift + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    found = frechet.frechet_distance(shift, basis * a @ basis.T, np.zeros(5), basis * b @ basis.T)
    assert found == pytest.approx(expected, rel=1e-9)


def test_general_gaussians_agree_with_the_matrix_square_root() -> None:
    rng = np.random.default_rng(2)
    one, two = random_covariance(rng, 7, 9), random_covariance(rng, 7, 9)
    expected = np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    assert frechet.frechet_distance(np.zeros(7), one, np.zeros(7), two) == pytest.approx(expected, rel=1e-6)


def test_singular_covariances_give_a_finite_symmetric_distance() -> None:
    rng = np.random.default_rng(3)
    one, two = random_covariance(rng, 30, 4), random_covariance(rng, 30, 5)
    there = frechet.frechet_distance(np.zeros(30), one, np.zeros(30), two)
    back = frechet.frechet_distance(np.zeros(30), two, np.zeros(30), one)
    assert there > 0 and there == pytest.approx(back, rel=1e-6)


def test_streamed_statistics_equal_numpys_even_far_from_zero() -> None:
    samples = np.random.default_rng(4).normal(size=(50, 8)) + 1e6
    statistics = frechet.FeatureStatistics(8)
    for part in np.split(samples, [1, 7, 30]):
        statistics.add(torch.from_numpy(part))
    np.testing.assert_allclose(statistics.mean(), samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.covariance(), np.cov(samples.T), atol=1e-8)


def test_a_covariance_of_one_image_is_one_clear_line() -> None:
    with pytest.raises(OnemaskError, match="at least 2 images, found 1"):
        frechet.FeatureStatistics(3).add(np.zeros((1, 3))).covariance()


def test_image_statistics_stream_every_image_once() -> None:
    class MeanColour(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3)) * self.scale

    images = torch.randint(0, 256, (11, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batches = frechet.sample_batches(lambda seeds: images[seeds], range(11), 4)
    statistics = frechet.image_statistics(batches, MeanColour(), size=32, num_features=3)
    expected = (images.double() / 127.5 - 1).mean(dim=(0, 2, 3))
    assert statistics.count == 11
    np.testing.assert_allclose(statistics.mean(), expected, atol=1e-3)


def test_resize_treats_bytes_and_their_floats_alike() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    resized = image_features.resize_for_features(images, 24)
    torch.testing.assert_close(image_features.resize_for_features(images / 127.5 - 1, 24), resized)
    assert resized.shape == (2, 3, 24, 24) and resized.abs().max() <= 1.001


def test_same_padding_is_tensorflows() -> None:
    conv = image_features.SameConv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.ones_(conv.weight)
    out = conv(torch.ones(1, 1, 4, 4))
    assert out.tolist() == [[[[9.0, 6.0], [6.0, 4.0]]]]


def test_damaged_weights_are_refused(tmp_path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"not weights")
    with pytest.raises(OnemaskError, match="sha256"):
        image_features.load_feature_network(tmp_path / "weights.pth")


def test_missing_package_names_the_remedy(monkeypatch) -> None:
    monkeypatch.setattr(image_features, "WEIGHTS_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(OnemaskError, match=r"\.\[score\]"):
        image_features.installed_weights()


def test_public_weights_recognise_a_daisy_like_flower() -> None:
    pytest.importorskip(image_features.WEIGHTS_PACKAGE)
    from sklearn.datasets import load_sample_image

    flower = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1)[None, :, :, 106:533]
    network = image_features.load_feature_network()
    images = image_features.resize_for_features(flower, 224)
    assert network.logits(images).argmax().item() == 985  # ImageNet's "daisy": the nearest class to this dahlia
    assert network(images).shape == (1, network.num_features)


class MeanColour(torch.nn.Module):
    """Three features of an image: its mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


def test_milestones_are_scored_in_the_order_of_their_images(tmp_path) -> None:
    """A generator's own samples are nearer to it than another's; the order is the one of images seen, not of files."""
    torch.manual_seed(0)
    near, far = (Generator(8, 8, 16, 64, 8) for _ in range(2))
    with torch.no_grad():
        real = to_pixels(frechet.generate(near, range(100, 400)), 16).transpose(0, 3, 1, 2)
        far.synthesis.b16.torgb.bias.add_(0.5)
    save_generator(tmp_path / "000020000.safetensors", far)
    save_generator(tmp_path / "000010000.safetensors", near)
    rows = frechet.milestone_scores(tmp_path, real, MeanColour(), 120, seed=1, num_features=3)
    assert [row["kimg"] for row in rows] == [10, 20]
    first, second = (row[frechet.SCORE_NAME] for row in rows)
    assert first < 0.1 * second
    assert frechet.milestone_scores(tmp_path, real, MeanColour(), 120, seed=1, num_features=3) == rows


def test_a_score_without_milestones_or_images_names_the_remedy(tmp_path) -> None:
    images = np.zeros((3, 3, 16, 16), np.uint8)
    with pytest.raises(OnemaskError, match="milestone_kimg"):
        frechet.milestone_scores(tmp_path, images, MeanColour(), 2, seed=1)
    save_generator(tmp_path / "000010000.safetensors", Generator(8, 8, 16, 64, 8))
    with pytest.raises(OnemaskError, match="3 training images, the score asks for 4"):
        frechet.milestone_scores(tmp_path, images, MeanColour(), 4, seed=1)
