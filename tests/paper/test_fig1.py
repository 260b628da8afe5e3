import pytest

from onemask.errors import OnemaskError
from onemask.paper.fig1 import make
from onemask.paper.pictures import STEP, TILE

from .picture_files import LABELS, corner, drawn, outputs_in, write_pictures

OPTIONS = {"study": "x", "classes": ["face", "cat"], "method": "Ours", "unseen": 2, "opacity": 0.5}


@pytest.fixture
def inputs(tmp_path):
    first = write_pictures(tmp_path / "face.npz", [10, 20, 30, 40], [0, 0, 0, 0])
    second = write_pictures(tmp_path / "cat.npz", [110, 120, 130, 140], [0, 0, 0, 0])
    return {"pictures": [first, second], "labels": [LABELS, LABELS]}


def test_a_class_is_two_strips_with_its_exemplar_first(tmp_path, inputs):
    make(inputs, outputs := outputs_in(tmp_path), OPTIONS)
    pixels = drawn(outputs)
    places = {value: corner(pixels, (value, 0, 0)) for value in (20, 30, 110, 120, 130, 55, 60, 65)}
    assert (places[30] - places[20]).tolist() == [0, STEP]
    assert (places[130] - places[120]).tolist() == [0, STEP] and places[110][1] < places[120][1] - STEP
    assert (places[60] - places[120]).tolist() == [STEP, 0], "the image under its labels, half background"
    assert (places[65] - places[130]).tolist() == [STEP, 0] and places[110][0] > places[20][0] + 2 * TILE
    assert not (pixels == (140, 0, 0)).all(2).any(), "only as many unseen images as the option says"


def test_the_legend_shows_the_labels_colours(tmp_path, inputs):
    make(inputs, outputs := outputs_in(tmp_path), OPTIONS)
    assert (drawn(outputs) == (0xD6, 0x60, 0x4D)).all(2).sum() > 2 * 100, "mouth, once for each class"


def test_a_damaged_file_is_one_line(tmp_path, inputs):
    (tmp_path / "cat.npz").write_bytes(b"nothing")
    with pytest.raises(OnemaskError, match="cat.npz: not a readable file of pictures"):
        make(inputs, outputs_in(tmp_path), OPTIONS)
