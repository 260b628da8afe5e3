"""Paired differences against figures worked out by hand."""

import math

import pandas as pd
import pytest

from onemask.evaluation.metrics import METRICS
from onemask.evaluation.paired import paired_differences


def scores(values, name="face"):
    """Rows of image_scores: per method and exemplar two images around the given mean, all metrics equal."""
    rows = [
        {"study": "s", "class": name, "method": method, "exemplar": exemplar, "image": image}
        | dict.fromkeys(METRICS, mean + shift)
        for method, means in values.items()
        for exemplar, mean in enumerate(means)
        for image, shift in enumerate((-0.01, 0.01))
    ]
    return pd.DataFrame(rows)


def test_differences_are_taken_exemplar_by_exemplar():
    table = paired_differences(scores({"a": [0.5, 0.6, 0.4, 0.7], "b": [0.4, 0.4, 0.1, 0.8]}), ["a"])
    assert table["metric"].tolist() == METRICS
    row = table.iloc[0]
    assert row["exemplars"] == 4 and row["wins"] == 3
    assert row["mean"] == pytest.approx((10 + 20 + 30 - 10) / 4)
    assert row["std"] == pytest.approx(pd.Series([10, 20, 30, -10]).std())


def test_the_smallest_p_value_of_twenty_exemplars_is_that_of_a_constant_sign():
    better = scores({"a": [0.5 + 0.01 * i for i in range(20)], "b": [0.3 + 0.0001 * i * i for i in range(20)]})
    row = paired_differences(better, ["a"]).iloc[0]
    assert row["wins"] == 20 and row["p_value"] == pytest.approx(2 * 0.5**20, rel=0.01)


def test_equal_methods_have_no_p_value_and_a_reference_fitted_once_is_left_out():
    table = paired_differences(scores({"a": [0.5, 0.6], "b": [0.5, 0.6], "supervised": [0.9]}), ["a", "missing"])
    assert set(table["rival"]) == {"b"}
    assert (table["mean"] == 0).all() and (table["wins"] == 0).all()
    assert all(math.isnan(value) for value in table["p_value"])
