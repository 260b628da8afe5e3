"""All worlds: determinism, seed ranges, labels, scale, difficulty; the face and car worlds: rare masks, part sizes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from onemask.demo import car, face
from onemask.demo.canvas import Rendered
from onemask.demo.worlds import BATCH, SPLITS, WORLDS, render, seed_range
from onemask.errors import OnemaskError
from onemask.labels import LabelSet, read_labels

LABELS = {"face": face.LABELS, "car": car.LABELS}


def label_set(world: str) -> LabelSet:
    return read_labels(Path(__file__).parents[2] / "config" / "labels" / f"{world}.yaml")


@pytest.fixture(scope="module")
def batches() -> dict[str, Rendered]:
    return {world: render(world, range(640)) for world in LABELS}


def label_mask(rendered: Rendered, world: str, name: str) -> Tensor:
    return rendered.label_maps == LABELS[world].index(name)


# ---------------------------------------------------------------- every world


@pytest.mark.parametrize("world", WORLDS)
def test_an_image_depends_on_its_own_seed_only(world: str) -> None:
    """Alone, in a full batch, in another place of an odd-sized one: the same bytes."""
    seeds = list(range(1000, 1000 + BATCH))
    whole = render(world, seeds, 32)
    for place in (0, 13, BATCH - 1):
        alone = render(world, seeds[place:place + 1], 32)
        moved = render(world, torch.tensor([7, *range(40), seeds[place]]), 32)
        for other in (Rendered(alone.images[0], alone.label_maps[0], {k: m[0] for k, m in alone.rare.items()}),
                      Rendered(moved.images[-1], moved.label_maps[-1], {k: m[-1] for k, m in moved.rare.items()})):
            assert torch.equal(other.images, whole.images[place])
            assert torch.equal(other.label_maps, whole.label_maps[place])
            assert all(torch.equal(other.rare[name], whole.rare[name][place]) for name in whole.rare)


@pytest.mark.parametrize("world", WORLDS)
def test_different_seeds_give_different_images(world: str) -> None:
    images = render(world, [*range(30), seed_range("test")[0], seed_range("test")[-1]], 32).images
    assert len(images.flatten(1).unique(dim=0)) == 32


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("size", [32, 64])
def test_shapes_types_and_label_values(world: str, size: int) -> None:
    labels, rendered = label_set(world), render(world, range(96), size)
    assert rendered.images.shape == (96, 3, size, size)
    assert rendered.images.dtype == torch.uint8
    assert rendered.label_maps.shape == (96, size, size)
    assert rendered.label_maps.dtype == torch.uint8
    assert set(rendered.rare) == set(labels.rare)
    assert all(mask.shape == (96, size, size) and mask.dtype == torch.bool for mask in rendered.rare.values())
    assert rendered.label_maps.unique().tolist() == list(range(len(labels)))


@pytest.mark.parametrize("world", WORLDS)
def test_the_scene_does_not_depend_on_the_size(world: str) -> None:
    """A 128-px image averaged over 2x2 pixels is nearly the 64-px one; labels agree but for borders and small parts."""
    small, large = render(world, range(32), 64), render(world, range(32), 128)
    averaged = avg_pool2d(large.images.float(), 2)
    assert (averaged - small.images.float()).abs().mean() < 4
    agreement = (large.label_maps[:, ::2, ::2] == small.label_maps).float().mean()
    assert agreement > 0.94


@pytest.mark.parametrize("world", WORLDS)
def test_pasting_another_images_mask_scores_little(world: str) -> None:
    """IoU per label weighted by the label's foreground area, over 320 pairs: the floor that methods must beat."""
    given, true = render(world, range(640)).label_maps.split(320)
    score = weight = torch.zeros(320)
    for value in range(1, len(label_set(world))):
        a, b = (given == value).flatten(1), (true == value).flatten(1)
        area, union = b.sum(1), (a | b).sum(1).clamp_min(1)
        score, weight = score + (a & b).sum(1) / union * area, weight + area
    assert 0.2 < (score / weight).mean() < 0.6


def test_seed_ranges_are_long_and_disjoint() -> None:
    ranges = [seed_range(split) for split in SPLITS]
    assert SPLITS == ("generator", "annotator", "downstream_train", "validation", "test", "downstream_validation")
    assert all(len(part) >= 1_000_000 for part in ranges)
    for first, second in combinations(ranges, 2):
        assert first.stop <= second.start or second.stop <= first.start


def test_bad_input_is_named() -> None:
    with pytest.raises(OnemaskError, match="'dog' is not one of face, cat, car, horse"):
        render("dog", [1])
    with pytest.raises(OnemaskError, match="no seeds"):
        render("car", [])
    with pytest.raises(OnemaskError, match="'train' is not one of generator"):
        seed_range("train")


# ---------------------------------------------------------------- face and car


@pytest.mark.parametrize("world", LABELS)
def test_labels_stand_in_the_order_of_the_label_list(world: str) -> None:
    assert LABELS[world] == label_set(world).names


@pytest.mark.parametrize(("world", "name", "rate"), [
    ("face", "eye_g", 0.25), ("face", "teeth", 0.36), ("face", "cloth", 0.80), ("car", "plate", 0.43),
])
def test_rare_labels_come_at_their_own_frequency(
    batches: dict[str, Rendered], world: str, name: str, rate: float
) -> None:
    """The standard error over 640 images is at most 0.02: the bounds are three of them."""
    present = batches[world].rare[name].flatten(1).any(1)
    assert present.float().mean().item() == pytest.approx(rate, abs=0.06)


@pytest.mark.parametrize(("world", "name", "label"), [
    ("face", "teeth", "mouth"), ("face", "cloth", "background"), ("car", "plate", "body"),
])
def test_rare_masks_lie_inside_their_part(batches: dict[str, Rendered], world: str, name: str, label: str) -> None:
    assert not (batches[world].rare[name] & ~label_mask(batches[world], world, label)).any()


def test_glasses_stand_on_the_eyes_and_leave_the_part_map(batches: dict[str, Rendered]) -> None:
    rendered = batches["face"]
    worn = rendered.rare["eye_g"].flatten(1).any(1)
    eyes = label_mask(rendered, "face", "eye")[worn]
    covered = (eyes & rendered.rare["eye_g"][worn]).flatten(1).sum(1) / eyes.flatten(1).sum(1)
    assert covered.min() > 0.7


@pytest.mark.parametrize(("world", "name", "pixels", "share"), [
    ("face", "eye", 36, 0.99), ("face", "eyebrow", 14, 0.95), ("face", "nose", 24, 1.0), ("face", "mouth", 18, 0.99),
    ("face", "skin", 240, 1.0), ("face", "hair", 100, 0.9), ("face", "ear", 6, 0.4), ("car", "body", 300, 1.0),
    ("car", "door", 60, 0.95), ("car", "window", 60, 0.99), ("car", "windshield", 20, 0.8),
    ("car", "wheel", 100, 1.0), ("car", "lights", 15, 0.99),
])
def test_parts_are_large_enough_to_see(
    batches: dict[str, Rendered], world: str, name: str, pixels: int, share: float
) -> None:
    visible = label_mask(batches[world], world, name).flatten(1).sum(1) >= pixels
    assert visible.float().mean() >= share


def test_teeth_are_the_brightest_part_of_the_mouth(batches: dict[str, Rendered]) -> None:
    """The mask and the drawing agree: inside it the image is bright and grey."""
    rendered = batches["face"]
    colours = rendered.images.permute(0, 2, 3, 1)[rendered.rare["teeth"]].float()
    assert (colours.mean(1) > 120).float().mean() > 0.9
