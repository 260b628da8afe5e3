from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onemask.data.polygons import PolygonAnnotation, rasterise, read_polygons
from onemask.errors import OnemaskError
from onemask.files import write_json
from onemask.labels import LabelSet, read_labels

LABELS = LabelSet(("background", "skin", "eye"), ("#000000", "#ff0000", "#0000ff"), {})
ROOT = Path(__file__).resolve().parents[2]
SQUARE = [[8, 8], [23, 8], [23, 23], [8, 23]]


def annotation(**polygons: Any) -> PolygonAnnotation:
    return PolygonAnnotation(32, 0, 0.7, polygons)


def test_later_labels_cover_earlier_ones_and_background_cuts_holes() -> None:
    hole = [[12, 12], [15, 12], [15, 15], [12, 15]]
    inner = [[16, 16], [19, 16], [19, 19], [16, 19]]
    label_map = rasterise(annotation(skin=[SQUARE], eye=[inner], background=[hole]), LABELS, 32)
    expected = np.zeros((32, 32), np.uint8)
    expected[8:24, 8:24] = 1
    expected[16:20, 16:20] = 2
    expected[12:16, 12:16] = 0
    np.testing.assert_array_equal(label_map, expected)


def test_a_smaller_map_takes_the_commonest_label() -> None:
    # The square ends at pixel 23: whole blocks of eight; one pixel narrower still has the majority in its blocks.
    narrow = [[9, 8], [23, 8], [23, 23], [9, 23]]
    expected = np.zeros((4, 4), np.uint8)
    expected[1:3, 1:3] = 1
    np.testing.assert_array_equal(rasterise(annotation(skin=[SQUARE]), LABELS, 4), expected)
    np.testing.assert_array_equal(rasterise(annotation(skin=[narrow]), LABELS, 4), expected)
    sliver = [[15, 8], [16, 8], [16, 23], [15, 23]]
    assert not rasterise(annotation(skin=[sliver]), LABELS, 4).any()


def test_a_size_that_does_not_divide_is_refused() -> None:
    with pytest.raises(OnemaskError, match="resolution 24"):
        rasterise(annotation(skin=[SQUARE]), LABELS, 24)


@pytest.mark.parametrize(
    ("polygons", "message"),
    [
        ({"hat": [SQUARE]}, "label 'hat' is not one of background, skin, eye"),
        ({"skin": [SQUARE[:2]]}, "polygon of 'skin' is not a list of at least three"),
        ({"skin": [[[0, 0], [1], [2, 2]]]}, "polygon of 'skin' is not a list of at least three"),
        ({"skin": [[[0, 0], [40, 0], [2, 2]]]}, "polygon of 'skin' leaves the image, 0 to 32"),
        ({"skin": [[[0, 0], ["a", 0], [2, 2]]]}, "polygon of 'skin' leaves the image, 0 to 32"),
    ],
)
def test_bad_polygons_are_one_line(tmp_path: Path, polygons: Any, message: str) -> None:
    write_json(path := tmp_path / "a.json", {"image_size": 32, "seed": 1, "truncation": 0.7, "polygons": polygons})
    with pytest.raises(OnemaskError, match=message) as raised:
        read_polygons(path, LABELS)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    write_json(path := tmp_path / "a.json", {"image_size": 32, "truncation": 0.7, "polygons": {}})
    with pytest.raises(OnemaskError, match="seed"):
        read_polygons(path, LABELS)


def test_the_annotated_face_holds_every_label() -> None:
    labels = read_labels(ROOT / "config/labels/face.yaml")
    label_map = rasterise(read_polygons(ROOT / "config/real_faces/exemplar.json", labels), labels, 256)
    shares = np.bincount(label_map.ravel(), minlength=len(labels)) / label_map.size
    assert (shares > 0.002).all() and shares[labels.index("skin")] > 0.2
