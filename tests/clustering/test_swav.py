"""SwAV on the tiny generator: determinism, the local mask, the parts of a step, and that training learns."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from onemask import sections
from onemask.clustering import swav, views
from onemask.clustering.swav import SwAVSettings, train_swav
from onemask.clustering.views import Perturbation
from onemask.errors import OnemaskError
from onemask.files import write_csv
from onemask.kernels.projection import gather_pixels

SMALL = SwAVSettings(dim=8, prototypes=12, steps=6, images_per_step=2, pixels=128, patch_size=4)


def change(**values) -> SwAVSettings:
    return dataclasses.replace(SMALL, **values)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_equal_seeds_give_equal_results_whatever_the_global_state(generator):
    torch.manual_seed(1)
    first = train_swav(generator, SMALL, seed=5)
    torch.manual_seed(2)
    second = train_swav(generator, SMALL, seed=5)
    other = train_swav(generator, SMALL, seed=6)
    assert torch.equal(first.projection.weight, second.projection.weight)
    assert torch.equal(first.prototypes, second.prototypes)
    assert first.log == second.log
    assert not torch.equal(first.projection.weight, other.projection.weight)


def test_the_result_and_its_log(generator):
    result = train_swav(generator, SMALL, seed=5)
    torch.testing.assert_close(result.prototypes.norm(dim=1), torch.ones(12))
    assert [row["step"] for row in result.log] == list(range(6))
    for row in result.log:
        assert set(row) == set(swav.LOG_COLUMNS)
        assert row["loss"] == row["global"] + row["local"] and row["local"] > 0
        assert 0 <= row["code_entropy"] <= math.log(12) + 1e-5
        assert 0 < row["prototype_usage"] <= 1
    assert not result.projection.weight.requires_grad


def test_training_lowers_the_loss_on_views_it_has_not_seen(generator):
    settings = change(steps=60, pixels=256, temperature=0.1, epsilon=0.05)

    def held_out(result) -> float:
        unseen = [views.sample_views(generator, settings, None, rng(seed)) for seed in range(900, 910)]
        losses = [swav.swapped_loss(v, (0, 0), result.projection, result.prototypes, settings, 0)[0] for v in unseen]
        return float(torch.stack(losses).mean())

    before = held_out(train_swav(generator, dataclasses.replace(settings, steps=0), seed=1))
    assert held_out(train_swav(generator, settings, seed=1)) < before - 0.2


def test_no_steps_leave_the_random_projection_and_a_log_that_is_a_header_alone(generator, tmp_path):
    result = train_swav(generator, change(steps=0), seed=5)
    assert torch.equal(result.projection.weight, views.new_projection(generator, SMALL, rng(5)).weight)
    torch.testing.assert_close(result.prototypes.norm(dim=1), torch.ones(12))
    assert not result.projection.weight.requires_grad
    write_csv(tmp_path / "log.csv", result.log, swav.LOG_COLUMNS)
    assert (tmp_path / "log.csv").read_text().splitlines() == [",".join(swav.LOG_COLUMNS)]


def test_without_the_local_loss_the_log_says_zero(generator):
    result = train_swav(generator, change(local_loss=False, steps=2), seed=5)
    assert [row["local"] for row in result.log] == [0.0, 0.0]


@pytest.mark.parametrize(
    "settings",
    [
        change(sampling="patches"),
        change(marginals="pixel_distribution"),
        change(perturbation=Perturbation(method="noise")),
        change(perturbation=Perturbation(method="noise", sigma=0.1)),
        change(perturbation=Perturbation(block=2)),
        change(activation="linear"),
        change(upsampling="bilinear"),
        change(epsilon=0.003, temperature=0.01),
    ],
    ids=["patches", "pixel_distribution", "noise", "sigma", "block", "linear", "bilinear", "sharp"],
)
def test_every_option_changes_the_training_and_keeps_it_finite(generator, settings):
    result = train_swav(generator, settings, seed=5)
    assert torch.isfinite(result.projection.weight).all() and torch.isfinite(result.prototypes).all()
    assert not torch.equal(result.projection.weight, train_swav(generator, SMALL, seed=5).projection.weight)


def test_views_show_the_same_pixels_and_differ_from_the_perturbed_block_on(generator):
    settings = change(perturbation=Perturbation(block=1))
    pair = views.sample_views(generator, settings, None, rng())
    s, t = (gather_pixels(maps, pair.pixels, pair.size).flatten(0, 1) for maps in pair.features)
    assert s.shape == t.shape == (128, 26) and pair.blocks == (1, 1) and pair.marginals == (None, None)
    assert torch.equal(s[:, :6], t[:, :6])  # block 0's channels: same image, same pixels
    assert (s[:, 6:] != t[:, 6:]).any(dim=1).all()


def test_the_local_loss_masks_the_maps_of_earlier_blocks_alone(generator):
    assert [swav.first_map(generator, block) for block in (0, 1, 2)] == [0, 1, 3]


def test_the_two_gradients_add_up_to_that_of_eq_10(generator):
    settings = change(perturbation=Perturbation(block=1))
    pair = views.sample_views(generator, settings, None, rng())
    projection = swav.FeatureProjection(26, 8, generator=rng(1))
    prototypes = torch.nn.functional.normalize(torch.randn(12, 8, generator=rng(2)), dim=1).requires_grad_()
    row = swav.accumulate_gradients(pair, projection, prototypes, generator, settings, 0)
    zeroed = tuple([torch.zeros_like(maps[0]), *maps[1:]] for maps in pair.features)
    local = dataclasses.replace(pair, features=zeroed)
    both = [swav.swapped_loss(v, (0, 0), projection, prototypes, settings, 0)[0] for v in (pair, local)]
    weight, points = torch.autograd.grad(sum(both), [projection.weight, prototypes])
    torch.testing.assert_close(projection.weight.grad, weight)
    torch.testing.assert_close(prototypes.grad, points)
    assert row["loss"] == pytest.approx(float(sum(both).detach()))


def test_perturbed_blocks_are_drawn_from_all(generator):
    draws = rng()
    assert {views.draw_block(generator, SMALL, draws) for _ in range(50)} == {0, 1, 2}
    with pytest.raises(OnemaskError, match=r"swav\.perturbation\.block"):
        views.draw_block(generator, change(perturbation=Perturbation(block=3)), draws)


def test_a_block_that_no_feature_shows_is_not_perturbed(generator):
    """As MobileStyleGAN's last ones at 256 px: its features end before its image does."""

    class Ending:
        feature_channels, feature_blocks = generator.feature_channels[:3], generator.feature_blocks[:3]

        def __getattr__(self, name):
            return getattr(generator, name)

        def features(self, ws):
            image, maps = generator.features(ws)
            return image, maps[:3]

    draws = rng()
    assert {views.draw_block(Ending(), SMALL, draws) for _ in range(50)} == {0, 1}
    with pytest.raises(OnemaskError, match="the generator has blocks 0 to 1"):
        views.draw_block(Ending(), change(perturbation=Perturbation(block=2)), draws)
    assert all(row["local"] > 0 for row in train_swav(Ending(), SMALL, seed=5).log)


def test_a_training_that_diverges_names_the_step(generator):
    with pytest.raises(OnemaskError, match=r"at step [1-9]"):
        train_swav(generator, change(lr=1e30, momentum=1e30), seed=5)


def test_settings_come_from_the_studys_section():
    section = sections.SwAVSettings().model_dump()
    settings = SwAVSettings.from_section(section, truncation=0.5)
    assert settings.truncation == 0.5
    for name, value in section.items():
        ours = getattr(settings, name)
        assert (dataclasses.asdict(ours) if name == "perturbation" else ours) == value
