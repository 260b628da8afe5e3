"""Each image is the generator's at the perturbed latents; samples compare over blocks, strengths and methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onemask.evaluation.perturbations import METHODS, sample_perturbations
from onemask.stylegan2.generator import Generator


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(z_dim=8, w_dim=8, resolution=16, channel_base=128, channel_max=8, mapping_layers=2).eval()


@pytest.fixture(scope="module")
def samples(generator):
    return sample_perturbations(generator, [0.0, 0.5, 1.0], identities=2, samples=3, truncation=0.7, seed=4)


def test_shapes_and_coordinates(samples):
    assert samples["images"].shape == (2, 2, 3, 3, 3, 16, 16, 3) and samples["images"].dtype == np.uint8
    assert samples["originals"].shape == (2, 16, 16, 3)
    assert samples["methods"].tolist() == list(METHODS) and samples["resolutions"].tolist() == [4, 8, 16]
    assert samples["strengths"].tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(samples["sigmas"], samples["sigmas"][2] * samples["strengths"])


def test_no_strength_is_the_original_and_a_strength_changes_it(samples):
    images, originals = samples["images"], samples["originals"]
    for identity in range(2):
        assert (images[identity, :, :, 0] == originals[identity]).all()
        assert (images[identity, :, :, 1:] != originals[identity]).any((-3, -2, -1)).mean() > 0.9
    moved = np.abs(images.astype(int) - originals[:, None, None, None, None].astype(int)).mean((0, 2, 4, 5, 6, 7))
    assert (moved[:, 2] > moved[:, 1]).all(), "more strength, more change, by either method"


def test_samples_differ_and_repeat_with_the_seed(generator, samples):
    again = sample_perturbations(generator, [0.0, 0.5, 1.0], identities=2, samples=3, truncation=0.7, seed=4)
    for name, array in samples.items():
        np.testing.assert_array_equal(array, again[name])
    full = samples["images"][0, :, :, 2]
    assert (full[:, :, 0] != full[:, :, 1]).any((-3, -2, -1)).all()
    assert (samples["originals"][0] != samples["originals"][1]).any()


def test_a_sample_does_not_depend_on_the_other_strengths(generator, samples):
    alone = sample_perturbations(generator, [1.0], identities=2, samples=3, truncation=0.7, seed=4)
    np.testing.assert_array_equal(alone["images"][:, :, :, 0], samples["images"][:, :, :, 2])
