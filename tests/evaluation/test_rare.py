import numpy as np
import pandas as pd
import pytest

from onemask.evaluation.metrics import area_rows
from onemask.evaluation.rare import outcomes, summarise

KEYS = {"study": "s", "class": "face", "method": "m"}


def rows_of(true, predicted, exemplar=0):
    """Metrics rows of images of eight pixels, given as strings of `x` (part) and `.`."""
    maps = [np.array([[[c == "x" for c in image]] for image in images], np.uint8) for images in (predicted, true)]
    return area_rows(*maps, ["background", "part"]).assign(**KEYS, exemplar=exemplar)


@pytest.mark.parametrize(
    ("true", "predicted", "expected"),
    [
        ("xx......", "xx......", (1, 0, 0)),  # met
        ("xx......", "x.......", (1, 0, 0)),  # IoU 0.5 is enough
        ("xxx.....", "x.......", (0, 1, 1)),  # there, but badly met: a wrong prediction and a miss
        ("xx......", "....xx..", (0, 1, 1)),
        ("xx......", "........", (0, 0, 1)),  # missed
        ("........", "x.......", (0, 1, 0)),  # seen where nothing is
        ("........", "........", (0, 0, 0)),  # an IoU that is not defined is no error
    ],
)
def test_an_image_is_a_hit_a_false_alarm_a_miss_or_nothing(true, predicted, expected):
    [row] = outcomes(rows_of([true], [predicted])).to_dict("records")
    assert (row["tp"], row["fp"], row["fn"]) == expected
    assert row["present"] == ("x" in true) and row["label"] == "part"


def test_the_threshold_is_an_argument():
    rows = rows_of(["xxxx...."], ["xxx....."])
    assert outcomes(rows, 0.75)["tp"].item() == 1 and outcomes(rows, 0.76)["tp"].item() == 0


def test_precision_is_pooled_and_its_spread_is_over_exemplars_that_predict():
    there, nothing = "xx......", "........"
    true = [there, there, nothing]
    tables = [
        rows_of(true, [there, there, nothing], 0),  # 2 TP: precision 1
        rows_of(true, [there, nothing, there], 1),  # 1 TP, 1 FP, 1 FN: precision 1/2
        rows_of(true, [nothing, nothing, nothing], 2),  # 2 FN: no precision
    ]
    [row] = summarise(outcomes(pd.concat(tables))).to_dict("records")
    assert (row["tp"], row["fp"], row["fn"]) == (3, 1, 3)
    assert row["precision"] == 0.75 and row["precision_mean"] == 0.75
    assert row["precision_std"] == pytest.approx(np.sqrt(2 * 0.25**2))
    assert (row["exemplars"], row["predicting"], row["images"]) == (3, 2, 3)
    assert row["present"] == pytest.approx(2 / 3)


def test_without_any_prediction_there_is_no_precision():
    [row] = summarise(outcomes(rows_of(["xx......"], ["........"]))).to_dict("records")
    assert np.isnan(row["precision"]) and np.isnan(row["precision_std"]) and row["fn"] == 1


def test_methods_and_labels_stay_apart():
    rows = rows_of(["xx......"], ["xx......"])
    other = rows_of(["xx......"], ["........"]).assign(method="n").replace({"label": {"part": "other"}})
    table = summarise(outcomes(pd.concat([rows, other])))
    assert table[["method", "label", "tp", "fn"]].values.tolist() == [["m", "part", 1, 0], ["n", "other", 0, 1]]
