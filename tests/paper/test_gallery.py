from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onemask.data.colours import overlay
from onemask.errors import OnemaskError
from onemask.labels import LabelSet
from onemask.paper.gallery import draw_gallery, load_pictures, save_gallery

LABELS = LabelSet(("background", "skin"), ("#000000", "#ff8000"), {})


def picture(value: int, label: int) -> tuple[np.ndarray, np.ndarray]:
    """An image of (value, 0, 0): no text of the gallery has such a colour."""
    return np.full((64, 64, 3), [value, 0, 0], np.uint8), np.full((16, 16), label, np.uint8)


def test_overlay_mixes_colour_and_image_at_the_images_size() -> None:
    image = np.full((4, 4, 3), 100, np.uint8)
    mixed = overlay(image, np.array([[0, 1], [1, 0]], np.uint8), LABELS, 0.25)
    assert mixed.shape == (4, 4, 3)
    assert (mixed[:2, :2] == 75).all() and (mixed[2:, 2:] == 75).all()
    assert (mixed[:2, 2:] == [139, 107, 75]).all()
    np.testing.assert_array_equal(overlay(image, np.ones((2, 2), np.uint8), LABELS, 0.0), image)


def test_every_picture_finds_its_place() -> None:
    """Tiles of one colour each: exemplar 10, unseen 100, 110, 120; the prediction stands below its image."""
    unseen = [picture(value, 0) for value in (100, 110, 120)]
    gallery = np.asarray(draw_gallery(picture(10, 0), unseen, LABELS, columns=2, tile=48, opacity=0.5))
    corners = {value: np.argwhere((gallery == [value, 0, 0]).all(2)).min(0) for value in (10, 100, 110, 120, 50)}
    assert (corners[110] - corners[100]).tolist() == [0, 54]
    assert (corners[120] - corners[100]).tolist() == [108, 0]
    assert (corners[50] - corners[100]).tolist() == [54, 0]
    assert corners[10][0] == corners[100][0] and corners[10][1] < corners[100][1]
    assert (gallery[: corners[10][0]] != 255).any(), "titles"
    assert (gallery[-30:] == (255, 128, 0)).all(2).any(), "the legend shows the label's colour"


def test_the_saved_picture_has_few_colours_and_small_labels_keep_theirs(tmp_path: Path) -> None:
    """Two labels of similar colours, a few pixels each, on images of thousands of colours."""
    labels = LabelSet(("background", "eyebrow", "eye"), ("#000000", "#35978f", "#2166ac"), {})
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    label_map = np.zeros((64, 64), np.uint8)
    label_map[:4, :4], label_map[8:12, :4] = 1, 2
    gallery = draw_gallery((noise, label_map), [(noise, label_map)], labels, columns=1, tile=64, opacity=0.5)
    save_gallery(tmp_path / "g.png", gallery, labels, 0.5)
    with Image.open(tmp_path / "g.png") as image:
        assert image.mode == "P" and image.format == "PNG"
        shown = np.asarray(image.convert("RGB"))
    for colour in ((0x35, 0x97, 0x8F), (0x21, 0x66, 0xAC)):
        assert (shown == colour).all(2).sum() > 100, "the legend's swatch"


def test_a_strange_file_of_pictures_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.npz").write_bytes(b"nothing")
    with pytest.raises(OnemaskError, match="p.npz: not a readable file of pictures"):
        load_pictures(tmp_path / "p.npz")
