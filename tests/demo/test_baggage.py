"""The baggage world: every item is drawn, exact masks, one item a bag, physics seen in the colours."""

import pytest
import torch

from onemask.demo import baggage
from onemask.demo.baggage import CONTENTS, DEMO_ITEMS, ITEMS, SHAPES
from onemask.demo.worlds import render

SEEDS = torch.arange(320)


@pytest.fixture(scope="module")
def bags():
    return render("baggage", SEEDS)


def test_all_items_of_pidray_have_a_shape():
    assert set(SHAPES) == set(ITEMS) and len(ITEMS) == 12 and set(DEMO_ITEMS) < set(ITEMS)


def test_a_bag_holds_one_item_or_none(bags):
    held = torch.stack([bags.rare[name].flatten(1).any(dim=1) for name in DEMO_ITEMS])
    assert held.sum(dim=0).max() == 1
    assert (held.sum(dim=0) == 0).float().mean() == pytest.approx(baggage.EMPTY, abs=0.05)
    assert held.float().mean(dim=1).tolist() == pytest.approx([(1 - baggage.EMPTY) / 5] * 5, abs=0.06)


def test_items_lie_on_top_and_have_a_size_that_64_pixels_show(bags):
    for number, name in enumerate(DEMO_ITEMS):
        mask = bags.rare[name]
        assert torch.equal(mask, bags.label_maps == len(CONTENTS) + number)
        sizes = mask.flatten(1).sum(dim=1)
        assert sizes[sizes > 0].float().quantile(0.05) > 60


@pytest.mark.parametrize("name", ITEMS)
def test_every_shape_is_seen_where_its_mask_is(name):
    """The item is darker than the bag where nothing else lies."""
    packed = baggage.render(torch.arange(32), 64, torch.device("cpu"), (name,))
    assert 20 <= int(packed.rare[name].flatten(1).any(dim=1).sum()) < 32
    darkness = 255 - packed.images.float().mean(dim=1)
    bag = packed.label_maps == CONTENTS.index("bag")
    assert darkness[packed.rare[name]].mean() > darkness[bag].mean() + 25


def test_metal_items_are_blue_and_a_power_bank_is_green(bags):
    colour = {name: bags.images.permute(0, 2, 3, 1)[bags.rare[name]].float().mean(dim=0) for name in DEMO_ITEMS}
    assert all(colour[name].argmax() == 2 for name in ("handcuffs", "wrench", "pliers"))
    assert colour["powerbank"].argmax() == 1


def test_all_twelve_items_in_one_world_have_labels_of_their_own():
    packed = baggage.render(torch.arange(64), 32, torch.device("cpu"), ITEMS)
    assert set(packed.rare) == set(ITEMS)
    assert int(packed.label_maps.max()) <= len(CONTENTS) + len(ITEMS) - 1
    assert sum(bool(mask.any()) for mask in packed.rare.values()) >= 10
