import math
from pathlib import Path

import pandas as pd
import pytest

from onemask.paper.table9 import head_name, make

from .common import OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of, runs, write_rows

ROWS = [
    *runs({"method.head": "mlp1"}, [0.2, 0.4], [0.5, 0.5]),
    *runs({"method.head": "fcn3"}, [0.1, 0.1]),
    *runs({"method.head": "mlp1", "class": "car"}, [0.3]),
]


@pytest.fixture
def made(tmp_path):
    outputs = outputs_in(tmp_path)
    make({"rows": write_rows(tmp_path / "table9.csv", ROWS), "failures": [], "published": PUBLISHED}, outputs, OPTIONS)
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_heads_have_the_papers_names():
    assert [head_name(name) for name in ("mlp1", "fcn9")] == ["MLP-1", "FCN-9"]


def test_values_and_published_figures(made):
    mlp, fcn, car = made[0].to_dict("records")
    assert mlp["wiou_mean"] == pytest.approx(40) and mlp["wiou_std"] == pytest.approx(20 / math.sqrt(2), abs=1e-3)
    assert mlp["fg_iou_mean"] == pytest.approx(60) and mlp["wiou_fg_mean"] == pytest.approx(50)
    assert (mlp["published_wiou"], mlp["published_fg_iou"]) == (53.6, 94.7)
    assert math.isnan(fcn["wiou_std"]) and fcn["published_wiou"] == 52.9
    assert math.isnan(car["published_wiou"])


def test_a_collapsed_fit_is_named_below(tmp_path):
    rows = runs({"method.head": "fcn9"}, [0.2, 0.2], [0.3, 0.3], [0.25, 0.25], [0.01, 0.01])
    inputs = {"rows": write_rows(tmp_path / "table9.csv", rows), "failures": [], "published": PUBLISHED}
    make(inputs, outputs_in(tmp_path), OPTIONS)
    text = Path(outputs_in(tmp_path)["tex"]).read_text()
    assert "face, FCN-9: 1 of 4 fits have a wIoU of 1.0; the median is 22.5." in text


def test_latex(made):
    text = made[1]
    check_latex(text, tabulars=1)
    assert row_of(text, "MLP-1")[0] == r"\textbf{40.0}{\tiny$\pm$14.1}"
    assert row_of(text, "FCN-3") == ["10.0", r"\textit{52.90}", "20.0", "30.0", r"\textit{94.40}"]
    assert "FCN-3: 1 of 2" not in text  # another head, not a failure
    assert r"\texttt{demo\_x}" in text


def test_it_fits_the_page(made, tmp_path):
    check_page(made[1], tmp_path)
