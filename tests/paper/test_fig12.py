import numpy as np
import pytest

from onemask.errors import OnemaskError
from onemask.paper.fig12 import make
from onemask.paper.pictures import STEP, TILE

from .picture_files import SIZE, corner, drawn, outputs_in, write_pictures

FOUND, FALSE, MISSED = (0x56, 0xB4, 0xE9), (0xD5, 0x5E, 0x00), (0xF0, 0xE4, 0x42)
OPTIONS = {
    "study": "x",
    "shown": [["face", "eye_g", "good"], ["face", "eye_g", "bad"]],
    "titles": {"good": "Good", "bad": "Bad"},
    "each": 2,
}


def shade(colour, value):
    """The colour over the grey of a plain image: 0.6 of a third of its red."""
    grey = round(0.6 * value / 3)
    return tuple(round(0.15 * grey + 0.85 * channel) for channel in colour)


def mask(*flags):
    return np.stack([np.full((SIZE, SIZE), flag, np.uint8) for flag in flags])


@pytest.fixture
def inputs(tmp_path):
    """The exemplar, then images with, without, with, with, without, without the object; `bad` predicts the opposite."""
    values, truths = [10, 20, 30, 40, 50, 60, 70], mask(1, 1, 0, 1, 1, 0, 0)
    good = write_pictures(tmp_path / "good.npz", values, truths[:, 0, 0], truths=truths)
    bad = write_pictures(tmp_path / "bad.npz", values, [1, 0, 1, 0, 0, 1, 1], truths=truths)
    return {"pictures": [good, bad]}


def test_images_with_the_object_stand_left_of_those_without_and_outcomes_have_their_colours(tmp_path, inputs):
    make(inputs, outputs := outputs_in(tmp_path), OPTIONS)
    pixels = drawn(outputs)
    image = {value: corner(pixels, (value, 0, 0)) for value in (10, 20, 40, 30, 60)}
    assert len({place[0] for place in image.values()}) == 1, "one row of images"
    assert [place[1] for place in image.values()] == sorted(place[1] for place in image.values())
    assert not any((pixels == (value, 0, 0)).all(2).any() for value in (50, 70)), "the first two of each kind"

    def middle(value, row):
        """The colour of an image's tile in a row: 1 the truth, 2 good, 3 bad."""
        top, left = image[value]
        return tuple(pixels[top + row * STEP + TILE // 2, left + TILE // 2].tolist())

    assert middle(10, 1) == shade(FOUND, 10) and middle(10, 2) == (255, 255, 255), "the exemplar was not predicted"
    assert [middle(20, row) for row in (1, 2, 3)] == [shade(FOUND, 20), shade(FOUND, 20), shade(MISSED, 20)]
    assert [middle(30, row) for row in (1, 2, 3)] == [(6, 6, 6), (6, 6, 6), shade(FALSE, 30)]


def test_an_annotated_set_without_the_object_leaves_its_places_empty(tmp_path, inputs):
    nothing = np.zeros((0, SIZE, SIZE), np.uint8)
    for name in ("good", "bad"):
        arrays = {"images": np.zeros((0, SIZE, SIZE, 3), np.uint8), "label_maps": nothing, "truths": nothing}
        np.savez(tmp_path / f"{name}.npz", **arrays)
    make(inputs, outputs := outputs_in(tmp_path), OPTIONS)
    assert (drawn(outputs) == 255).mean() > 0.9


def test_methods_that_saw_other_images_are_one_line(tmp_path, inputs):
    write_pictures(tmp_path / "bad.npz", [10, 21], [1, 1], truths=mask(1, 1))
    with pytest.raises(OnemaskError, match="bad.npz: shows other images than .*good.npz; make both again"):
        make(inputs, outputs_in(tmp_path), OPTIONS)
