"""SimCLR on the tiny generator: determinism, what a step does, that training learns, and what it leaves."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from onemask import sections
from onemask.clustering import simclr, views
from onemask.clustering.projection import FeatureProjection
from onemask.clustering.simclr import SimCLRSettings, train_simclr
from onemask.clustering.views import Perturbation
from onemask.errors import OnemaskError
from onemask.kernels.nt_xent import nt_xent
from onemask.kernels.projection import gather_pixels

SMALL = SimCLRSettings(dim=8, steps=4, images_per_step=2, pixels=64)


def change(**values) -> SimCLRSettings:
    return dataclasses.replace(SMALL, **values)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_equal_seeds_give_equal_results_whatever_the_global_state(generator):
    torch.manual_seed(1)
    first = train_simclr(generator, SMALL, seed=5)
    torch.manual_seed(2)
    second = train_simclr(generator, SMALL, seed=5)
    other = train_simclr(generator, SMALL, seed=6)
    assert torch.equal(first.projection.weight, second.projection.weight) and first.log == second.log
    assert not torch.equal(first.projection.weight, other.projection.weight)


def test_the_result_and_its_log(generator):
    result = train_simclr(generator, SMALL, seed=5)
    assert [row["step"] for row in result.log] == list(range(4))
    for row in result.log:
        assert set(row) == set(simclr.LOG_COLUMNS)
        assert -1 <= row["alignment"] <= 1 and -8 <= row["uniformity"] <= 0
        assert 0 < row["loss"] < math.log(2 * 64 - 1) + 2 / 0.5
    assert result.projection.weight.shape == (8, 26) and not result.projection.weight.requires_grad


def test_the_first_row_is_the_loss_of_the_untrained_projection_on_the_first_views(generator):
    draws = rng(5)
    projection = views.new_projection(generator, SMALL, draws)
    pair = views.sample_views(generator, SMALL, None, draws)
    gathered = (gather_pixels(maps, pair.pixels, 16).flatten(0, 1) for maps in pair.features)
    z_a, z_b = (F.normalize(F.leaky_relu(x @ projection.weight.T, 0.2), dim=1) for x in gathered)
    row = train_simclr(generator, SMALL, seed=5).log[0]
    assert row["loss"] == pytest.approx(float(nt_xent(z_a, z_b, 0.5).detach()), rel=1e-6)
    assert row["alignment"] == pytest.approx(float(F.cosine_similarity(z_a, z_b).mean().detach()), rel=1e-6)


def test_training_lowers_the_loss_on_views_it_has_not_seen(generator):
    settings = change(steps=60, pixels=256)

    def held_out(projection: FeatureProjection) -> float:
        unseen = [views.sample_views(generator, settings, None, rng(seed)) for seed in range(900, 910)]
        losses = [nt_xent(*views.project_views(pair, projection, settings, 0), settings.temperature) for pair in unseen]
        return float(torch.stack(losses).mean())

    before = held_out(train_simclr(generator, dataclasses.replace(settings, steps=0), seed=1).projection)
    assert held_out(train_simclr(generator, settings, seed=1).projection) < before - 0.1


def test_no_steps_leave_the_random_projection(generator):
    result = train_simclr(generator, change(steps=0), seed=5)
    assert result.log == []
    assert torch.equal(result.projection.weight, views.new_projection(generator, SMALL, rng(5)).weight)


def test_statistics_of_views_that_are_known():
    z = torch.eye(4)
    known = {"alignment": 1.0, "uniformity": -4.0}  # unit vectors at right angles: |z - z'|^2 = 2
    assert simclr.view_statistics(z, z) == pytest.approx(known)
    assert simclr.view_statistics(z[[0, 0, 0]], -z[[0, 0, 0]]) == pytest.approx({"alignment": -1.0, "uniformity": 0.0})


@pytest.mark.parametrize(
    "settings",
    [
        change(temperature=0.1),
        change(perturbation=Perturbation(method="noise")),
        change(perturbation=Perturbation(block=2)),
        change(activation="linear"),
        change(upsampling="bilinear"),
        change(truncation=1.0),
    ],
    ids=["temperature", "noise", "block", "linear", "bilinear", "truncation"],
)
def test_every_option_changes_the_training_and_keeps_it_finite(generator, settings):
    weight = train_simclr(generator, settings, seed=5).projection.weight
    assert torch.isfinite(weight).all()
    assert not torch.equal(weight, train_simclr(generator, SMALL, seed=5).projection.weight)


def test_a_saved_projection_is_the_same_function(generator, tmp_path):
    projection = train_simclr(generator, SMALL, seed=5).projection
    projection.save(tmp_path / "simclr.safetensors")
    maps = generator.features(generator.sample_ws([5], 1.0))[1]
    assert torch.equal(FeatureProjection.load(tmp_path / "simclr.safetensors")(maps, 16), projection(maps, 16))


def test_a_training_that_diverges_names_the_step_and_the_section(generator):
    with pytest.raises(OnemaskError, match=r"simclr: the projection is not finite at step [1-9].*lower simclr\.lr"):
        train_simclr(generator, change(lr=1e30, momentum=1e30, steps=6), seed=5)


def test_a_block_that_the_generator_lacks_is_named(generator):
    with pytest.raises(OnemaskError, match=r"simclr\.perturbation\.block: 3"):
        train_simclr(generator, change(perturbation=Perturbation(block=3)), seed=5)


def test_settings_come_from_the_studys_section():
    section = sections.SimCLRSettings(temperature=0.2).model_dump()
    settings = SimCLRSettings.from_section(section, truncation=0.5)
    assert dataclasses.asdict(settings) == section | {"truncation": 0.5}
