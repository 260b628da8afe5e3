import numpy as np
import pytest
from PIL import Image

from onemask.evaluation.pictures import save_arrays
from onemask.paper.figC4 import grey, make
from onemask.paper.pictures import GAP, LINE, MARGIN, TILE, span

PITCH = span(1) + LINE + 10
SHADES = {"simulated": 40, "generated": 120, "real": 200}


def strips(path, count):
    """The grey in the middle of each strip's first tile."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    rows = [MARGIN + 2 * LINE + number * PITCH + LINE + TILE // 2 for number in range(count)]
    return [pixels[row, MARGIN + TILE // 2].tolist() for row in rows]


@pytest.mark.parametrize("kinds", [("simulated", "generated"), ("simulated", "generated", "real")])
def test_a_strip_per_kind_of_scan_the_real_ones_where_there_are_any(tmp_path, kinds):
    save_arrays(tmp_path / "s.npz", {kind: np.full((3, 16, 16, 3), SHADES[kind], np.uint8) for kind in kinds})
    make({"scans": tmp_path / "s.npz"}, {"png": tmp_path / "c4.png"}, {"study": "demo"})
    assert strips(tmp_path / "c4.png", len(kinds)) == [[SHADES[kind]] * 3 for kind in kinds]
    height = Image.open(tmp_path / "c4.png").height
    assert height == MARGIN + 2 * LINE + len(kinds) * PITCH + MARGIN and GAP < LINE


def test_grey_is_luma():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    assert grey(image)[0, :, 0].tolist() == [76, 150, 29, 9]
