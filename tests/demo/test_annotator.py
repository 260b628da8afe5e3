"""The annotator on a toy world of two discs, and the degradations one by one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from onemask.demo import annotator as annotating
from onemask.demo import degrade as degradations
from onemask.demo.annotator import Annotator, AnnotatorSettings, UNet, fit_annotator
from onemask.demo.canvas import Rendered
from onemask.demo.degrade import DegradeSettings
from onemask.errors import OnemaskError
from onemask.files import write_safetensors
from onemask.labels import LabelSet

LABELS = LabelSet(("background", "red", "green"), ("#000000", "#ff0000", "#00ff00"), {"dot": "#0000ff"})
QUICK = AnnotatorSettings(renders=128, steps=250, batch=16, learning_rate=1e-2, widths=(8, 16, 16, 16, 16), held_out=64)


def render_discs(seeds: Sequence[int]) -> Rendered:
    """A red and a green disc on grey noise; a blue dot on the red disc in about a third of the images."""
    parameters = torch.stack([torch.rand(6, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")

    def disc(cx: torch.Tensor, cy: torch.Tensor, radius: float) -> torch.Tensor:
        return (x - cx[:, None, None]) ** 2 + (y - cy[:, None, None]) ** 2 < radius**2

    red = disc(6 + 6 * parameters[:, 0], 8 + 14 * parameters[:, 1], 6)
    green = disc(20 + 6 * parameters[:, 2], 8 + 14 * parameters[:, 3], 5)
    dot = disc(6 + 6 * parameters[:, 0], 8 + 14 * parameters[:, 1], 2.5) & (parameters[:, 4] < 1 / 3)[:, None, None]
    label_maps = torch.where(green, 2, torch.where(red, 1, 0)).to(torch.uint8)
    colours = torch.tensor([[90, 90, 90], [200, 40, 40], [40, 180, 60]], dtype=torch.uint8)
    images = colours[label_maps.long()].permute(0, 3, 1, 2).clone()
    images[:, 2][dot] = 250
    return Rendered(images, label_maps, {"dot": dot})


@pytest.fixture(scope="module")
def trained() -> Annotator:
    return fit_annotator(render_discs, LABELS, QUICK, seed=1)


def test_learns_the_toy_world(trained: Annotator) -> None:
    clean = trained.report["clean"]
    assert clean["miou"] > 0.9 and set(clean["iou"]) == set(LABELS.names)
    assert trained.report["degraded"]["miou"] > 0.6
    assert clean["rare"]["dot"]["rate_predicted"] == pytest.approx(clean["rare"]["dot"]["rate_true"], abs=0.1)
    json.dumps(trained.report)


def test_same_seed_same_annotator_other_seed_another(trained: Annotator) -> None:
    short = replace(QUICK, steps=3, renders=32, held_out=16)
    first, again, other = (fit_annotator(render_discs, LABELS, short, seed) for seed in (5, 5, 6))
    assert first.report == again.report
    for one, two in zip(first.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first.network.head.weight, other.network.head.weight)


def test_saved_annotator_annotates_identically(trained: Annotator, tmp_path) -> None:
    trained.save(tmp_path / "toy.safetensors")
    loaded = Annotator.load(tmp_path / "toy.safetensors")
    images = render_discs(range(8)).images
    maps, rare = trained.annotate(images)
    loaded_maps, loaded_rare = loaded.annotate(images)
    assert torch.equal(maps, loaded_maps) and torch.equal(rare["dot"], loaded_rare["dot"])
    assert loaded.labels == LABELS and loaded.settings == QUICK and loaded.report == trained.report


def test_bytes_and_floats_are_the_same_image(trained: Annotator) -> None:
    images = render_discs(range(4)).images
    assert torch.equal(trained.annotate(images)[0], trained.annotate(images / 127.5 - 1)[0])


def test_scanty_rare_masks_are_emptied(trained: Annotator) -> None:
    images = render_discs(range(64)).images
    largest = max(int(mask.sum()) for mask in trained.annotate(images)[1]["dot"])
    strict = Annotator(
        trained.network, LABELS, trained.thresholds, replace(QUICK, rare_min_pixels=largest + 1), trained.report
    )
    assert largest > 0 and not strict.annotate(images)[1]["dot"].any()


def test_thresholds_match_the_rate_of_positives(trained: Annotator) -> None:
    """A network that is over-confident everywhere needs a high threshold; one that is too shy a low one."""
    planes = torch.zeros(10, 2, 16, 16, dtype=torch.uint8)
    planes[:4, 1, :4] = 1

    class Shifted(Annotator):
        def probabilities(self, images):
            return planes[: len(images), 0], (images[:, :1] + 1) / 2

    images = torch.full((10, 3, 16, 16), 2 * 0.6 - 1)
    images[:4, :, :4] = 2 * 0.9 - 1
    toy = Shifted(trained.network, LABELS, {}, QUICK, {})
    assert 0.6 <= annotating.choose_thresholds(toy, images, planes)["dot"] < 0.9
    images = torch.full((10, 3, 16, 16), 2 * 0.1 - 1)
    images[:4, :, :4] = 2 * 0.3 - 1
    assert 0.1 <= annotating.choose_thresholds(toy, images, planes)["dot"] < 0.3


def test_default_network_fits_in_a_megabyte_of_half_precision() -> None:
    parameters = sum(p.numel() for p in UNet(11, AnnotatorSettings().widths).parameters())
    assert 300_000 <= parameters <= 450_000


def test_network_keeps_the_size_of_any_image_of_sixteenths() -> None:
    assert UNet(5, (4, 4, 4, 4, 4)).eval()(torch.zeros(1, 3, 48, 80)).shape == (1, 5, 48, 80)


def test_a_class_without_rare_labels_trains_and_annotates() -> None:
    plain = fit_annotator(render_discs, replace(LABELS, rare={}), replace(QUICK, steps=2, renders=32, held_out=16), 1)
    label_maps, rare = plain.annotate(render_discs(range(3)).images)
    assert label_maps.shape == (3, 32, 32) and rare == {} and plain.report["clean"]["rare"] == {}


def test_other_sizes_and_other_files_are_refused(trained: Annotator, tmp_path) -> None:
    with pytest.raises(OnemaskError, match="40x40; sides must be multiples of 16"):
        trained.annotate(torch.zeros(1, 3, 40, 40))
    write_safetensors(tmp_path / "generator.safetensors", {"w": torch.zeros(1)}, {"kind": "generator"})
    with pytest.raises(OnemaskError, match=r"generator\.safetensors: not an annotator"):
        Annotator.load(tmp_path / "generator.safetensors")


def test_class_weights_average_one_over_pixels_and_favour_the_small() -> None:
    label_maps = torch.tensor([0] * 90 + [1] * 9 + [2], dtype=torch.uint8)
    weights = annotating.class_weights(label_maps, 3, 0.5)
    assert weights[label_maps.long()].mean().item() == pytest.approx(1, abs=1e-5)
    assert (weights[2] / weights[0]).item() == pytest.approx(90**0.5, rel=1e-5)
    assert annotating.class_weights(label_maps, 3, 0).tolist() == pytest.approx([1, 1, 1])


def test_settings_come_from_plain_values() -> None:
    settings = annotating.settings_from({"steps": 7, "widths": [8, 16], "degrade": {"blur": 0.5}})
    assert settings.steps == 7 and settings.widths == (8, 16) and settings.degrade == DegradeSettings(blur=0.5)


# ---------------------------------------------------------------- degradations


def picture() -> torch.Tensor:
    return annotating.to_unit(render_discs(range(6)).images)


def test_without_strength_nothing_changes() -> None:
    images, planes = picture(), render_discs(range(6)).label_maps[:, None]
    settings = DegradeSettings(clean=1.0)
    degraded, masks = degradations.degrade(images, planes, settings, torch.Generator().manual_seed(0))
    torch.testing.assert_close(degraded, images, atol=2e-5, rtol=0)
    assert torch.equal(masks, planes)


def test_masks_follow_the_warp() -> None:
    """Warping a picture that is its own mask keeps the two alike."""
    planes = render_discs(range(6)).label_maps[:, None].clamp(max=1)
    images = planes.float() * 2 - 1
    moved, masks = degradations.warp(
        images, planes, torch.full((6, 1, 1, 1), 0.05), torch.Generator().manual_seed(0)
    )
    assert (masks != planes).float().mean() > 0.01
    assert ((moved > 0) == masks.bool()).float().mean() > 0.98


def test_blur_keeps_the_mean_and_has_the_variance_asked_for() -> None:
    images = torch.zeros(2, 3, 21, 21)
    images[:, :, 10, 10] = 1
    blurred = degradations.blur(images, torch.tensor([0.0, 0.9]).reshape(2, 1, 1, 1))
    offset = torch.arange(21.0) - 10
    torch.testing.assert_close(blurred[0], images[0])
    assert blurred[1, 0].sum().item() == pytest.approx(1, abs=1e-5)
    assert (blurred[1, 0].sum(0) * offset**2).sum().item() == pytest.approx(0.81, rel=0.02)


def test_quantised_blocks_lie_on_the_grid_of_coefficients() -> None:
    images, step = picture(), torch.full((6, 1, 1, 1), 0.1)
    once = degradations.quantise_blocks(images, step)
    assert (once - images).abs().max() > 0.05
    torch.testing.assert_close(degradations.quantise_blocks(once, step), once, atol=1e-4, rtol=0)


def test_strengths_vary_by_image_and_by_nothing_but_the_generator() -> None:
    images, planes = picture()[:1].repeat(6, 1, 1, 1), render_discs([0]).label_maps[None].repeat(6, 1, 1, 1)
    first, again, other = (
        degradations.degrade(images, planes, DegradeSettings(clean=0), torch.Generator().manual_seed(seed))[0]
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len({round(float((image - images[0]).abs().mean()), 5) for image in first}) > 4
