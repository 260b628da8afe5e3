"""Curves of IoU against detection: a perfect prediction is found at every threshold below one."""

import numpy as np
import pandas as pd
import pytest

from onemask.evaluation.metrics import area_rows
from onemask.evaluation.pd_curves import THRESHOLDS, label_curves, mean_curves

LABELS = ["background", "part", "rare"]


def rows(predicted, true):
    table = area_rows(np.asarray(predicted), np.asarray(true), LABELS)
    return table.assign(**{"study": "s", "class": "face", "method": "m"}, exemplar=0)


def maps():
    """Four images; the first alone holds `rare`."""
    true = np.zeros((4, 4, 4), int)
    true[:, :2] = 1
    true[0, 3] = 2
    return true


def test_thresholds_are_those_of_the_decision():
    assert len(THRESHOLDS) == 21 and THRESHOLDS[0] == 0 and THRESHOLDS[-1] == 1
    assert np.allclose(np.diff(THRESHOLDS), 0.05)


def test_a_perfect_prediction_is_found_at_every_threshold_below_one():
    true = maps()
    mean, labels = mean_curves(rows(true, true)), label_curves(rows(true, true))
    assert (mean["pd"] == (mean["threshold"] < 1)).all() and len(mean) == 21
    assert (labels["pd"] == (labels["threshold"] < 1)).all() and list(labels["label"].unique()) == LABELS


def test_the_mean_curve_counts_images_and_a_label_s_curve_those_that_hold_it():
    """`part` is missed in one image of four, halved in another; `rare` is imagined where it is not."""
    true = maps()
    predicted = true.copy()
    predicted[1][predicted[1] == 1] = 0
    predicted[2, 1] = 0  # IoU of part: 4 / 8
    predicted[3, 3] = 2
    table = rows(predicted, true)
    curve = label_curves(table).set_index(["label", "threshold"])["pd"]
    assert [curve["part", t] for t in (0, 0.45, 0.5, 0.95)] == [0.75, 0.75, 0.5, 0.5]
    assert curve["rare", 0.95] == 1
    expected = table.groupby("image")["iou"].mean()
    mean = mean_curves(table).set_index("threshold")["pd"]
    for threshold in THRESHOLDS:
        assert mean[threshold] == pytest.approx((expected > threshold).mean())


def test_a_label_that_no_image_holds_has_no_curve_and_methods_stay_apart():
    true = maps()[1:]
    table = pd.concat([rows(true, true), rows(np.zeros_like(true), true).assign(method="nothing")])
    curves = label_curves(table)
    assert set(curves["label"]) == {"background", "part"}
    part = curves[(curves["label"] == "part") & (curves["threshold"] == 0)].set_index("method")["pd"]
    assert part.to_dict() == {"m": 1, "nothing": 0}
