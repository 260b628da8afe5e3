import numpy as np
import pytest

from onemask.evaluation.landmarks import PARTS, part_masks, part_scores

LABELS = ("background", "skin", "hair", "eyebrow", "nose", "eye", "mouth", "ear")
SQUARE = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]], np.float32)
OUTLINES = {part: [[0, 1, 2, 3]] for part in PARTS}


def test_an_outline_encloses_the_pixels_that_it_covers():
    mask = part_masks(SQUARE, {"face": [[0, 1, 2, 3]]}, 64)["face"]
    wanted = np.zeros((64, 64), bool)
    wanted[16:48, 16:48] = True
    assert (mask == wanted).all()


def test_small_parts_keep_their_area_and_their_place():
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ellipse = np.stack([0.4 + 0.04 * np.cos(turn), 0.6 + 0.015 * np.sin(turn)], axis=1)
    mask = part_masks(ellipse, {"eye": [list(range(40))]}, 256)["eye"]
    rows, columns = np.nonzero(mask)
    assert mask.sum() == pytest.approx(np.pi * 0.04 * 0.015 * 256**2, rel=0.05)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((0.6 * 256, 0.4 * 256), abs=0.1)


def test_parts_are_made_of_their_labels():
    label_map = np.zeros((64, 64), np.uint8)
    label_map[part_masks(SQUARE, OUTLINES, 64)["face"]] = LABELS.index("skin")
    scores = {row["part"]: row["iou"] for row in part_scores(label_map, SQUARE, OUTLINES, LABELS)}
    assert scores == {"face": 1, "eye": 0, "eyebrow": 0, "mouth": 0}
    label_map[:32][label_map[:32] > 0] = LABELS.index("hair")  # hair is no face
    scores = {row["part"]: row["iou"] for row in part_scores(label_map, SQUARE, OUTLINES, LABELS)}
    assert scores["face"] == 0.5
