"""The baggage world: every item is drawn, exact masks, one item a bag, physics seen in the colours."""

from typing import get_args

import pytest
import torch

from onemask.config import REPOSITORY
from onemask.demo import baggage
from onemask.demo.baggage import CONTENTS, DEMO_ITEMS, SHAPES
from onemask.demo.worlds import render
from onemask.errors import OnemaskError
from onemask.files import read_yaml
from onemask.sections.data import ScansSettings

SEEDS = torch.arange(320)
ITEMS = read_yaml(REPOSITORY / "config/published.yaml")["baggan_training"]["categories"]


@pytest.fixture(scope="module")
def bags():
    return render("baggage", SEEDS)


def test_all_items_of_pidray_have_a_shape():
    assert set(SHAPES) == set(ITEMS) and set(DEMO_ITEMS) < set(ITEMS)


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


def test_a_full_bag_may_hold_two_items_one_over_the_other_with_whole_masks():
    packed = render("baggage", SEEDS, packing="full")
    held = torch.stack([packed.rare[name].flatten(1).any(dim=1) for name in DEMO_ITEMS]).sum(dim=0)
    assert held.max() == 2 and (held == 2).float().mean() == pytest.approx(0.3 * (1 - baggage.EMPTY), abs=0.08)
    shown = torch.stack([packed.label_maps == len(CONTENTS) + number for number in range(len(DEMO_ITEMS))])
    whole = torch.stack([packed.rare[name] for name in DEMO_ITEMS])
    assert bool((whole | ~shown).all()) and bool((whole & ~shown).any())


def test_a_full_bag_is_harder_and_leaves_the_easy_one_as_it_is(bags):
    """More lies in it, its items lie farther from the middle and at any angle, and its noise is larger."""
    packed = render("baggage", SEEDS, packing="full")
    clutter = [torch.isin(one.label_maps, torch.tensor([2, 3, 4, 5])).float().mean() for one in (bags, packed)]
    assert clutter[1] > 1.2 * clutter[0]
    belt = [one.images.float()[:, :, :2].std(dim=(2, 3)).mean() for one in (bags, packed)]
    assert belt[1] > 1.5 * belt[0]
    across = [one.rare["hammer"].nonzero()[:, 2].float().std() for one in (bags, packed)]
    assert across[1] > 1.1 * across[0]
    assert torch.equal(render("baggage", SEEDS).images, bags.images)


def test_an_unknown_packing_is_refused():
    with pytest.raises(OnemaskError, match="'tight' is not one of easy, full"):
        render("baggage", [1], packing="tight")


def test_a_study_may_ask_for_each_packing_that_there_is():
    assert get_args(ScansSettings.model_fields["packing"].annotation) == tuple(baggage.PACKINGS)
