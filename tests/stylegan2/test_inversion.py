"""Inversion: what the generator itself made is found again, and every image is optimised as if it were alone."""

from dataclasses import replace

import pytest
import torch

from onemask.errors import OnemaskError
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.inversion import InversionSettings, distance, invert, latent_statistics, psnr, ramp_down

SETTINGS = InversionSettings(steps=60, pull=0.0, latent_samples=64, batch=4)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(5)
    network = Generator(z_dim=8, w_dim=8, resolution=16, channel_base=256, channel_max=16)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def targets(generator):
    return generator.synthesize(generator.sample_ws(range(100, 103), 0.7)).clamp(-1, 1)


def start_psnr(generator, targets):
    mean, _ = latent_statistics(generator, SETTINGS.latent_samples, 0)
    return psnr(generator.synthesize(mean.expand(len(targets), -1, -1)), targets)


def test_images_of_the_generator_are_reproduced(generator, targets):
    found = invert(generator, targets, replace(SETTINGS, steps=200), seed=0)
    assert found.ws.shape == (3, generator.num_ws, generator.w_dim) and not found.ws.requires_grad
    assert (found.psnr > start_psnr(generator, targets) + 8).all()
    torch.testing.assert_close(found.psnr, psnr(generator.synthesize(found.ws), targets))


def test_the_feature_distance_is_that_of_the_images_found(generator, targets):
    def maps(images):
        return [images.mean(dim=(2, 3), keepdim=True), images]

    found = invert(generator, targets, replace(SETTINGS, steps=3), seed=0, features=maps)
    expected = distance(maps(generator.synthesize(found.ws)), maps(targets))
    torch.testing.assert_close(found.feature_distance, expected)
    assert invert(generator, targets, replace(SETTINGS, steps=1), seed=0).feature_distance is None


def test_an_image_that_needs_no_step_stays_where_it_is(generator):
    mean, _ = latent_statistics(generator, SETTINGS.latent_samples, 0)
    image = generator.synthesize(mean[None])
    found = invert(generator, image, SETTINGS, seed=0)
    torch.testing.assert_close(found.ws, mean[None], atol=1e-3, rtol=0)


def test_without_steps_the_latents_are_the_mean_of_w(generator, targets):
    mean, _ = latent_statistics(generator, SETTINGS.latent_samples, 7)
    found = invert(generator, targets, replace(SETTINGS, steps=0), seed=7)
    torch.testing.assert_close(found.ws, mean.expand(3, -1, -1))
    assert not torch.equal(mean, latent_statistics(generator, SETTINGS.latent_samples, 8)[0])


def test_a_strong_pull_keeps_latents_near_the_mean(generator, targets):
    mean, deviation = latent_statistics(generator, SETTINGS.latent_samples, 0)
    free, held = (invert(generator, targets, replace(SETTINGS, pull=pull), seed=0) for pull in (0.0, 100.0))
    away = [(found.ws - mean).square().mean().sqrt() / deviation for found in (free, held)]
    assert away[1] < 0.05 < 0.2 < away[0]
    assert (held.psnr < free.psnr).all()


def test_an_image_does_not_feel_the_others_of_its_batch(generator, targets):
    together = invert(generator, targets, replace(SETTINGS, steps=10), seed=0)
    apart = invert(generator, targets, replace(SETTINGS, steps=10, batch=1), seed=0)
    torch.testing.assert_close(together.ws, apart.ws, atol=1e-3, rtol=1e-3)


def test_equal_seeds_give_equal_bits(generator, targets):
    first, again = (invert(generator, targets, replace(SETTINGS, steps=10), seed=4) for _ in range(2))
    assert torch.equal(first.ws, again.ws) and torch.equal(first.psnr, again.psnr)


def test_a_feature_network_is_followed(generator, targets):
    """Features that see the red channel alone, weighed heavily, bring that channel closer."""

    def red(images):
        return [images[:, :1]]

    weighed = replace(SETTINGS, feature_weight=1000.0)
    plain, guided = (invert(generator, targets, weighed, 0, features) for features in (None, red))
    error = [(generator.synthesize(found.ws) - targets)[:, 0].square().mean() for found in (plain, guided)]
    assert error[1] < 0.9 * error[0]


def test_distance_is_zero_for_equal_maps_and_sums_over_maps():
    ones = torch.ones(2, 3, 4, 4)
    assert torch.equal(distance([ones, ones[:, :, :2, :2]], [ones, ones[:, :, :2, :2]]), torch.zeros(2))
    doubled = torch.stack([ones[0], 2 * ones[1]])
    assert distance([doubled, doubled[:, :, :2, :2]], [ones, ones[:, :, :2, :2]]).tolist() == [0, 2]


def test_psnr_of_a_known_error():
    target = torch.zeros(1, 3, 4, 4)
    assert psnr(target + 0.2, target).item() == pytest.approx(20.0)  # 10 log10(4 / .04)
    assert psnr(target + 5, target).item() == pytest.approx(10 * torch.log10(torch.tensor(4.0)).item())


def test_psnr_within_a_mask_is_that_of_its_pixels():
    target, image = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    image[:, :, :2] = 0.2
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[:, :2, 1:3] = True
    torch.testing.assert_close(psnr(image, target, mask), torch.full((2,), 20.0))
    assert psnr(image, target, ~mask)[0] < 20
    torch.testing.assert_close(psnr(image, target, torch.ones_like(mask)), psnr(image, target))


def test_the_learning_rate_falls_to_zero_at_the_end():
    assert ramp_down(0) == ramp_down(0.7) == 1
    assert ramp_down(0.85) == pytest.approx(0.5) and ramp_down(1 - 1e-9) == pytest.approx(0, abs=1e-9)


def test_images_of_another_size_are_one_line(generator):
    with pytest.raises(OnemaskError, match=r"images: \[2, 3, 32, 32\], expected \[N, 3, 16, 16\]"):
        invert(generator, torch.zeros(2, 3, 32, 32), SETTINGS, seed=0)
    with pytest.raises(ValueError, match="uint8"):
        invert(generator, torch.zeros(2, 3, 16, 16, dtype=torch.uint8), SETTINGS, seed=0)


def test_divergence_is_one_line(generator, targets):
    with pytest.raises(OnemaskError, match="lower its learning_rate"):
        invert(generator, targets, replace(SETTINGS, steps=3, learning_rate=float("inf")), seed=0)
