"""Unlabelled samples: features at native sizes, deterministic, never of an annotated set's stream."""

from __future__ import annotations

import pytest
import torch

from onemask import sections
from onemask.clustering.samples import Samples, draw_samples
from onemask.errors import OnemaskError
from onemask.files import write_safetensors
from onemask.seeds import ANNOTATED_SEEDS


@pytest.fixture
def drawn(generator, monkeypatch):
    """Seeds that the generator is asked for."""
    seeds = []
    sample = generator.sample_ws
    monkeypatch.setattr(generator, "sample_ws", lambda some, psi: seeds.extend(some) or sample(some, psi))
    return seeds


def test_maps_are_those_of_the_drawn_images_at_native_sizes_in_half_precision(generator, drawn):
    samples = draw_samples(generator, images=10, truncation=0.7, seed=3)
    assert len(samples) == len(drawn) == 10
    expected = generator.features(generator.sample_ws(list(drawn), 0.7))[1]
    for found, feature in zip(samples.features, expected, strict=True):
        assert found.dtype == torch.float16 and found.shape == feature.shape
        torch.testing.assert_close(found.float(), feature, rtol=1e-3, atol=1e-4)


def test_no_image_is_of_an_annotated_set(generator, drawn):
    draw_samples(generator, images=50, truncation=0.7, seed=3)
    assert min(drawn) >= 2 * ANNOTATED_SEEDS and len(set(drawn)) == 50


def test_the_same_seed_draws_the_same_samples_and_another_seed_others(generator):
    first, second, other = (draw_samples(generator, 3, 0.7, seed).features[0] for seed in (3, 3, 4))
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_some_images_are_taken_in_single_precision(generator):
    samples = draw_samples(generator, 4, 0.7, seed=3)
    taken = samples.take(torch.tensor([2, 0]))
    assert [m.dtype for m in taken] == [torch.float32] * 5
    assert torch.equal(taken[4], samples.features[4][[2, 0]].float())


def test_saved_samples_are_the_same(tmp_path):
    # More than ten maps: they keep their order.
    samples = Samples([torch.full((2, 1, 1, 1), i, dtype=torch.float16) for i in range(20)])
    samples.save(tmp_path / "samples.safetensors")
    loaded = Samples.load(tmp_path / "samples.safetensors")
    assert [float(m[0]) for m in loaded.features] == list(range(20))
    assert all(m.dtype == torch.float16 for m in loaded.features)


def test_another_file_is_refused(tmp_path):
    write_safetensors(tmp_path / "other.safetensors", {"features.0": torch.eye(2)}, {"kind": "kmeans"})
    with pytest.raises(OnemaskError, match=r"other\.safetensors: not a file of samples"):
        Samples.load(tmp_path / "other.safetensors")


def test_features_beyond_half_precision_are_refused(generator, monkeypatch):
    monkeypatch.setattr(generator, "constant", generator.constant * 1e6)
    with pytest.raises(OnemaskError, match="not finite in half precision"):
        draw_samples(generator, 2, 0.7, seed=3)


def test_the_studys_section_fits_the_maker(generator):
    assert len(draw_samples(generator, **sections.SamplesSettings(images=2).model_dump(), truncation=0.5, seed=1)) == 2
