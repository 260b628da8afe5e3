import numpy as np
import pytest

from onemask.data.annotated import AnnotatedSet, write_annotated
from onemask.errors import OnemaskError
from onemask.paper.fig9 import make
from onemask.paper.pictures import STEP

from .picture_files import LABELS, corner, drawn, label_map, outputs_in, write_pictures

SKIN, HAIR, NOSE, MOUTH = (0xE6, 0xB5, 0x8F), (0x8C, 0x51, 0x0A), (0xFD, 0xB8, 0x63), (0xD6, 0x60, 0x4D)
OPTIONS = {
    "study": "x",
    "classes": ["face"],
    "shown": [["face", "second"], ["face", "third"]],
    "titles": {"first": "Absent", "second": "Second", "third": "Third"},
}


@pytest.fixture
def inputs(tmp_path):
    """The exemplar is skin, the truths are hair; the methods predict nose and mouth."""
    maps = np.stack([label_map(value) for value in (1, 2, 2, 5)])
    splits = {"exemplars": np.array([0]), "test": np.array([1, 2, 3])}
    write_annotated(tmp_path / "face.npz", AnnotatedSet(np.zeros((4, 2), np.float32), maps, {}, splits))
    files = [write_pictures(tmp_path / f"{label}.npz", [10, 20, 30, 40], [1, *[label] * 3]) for label in (4, 6)]
    return {"pictures": files, "annotated": [str(tmp_path / "face.npz")], "labels": [LABELS]}


def test_a_column_is_the_truth_or_a_method_and_a_missing_one_stays_empty(tmp_path, inputs):
    make(inputs, outputs := outputs_in(tmp_path), OPTIONS)
    pixels = drawn(outputs)
    image, below = corner(pixels, (20, 0, 0)), corner(pixels, (30, 0, 0))
    assert (below - image).tolist() == [STEP, 0]
    assert not (pixels == (40, 0, 0)).all(2).any(), "two unseen images"
    truth, second, third = (pixels[:, image[1] + STEP :], *[pixels] * 2)
    start = [corner(area, colour) for area, colour in ((truth, HAIR), (second, NOSE), (third, MOUTH))]
    assert start[0][1] == 0 and {place[0] for place in start} == {image[0]}
    assert start[2][1] - start[1][1] == STEP
    assert start[1][1] - image[1] > 2.5 * STEP, "the first method's column is empty but there"
    annotation = corner(pixels, SKIN)
    assert annotation.tolist() == [image[0] + STEP, corner(pixels, (10, 0, 0))[1]]


def test_methods_that_saw_other_images_are_one_line(tmp_path, inputs):
    write_pictures(tmp_path / "6.npz", [10, 21, 30, 40], [1, 6, 6, 6])
    with pytest.raises(OnemaskError, match="6.npz: shows other images than .*4.npz; make both again"):
        make(inputs, outputs_in(tmp_path), OPTIONS)
