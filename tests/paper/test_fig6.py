"""Figs. 6 and 7: each sample stands in the row of its block and the group of its strength or method."""

import numpy as np
import pytest

from onemask.errors import OnemaskError
from onemask.paper import fig6, fig7
from onemask.paper.pictures import STEP

from .picture_files import corner, drawn, outputs_in

STRENGTHS, METHODS, BLOCKS, SAMPLES = [0.5, 1.0], ["interpolation", "noise"], 2, 2
OPTIONS = {"study": "x", "class": "face", "truncation": 0.7, "columns": 2}


def value(identity, method, block, strength, sample):
    """The green of a sample, whose red is its identity's."""
    return 8 * (1 + ((method * BLOCKS + block) * len(STRENGTHS) + strength) * SAMPLES + sample)


@pytest.fixture
def inputs(tmp_path):
    shape = (2, len(METHODS), BLOCKS, len(STRENGTHS), SAMPLES)
    images = np.zeros((*shape, 4, 4, 3), np.uint8)
    for index in np.ndindex(shape):
        images[index] = [100 + index[0], value(*index), 0]
    originals = np.zeros((2, 4, 4, 3), np.uint8)
    originals[:] = np.array([[100, 0, 0], [101, 0, 0]], np.uint8)[:, None, None]
    coordinates = {"methods": METHODS, "resolutions": [4, 8], "strengths": STRENGTHS}
    np.savez(tmp_path / "s.npz", originals=originals, images=images, **coordinates)
    return {"samples": str(tmp_path / "s.npz")}


def test_fig6_has_a_row_per_block_and_a_group_per_strength(tmp_path, inputs):
    options = OPTIONS | {"strengths": STRENGTHS, "identities": 2}
    fig6.make(inputs, outputs := outputs_in(tmp_path), options)
    pixels = drawn(outputs)
    place = {index: corner(pixels, (100 + index[0], value(*index), 0)) for index in np.ndindex(2, 1, 2, 2, 2)}
    start = place[0, 0, 0, 0, 0]
    assert (place[0, 0, 0, 0, 1] - start).tolist() == [0, STEP]
    assert (place[0, 0, 1, 0, 0] - start).tolist() == [STEP, 0]
    assert place[0, 0, 0, 1, 0][1] > start[1] + 2 * STEP and place[0, 0, 0, 1, 0][0] == start[0]
    assert place[1, 0, 0, 0, 0][0] > start[0] + 2 * STEP and place[1, 0, 0, 0, 0][1] == start[1]
    assert corner(pixels, (100, 0, 0))[1] < start[1], "the original"


def test_fig7_has_noise_left_and_interpolation_right_of_one_identity(tmp_path, inputs):
    fig7.make(inputs, outputs := outputs_in(tmp_path), OPTIONS | {"strength": 1.0})
    pixels = drawn(outputs)
    noise, interpolation = (corner(pixels, (100, value(0, method, 0, 1, 0), 0)) for method in (1, 0))
    assert noise[0] == interpolation[0] and interpolation[1] > noise[1] + 2 * STEP
    assert not (pixels == (101, 0, 0)).all(2).any(), "the second identity"
    assert not (pixels == (100, value(0, 0, 0, 0, 0), 0)).all(2).any(), "another strength"


def test_a_strength_that_was_not_sampled_is_one_line(tmp_path, inputs):
    with pytest.raises(OnemaskError, match="no strength 0.7; the file has 0.5, 1.0"):
        fig7.make(inputs, outputs_in(tmp_path), OPTIONS | {"strength": 0.7})
