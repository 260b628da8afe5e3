import numpy as np
import pytest

from onemask.errors import OnemaskError
from onemask.paper.figC3 import OPACITY, draw, make
from onemask.paper.pictures import STEP

from .picture_files import corner, drawn, outputs_in, write_pictures

COLOURS = {"hammer": "#FF0000", "wrench": "#0000FF"}
OPTIONS = {"study": "demo", "method": "HFC", "items": list(COLOURS), "samples": 9, "shown": 2}


def files(folder, **arrays):
    """Three samples of red 10, 20 and 30: a hammer, and two wrenches of which the second has more hammer."""
    listed = "".join(f'  {name}: "{colour}"\n' for name, colour in COLOURS.items())
    (folder / "labels.yaml").write_text(f'labels:\n  background: "#000000"\nrare:\n{listed}')
    pictures = write_pictures(folder / "sorted.npz", [10, 20, 30], [1, 2, 1], **arrays)
    return {"pictures": pictures, "labels": folder / "labels.yaml"}


def test_a_sample_stands_under_its_own_item_above_what_was_found(tmp_path):
    outputs = outputs_in(tmp_path)
    make(files(tmp_path, items=np.array([1, 2, 2], np.uint8)), outputs, OPTIONS)
    pixels = drawn(outputs)
    hammer, first, second = (corner(pixels, [red, 0, 0]) for red in (10, 20, 30))
    assert hammer[0] < first[0] == second[0] and hammer[1] == first[1] == second[1] - STEP
    over = [pixels[y + STEP + 3, x + 3].tolist() for y, x in (hammer, first, second)]
    assert over == [[round(OPACITY * 255 + (1 - OPACITY) * 10), 0, 0], [4, 0, 204], [210, 0, 0]]


def test_an_item_without_samples_says_so(tmp_path):
    sheet = draw(dict(np.load(files(tmp_path, items=np.array([1, 1, 1], np.uint8))["pictures"])), COLOURS, OPTIONS)
    assert [text.get_text() for text in sheet.axes.texts][-1] == "the most in none of them"


def test_samples_that_are_not_sorted_are_refused(tmp_path):
    with pytest.raises(OnemaskError, match=r"sorted\.npz.*items.*run sort_samples again"):
        make(files(tmp_path), outputs_in(tmp_path), OPTIONS)
