"""A sheet's tiles are the PNG's own pixels, its text stays text in the PDF, and equal sheets are equal bytes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from onemask.labels import LabelSet
from onemask.paper.pictures import (
    GAP,
    MARGIN,
    STEP,
    TILE,
    Sheet,
    enlarged,
    headed_sheet,
    labelled,
    span,
    squares,
    text_width,
    wrapped,
)

LABELS = LabelSet(("background", "skin"), ("#000000", "#ff8000"), {})


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (TILE, TILE, 3), dtype=np.uint8)


def outputs_in(folder, name="a"):
    return {ending: str(folder / f"{name}.{ending}") for ending in ("pdf", "png")}


def test_tiles_are_the_pngs_pixels(tmp_path):
    tiles = [noise(0), noise(1), noise(2)]
    sheet = Sheet(30 + span(2) + 7, 40 + span(2) + 5)
    sheet.grid(30, 40, [[tiles[0], None], [tiles[1], tiles[2]]])
    sheet.text(0, 20, "above")
    sheet.save(outputs_in(tmp_path))
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert shown.shape == sheet.raster.shape
    for tile, (row, column) in zip(tiles, ((0, 0), (1, 0), (1, 1)), strict=True):
        top, left = 40 + row * STEP, 30 + column * STEP
        np.testing.assert_array_equal(shown[top : top + TILE, left : left + TILE], tile)
    assert (shown[40 : 40 + TILE, 30 + STEP :] == 255).all(), "None leaves its place empty"
    assert (shown[:20] != 255).any(), "the text"


def test_equal_sheets_are_equal_bytes_with_text_as_text(tmp_path):
    for name in ("a", "b"):
        sheet = Sheet(300, 60)
        sheet.legend(10, 30, {"skin": "#ff8000", "hair": "#8c510a"})
        sheet.save(outputs_in(tmp_path, name))
    for ending in ("pdf", "png"):
        first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
        assert first == second
    assert b"/TrueType" in (tmp_path / "a.pdf").read_bytes() or b"/Type0" in (tmp_path / "a.pdf").read_bytes()


def test_a_legends_names_do_not_overlap():
    sheet = Sheet(600, 60)
    sheet.legend(10, 30, {"background": "#000000", "skin": "#ff8000"})
    starts = [patch.get_x() for patch in sheet.axes.patches]
    assert [patch.get_facecolor()[:3] for patch in sheet.axes.patches] == [(0, 0, 0), (1, 128 / 255, 0)]
    assert starts[0] == 10 and starts[1] > 10 + text_width("background")


def test_headings_stand_between_the_text_and_their_columns_tiles():
    text = "study demo: what the columns show, which is longer than they are wide"
    heads = ["image", "HFC + SwAV (FCN), 1:5"]
    sheet, top = headed_sheet(text, heads, [MARGIN, MARGIN + STEP], below=span(2), font=8.0)
    assert sheet.raster.shape[1] >= 2 * MARGIN + int(text_width(text, 8.0))
    assert sheet.raster.shape[0] == top + span(2) + MARGIN
    above, *lines = sheet.axes.texts
    assert above.get_text() == text
    assert [line.get_text() for line in lines if line.get_position()[0] == MARGIN] == ["image"]
    assert all(MARGIN < line.get_position()[1] < top for line in lines) and len(lines) > len(heads), "one is wrapped"
    wide, _ = headed_sheet(text, heads, [MARGIN, MARGIN + STEP], below=0, font=8.0, width=5000)
    assert wide.raster.shape[1] == 5000 + 2 * MARGIN


def test_labels_stay_squares_over_a_smooth_image():
    label_map = np.zeros((4, 4), np.uint8)
    label_map[1, 2] = 1
    part = TILE // 4
    assert (squares(label_map)[part : 2 * part, 2 * part : 3 * part] == 1).all() and squares(label_map).sum() == part**2
    image = np.full((4, 4, 3), 100, np.uint8)
    assert (enlarged(image) == 100).all() and enlarged(image).shape == (TILE, TILE, 3)
    tile = labelled(image, label_map, LABELS, 1.0)
    assert (tile[part : 2 * part, 2 * part : 3 * part] == [255, 128, 0]).all()
    assert (tile == [255, 128, 0]).all(2).sum() == part**2


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("LAGM", ["LAGM"]),
        ("HFC + SwAV (FCN)", ["HFC +", "SwAV", "(FCN)"]),
        ("Supercalifragilistic (MLP)", ["Supercalifragilistic", "(MLP)"]),
        ("RepurposeRepurposeGAN", ["Repurpose", "Repurpose", "GAN"]),
    ],
)
def test_text_breaks_at_spaces_and_in_long_words_before_capitals(text, lines):
    assert wrapped(text, width=text_width("Repurpose")).split("\n") == lines


def test_the_last_line_of_a_heading_stands_on_its_baseline():
    sheet = Sheet(200, 200)
    sheet.heading(5, 100, "first\nsecond")
    heights = {text.get_text(): text.get_position()[1] for text in sheet.axes.texts}
    assert heights["second"] == 100 and heights["first"] < 100 - GAP


def test_figures_of_pictures_import_no_torch():
    names = ", ".join(f"onemask.paper.fig{number}" for number in (1, 6, 7, 9, 12))
    probe = f"import {names}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0
