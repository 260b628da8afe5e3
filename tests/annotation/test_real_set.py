"""Annotated sets of real images, with an inversion that is told how well it does."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from onemask.annotation.real_set import RealSetSettings, make_real_set
from onemask.data.annotated import read_annotated, write_annotated
from onemask.data.parts import PartImage, PartMapping
from onemask.errors import OnemaskError
from onemask.labels import LabelSet
from onemask.stylegan2.inversion import Inversion

SIZE = 16
LABELS = LabelSet(("background", "head"), ("#000000", "#ffffff"), {"hat": "#ff0000"})
MAPPING = PartMapping("m.yaml", {"head": "head", "hat": "background"}, {"hat": ("hat",)})
SMALL = RealSetSettings(
    exemplars=3,
    tuning=0,
    supervised=0,
    test=4,
    rare_exemplars=2,
    rare_test_positives=3,
    min_psnr=18.0,
    rare_min_pixels=6,
    allow_fewer=False,
    batch=2,
)


def load(number):
    head = np.zeros((20, 20), bool)
    head[5:15, 5:15] = True
    hat = np.zeros((20, 20), bool)
    hat[:5, 5:15] = number % 3 == 0
    return np.full((40, 40, 3), number, np.uint8), [("head", head), ("hat", hat)]


def images(count, splits=("train", "test")):
    return [PartImage(f"i{n:02d}", splits[n % len(splits)] if splits else None, partial(load, n)) for n in range(count)]


def number_of(pixels):
    return torch.round((pixels.mean(dim=(1, 2, 3)) + 1) * 127.5)


class Inverter:
    """Latents and quality are the image's number; those that are multiples of five are poor."""

    def __init__(self):
        self.seen = []

    def __call__(self, pixels):
        numbers = number_of(pixels)
        assert pixels.shape[1:] == (3, SIZE, SIZE)
        self.seen += numbers.int().tolist()
        quality = torch.where(numbers % 5 == 0, 10.0, 25.0)
        return Inversion(numbers[:, None, None].expand(-1, 4, 2), quality, numbers / 8)


def test_no_good_inversion_at_all_is_one_line_even_where_fewer_are_allowed():
    poor = [each for number, each in enumerate(images(30, ())) if number % 5 == 0]
    few = replace(SMALL, allow_fewer=True)
    with pytest.raises(OnemaskError, match=r"of 6 images none has an inversion of 18 dB \(the best: 10.0\); lower"):
        make_real_set(poor, MAPPING, LABELS, Inverter(), SIZE, few, seed=1)


def names(annotated, split):
    return [annotated.metadata["images"][index] for index in annotated.splits[split]]


def test_splits_are_the_data_set_s_own_disjoint_and_of_good_inversions(tmp_path):
    inverter = Inverter()
    made = make_real_set(images(60), MAPPING, LABELS, inverter, SIZE, SMALL, seed=1)
    write_annotated(tmp_path / "x.npz", made)
    annotated = read_annotated(tmp_path / "x.npz", LABELS)
    numbers = {split: [int(name[1:]) for name in names(annotated, split)] for split in annotated.splits}
    assert {split: len(found) for split, found in numbers.items()} | {"rare_test/hat": 0} == {
        "exemplars": 3,
        "tuning": 0,
        "supervised": 0,
        "test": 4,
        "rare_exemplars/hat": 2,
        "rare_test/hat": 0,
    }
    assert all(number % 2 == 0 for number in numbers["exemplars"] + numbers["rare_exemplars/hat"])
    assert all(number % 2 for number in numbers["rare_test/hat"])
    assert all(number % 3 == 0 for number in numbers["rare_exemplars/hat"])
    assert sum(number % 3 == 0 for number in numbers["rare_test/hat"]) == 3
    assert numbers["rare_test/hat"][:4] == numbers["test"]
    assert not any(number % 5 == 0 for found in numbers.values() for number in found)
    assert annotated.ws.shape[1:] == (4, 2)
    for split in ("exemplars", "rare_test/hat"):
        for index, number in zip(annotated.splits[split], numbers[split], strict=True):
            assert annotated.ws[index, 0, 0] == number and annotated.label_maps[index, 8, 8] == 1
            assert annotated.rare["hat"][index].any() == (number % 3 == 0)
    report = annotated.metadata["inversion"]
    assert report["left_out"] == sum(number % 5 == 0 for number in inverter.seen) and min(report["psnr"]) == 25
    named = [int(name[1:]) for name in annotated.metadata["images"]]
    assert report["feature_distance"] == [number / 8 for number in named]
    assert report["feature_distance_quartiles"][1] == pytest.approx(np.median(inverter.seen) / 8, rel=1e-3)
    assert len(inverter.seen) == len(set(inverter.seen)) == report["inverted"] < 40  # only what was needed, and once


def test_without_splits_of_its_own_a_data_set_is_split_by_seed():
    made = [make_real_set(images(60, ()), MAPPING, LABELS, Inverter(), SIZE, SMALL, seed) for seed in (1, 1, 2)]
    exemplars, test = (set(names(made[0], split)) for split in ("exemplars", "test"))
    assert not exemplars & test and not set(names(made[0], "rare_exemplars/hat")) & test
    assert np.array_equal(made[0].ws, made[1].ws) and made[0].metadata == made[1].metadata
    assert names(made[2], "exemplars") != names(made[0], "exemplars")


def test_too_few_images_are_an_error_or_taken_as_they_are():
    few = replace(SMALL, exemplars=30, test=2, rare_exemplars=0, rare_test_positives=0)
    with pytest.raises(OnemaskError, match="24 of 30 exemplars with an inversion of 18 dB; ask for fewer"):
        make_real_set(images(60), MAPPING, LABELS, Inverter(), SIZE, few, 1)
    fewer = replace(few, allow_fewer=True)
    assert len(names(make_real_set(images(60), MAPPING, LABELS, Inverter(), SIZE, fewer, 1), "exemplars")) == 24


def test_an_image_that_cannot_be_painted_is_named():
    broken = [PartImage("i07", "train", lambda: (load(7)[0], [("roof", np.ones((2, 2), bool))]))]
    with pytest.raises(OnemaskError, match="image i07: the part 'roof' is not in m.yaml"):
        make_real_set(broken, MAPPING, LABELS, Inverter(), SIZE, SMALL, 1)
