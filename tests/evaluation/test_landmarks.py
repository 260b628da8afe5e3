import numpy as np
import pytest

from onemask.evaluation.landmarks import PARTS, part_masks, part_scores

LABELS = ("background", "skin", "hair", "eyebrow", "nose", "eye", "mouth", "ear")
SQUARE = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]], np.float32)
OUTLINES = {part: [[0, 1, 2, 3]] for part in PARTS}


def test_an_outline_encloses_the_pixels_whose_centres_lie_within():
    mask = part_masks(SQUARE, {"face": [[0, 1, 2, 3]]}, 64)["face"]
    wanted = np.zeros((64, 64), bool)
    wanted[16:48, 16:48] = True
    assert (mask != wanted).sum() <= 4 * 33 and mask[20:44, 20:44].all() and not mask[:15].any()


def test_parts_are_made_of_their_labels():
    label_map = np.zeros((64, 64), np.uint8)
    label_map[part_masks(SQUARE, OUTLINES, 64)["face"]] = LABELS.index("skin")
    scores = {row["part"]: row["iou"] for row in part_scores(label_map, SQUARE, OUTLINES, LABELS)}
    assert scores == {"face": 1, "eye": 0, "eyebrow": 0, "mouth": 0}
    label_map[:32][label_map[:32] > 0] = LABELS.index("hair")  # hair is no face
    assert dict((r["part"], r["iou"]) for r in part_scores(label_map, SQUARE, OUTLINES, LABELS))["face"] == (
        pytest.approx(0.5, abs=0.03)
    )
