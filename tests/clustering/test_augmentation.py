"""Only the perturbed block's latents move, only its and later features change, and both methods move as far."""

from __future__ import annotations

import pytest
import torch

from onemask.clustering.augmentation import matching_sigma, perturb


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("method", ["interpolation", "noise"])
@pytest.mark.parametrize("block", [0, 1, 2])
def test_earlier_features_stay_and_later_ones_change(generator, method, block):
    ws, other = generator.sample_ws([1, 2], 0.7), generator.sample_ws([3, 4], 0.7)
    moved = perturb(ws, other, generator.block_ws, block, 0.9, method, 0.5, rng())
    own = list(generator.block_ws[block])
    rest = [index for index in range(generator.num_ws) if index not in own]
    assert torch.equal(moved[:, rest], ws[:, rest])
    assert (moved[:, own] != ws[:, own]).all()
    for owner, before, after in zip(
        generator.feature_blocks, generator.features(ws)[1], generator.features(moved)[1], strict=True
    ):
        assert torch.equal(before, after) == (owner < block)


def test_strength_is_the_weight_of_the_random_latent():
    ws, other = torch.zeros(1, 3, 2), torch.ones(1, 3, 2)
    moved = perturb(ws, other, [(0,), (1, 2)], 1, 0.9)
    torch.testing.assert_close(moved, torch.tensor([[[0.0, 0.0], [0.9, 0.9], [0.9, 0.9]]]))
    assert torch.equal(ws, torch.zeros(1, 3, 2))


def test_noise_is_that_of_the_generator_given():
    ws = torch.zeros(2, 3, 4)
    draw = [perturb(ws, ws, [(0, 1, 2)], 0, 0.9, "noise", 1.0, rng(seed)) for seed in (5, 5, 6)]
    assert torch.equal(draw[0], draw[1]) and not torch.equal(draw[0], draw[2])


def test_matching_sigma_makes_both_methods_move_latents_equally_far():
    scales = torch.logspace(-1, 1, 16)
    bank = (torch.randn(500, 16, generator=rng(1)) * scales + 3)[:, None].repeat(1, 3, 1)
    sigma = matching_sigma(bank, 0.8)
    ws = (torch.randn(4000, 16, generator=rng(2)) * scales + 3)[:, None].repeat(1, 3, 1)
    other = (torch.randn(4000, 16, generator=rng(3)) * scales + 3)[:, None].repeat(1, 3, 1)
    lengths = [
        float((perturb(ws, other, [(0, 1, 2)], 0, 0.8, method, sigma, rng(4)) - ws)[:, 0].norm(dim=1).mean())
        for method in ("interpolation", "noise")
    ]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.03)


def test_noise_without_a_sigma_is_refused():
    with pytest.raises(ValueError, match="sigma"):
        perturb(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), [(0,)], 0, 0.9, "noise")
