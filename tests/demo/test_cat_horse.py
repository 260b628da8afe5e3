"""The cat and horse worlds: labels, exact masks, symmetry, frequencies and difficulty."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from onemask.demo import cat, horse, worlds
from onemask.demo.canvas import Draws, Rendered
from onemask.labels import read_labels

LABELS = {"cat": cat.LABELS, "horse": horse.LABELS}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def batches() -> dict[str, Rendered]:
    return {world: worlds.render(world, range(640)) for world in LABELS}


def area(label_maps: Tensor, world: str, name: str) -> Tensor:
    """Pixels of a label, int64 [N]."""
    return (label_maps == LABELS[world].index(name)).flatten(1).sum(1)


@pytest.mark.parametrize("world", LABELS)
def test_labels_stand_in_the_order_of_the_label_list(world: str) -> None:
    labels = read_labels(Path(__file__).parents[2] / "config" / "labels" / f"{world}.yaml")
    assert LABELS[world] == labels.names
    assert set(worlds.render(world, [0]).rare) == set(labels.rare)


@pytest.mark.parametrize(("world", "name", "pixels", "share"), [
    ("cat", "head", 250, 1.0), ("cat", "eye", 24, 0.98), ("cat", "nose", 9, 1.0), ("cat", "ear", 50, 1.0),
    ("cat", "neck", 50, 1.0), ("cat", "torso", 40, 0.95), ("cat", "tail", 12, 0.95), ("cat", "f_leg", 60, 1.0),
    ("cat", "b_leg", 80, 1.0), ("horse", "leg", 200, 1.0), ("horse", "torso", 170, 1.0), ("horse", "tail", 40, 1.0),
    ("horse", "head", 110, 1.0),
])
def test_parts_are_large_enough_to_see(
    batches: dict[str, Rendered], world: str, name: str, pixels: int, share: float
) -> None:
    visible = area(batches[world].label_maps, world, name) >= pixels
    assert visible.float().mean() >= share


def test_rider_and_saddle_frequencies(batches: dict[str, Rendered]) -> None:
    """Standard error of the rates below is 0.02: the bounds are three of them."""
    rendered = batches["horse"]
    ridden = rendered.rare["rider"].flatten(1).any(1)
    saddled = area(rendered.label_maps, "horse", "saddle") > 0
    assert ridden.float().mean().item() == pytest.approx(0.30, abs=0.06)
    assert saddled[ridden].all()
    assert saddled[~ridden].float().mean().item() == pytest.approx(0.25, abs=0.06)


def test_rider_mask_is_the_rider_of_the_label_map(batches: dict[str, Rendered]) -> None:
    rendered = batches["horse"]
    assert torch.equal(rendered.rare["rider"], rendered.label_maps == LABELS["horse"].index("rider"))
    ridden = rendered.rare["rider"].flatten(1).sum(1)
    assert ridden[ridden > 0].min() > 120


@pytest.mark.parametrize("world", LABELS)
def test_mirrored_draw_mirrors_the_label_map(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = Draws.flag

    def label_maps(mirrored: float) -> Tensor:
        monkeypatch.setattr(Draws, "flag", lambda self, name, probability: flag(
            self, name, mirrored if name == "mirror" else probability))
        return {"cat": cat, "horse": horse}[world].render(torch.arange(32), 64, CPU).label_maps

    one_way, other_way = label_maps(0.0), label_maps(1.0)
    assert torch.equal(one_way.flip(-1), other_way)
    assert not torch.equal(one_way, other_way)


@pytest.mark.parametrize("world", LABELS)
def test_any_size_shows_the_same_scene(world: str) -> None:
    small, large = (worlds.render(world, range(32), size) for size in (64, 192))
    centres = large.label_maps[:, 1::3, 1::3]  # at an odd factor these are the small image's own pixel centres
    assert (centres == small.label_maps).float().mean() > 0.999
    means = large.images.float().unflatten(2, (64, 3)).unflatten(4, (64, 3)).mean((3, 5))
    assert (means - small.images).abs().mean() < 3


@pytest.mark.parametrize("world", LABELS)
def test_image_depends_on_its_own_seed_alone(world: str) -> None:
    together, alone = worlds.render(world, range(70, 140)), worlds.render(world, [101])
    assert torch.equal(together.images[31], alone.images[0])
    assert torch.equal(together.label_maps[31], alone.label_maps[0])


def test_ends_of_the_animal_are_apart(batches: dict[str, Rendered]) -> None:
    """Head and tail lie on different sides of the torso's centroid in nearly all horses, either way round."""
    columns = torch.arange(64.0)
    label_maps = batches["horse"].label_maps
    masks = {name: (label_maps == LABELS["horse"].index(name)).float() for name in ("head", "torso", "tail")}
    head, torso, tail = ((mask * columns).sum((1, 2)) / mask.sum((1, 2)) for mask in masks.values())
    assert ((head - torso) * (tail - torso) < 0).float().mean() > 0.99
    assert (head < torso).float().mean().item() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("world", LABELS)
def test_animals_stand_out_from_the_background(batches: dict[str, Rendered], world: str) -> None:
    """Crossing the silhouette changes the colour far more, on average, than a step in the background does."""
    rendered = batches[world]
    step = (rendered.images[..., 1:].float() - rendered.images[..., :-1].float()).abs().mean(1)
    animal = rendered.label_maps > 0
    silhouette = animal[..., 1:] != animal[..., :-1]
    behind = ~animal[..., 1:] & ~animal[..., :-1]
    assert step[silhouette].mean() > 8 * step[behind].mean()


@pytest.mark.parametrize("world", LABELS)
def test_pasted_mask_is_no_solution(batches: dict[str, Rendered], world: str) -> None:
    """Foreground-weighted IoU of one image's label map with another's: low, yet far from nothing."""
    true = batches[world].label_maps.flatten(1)
    pasted = true.roll(37, 0)
    scores, weights = [], []
    for value in range(1, len(LABELS[world])):
        overlap = ((true == value) & (pasted == value)).sum(1)
        union = ((true == value) | (pasted == value)).sum(1)
        scores.append(overlap / union.clamp_min(1))
        weights.append((true == value).sum(1))
    score, weight = torch.stack(scores), torch.stack(weights).float()
    floor = ((score * weight).sum(0) / weight.sum(0)).mean()
    assert 0.15 < floor < 0.60
