"""Real images of downstream trainings: drawn once, from the right split, and never what a segmenter was fitted on."""

import pytest

from onemask.data.parts import PartImage
from onemask.downstream.real import choose_images
from onemask.errors import OnemaskError

COUNTS = {"real": 5, "validation": 3, "test": 4}


def images(count, splits):
    return [PartImage(f"i{n}", splits[n % len(splits)] if splits else None, lambda: None) for n in range(count)]


@pytest.mark.parametrize("splits", [("train", "test"), ()])
def test_no_image_is_drawn_twice_or_was_used(splits):
    pool = images(30, splits)
    chosen = choose_images(pool, COUNTS, {"i0", "i1", "i2", "i3"}, seed=1)
    names = [image.name for split in chosen.values() for image in split]
    assert {name: len(split) for name, split in chosen.items()} == COUNTS
    assert len(set(names)) == len(names) and not set(names) & {"i0", "i1", "i2", "i3"}
    if splits:
        assert all((image.split == "test") == (name == "test") for name, split in chosen.items() for image in split)
    again, other = (choose_images(pool, COUNTS, (), seed) for seed in (1, 2))
    assert again == choose_images(pool, COUNTS, (), 1) != other


def test_too_few_images_are_said():
    with pytest.raises(OnemaskError, match="downstream.test: 4 images asked for, the data set has 3 left"):
        choose_images(images(6, ("train", "test")), COUNTS | {"real": 2, "validation": 1}, (), seed=1)
