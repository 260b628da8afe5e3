import math

import numpy as np
import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.evaluation import metrics
from onemask.paper.table10 import make

from .common import OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of, runs, write_rows

ROWS = [
    *runs({"method": "swav_fcn"}, [0.2, 0.4], [0.5, 0.5]),
    *runs({"method": "swav_fcn", "shots": 5}, [0.6, 0.6], [0.7, 0.7]),
    *runs({"method": "datasetgan"}, [0.1, 0.1], [0.2, 0.2]),
]


def supervised(path, study="demo_x"):
    """One image of eight pixels, four of them part, two found: wIoU 2/4 x 4/8 = 25 %."""
    true, predicted = np.array([[[1, 1, 1, 1, 0, 0, 0, 0]]]), np.array([[[1, 1, 0, 0, 0, 0, 0, 0]]])
    rows = metrics.area_rows(predicted, true, ["background", "part"])
    keys = {"study": study, "class": "face", "method": "supervised", "exemplar": 0}
    metrics.write_rows(path, rows.assign(**keys))
    return str(path)


def table_of(tmp_path, study="demo_x"):
    inputs = {
        "rows": write_rows(tmp_path / "table10.csv", ROWS),
        "supervised": [supervised(tmp_path / "supervised.csv", study)],
        "failures": [], "published": PUBLISHED,
    }
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, OPTIONS)
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_methods_in_their_order_by_shots_and_the_supervised_one(tmp_path):
    table, _ = table_of(tmp_path)
    assert table["method"].tolist() == ["datasetgan", "swav_fcn", "swav_fcn", "supervised"]
    assert table["wiou_mean"].tolist() == pytest.approx([15, 40, 65, 25])
    assert table["wiou_std"].tolist()[:3] == pytest.approx([d / math.sqrt(2) for d in (10, 20, 10)], abs=1e-4)
    assert table["published_wiou"].tolist() == [49.48, 53.61, 61.11, 68.71]
    assert table["shots"].tolist()[:3] == [1, 1, 5] and math.isnan(table["shots"].iloc[3])


def test_latex(tmp_path):
    _, text = table_of(tmp_path)
    check_latex(text, tabulars=1)
    assert row_of(text, "DatasetGAN") == [r"15.0{\tiny$\pm$7.1}", r"\textit{49.48}", "--", "--"]
    assert [cell.count(r"\textbf") for cell in row_of(text, r"HFC + SwAV\_x (FCN)")] == [1, 0, 1, 0]
    [cell] = row_of(text, "Supervised")
    assert "ours 25.0," in cell and r"\textit{68.71}" in cell and r"\textbf" not in cell


def test_without_a_supervised_method_there_is_one_line(tmp_path):
    rows = write_rows(tmp_path / "table10.csv", ROWS)
    inputs = {"rows": rows, "supervised": [], "failures": [], "published": PUBLISHED}
    with pytest.raises(OnemaskError, match="Table 10: no method with `fit_split: supervised`"):
        make(inputs, outputs_in(tmp_path), OPTIONS)


def test_two_studies_are_one_line(tmp_path):
    with pytest.raises(OnemaskError, match="Table 10: rows of studies demo_x, other"):
        table_of(tmp_path, "other")


def test_it_fits_the_page(tmp_path):
    check_page(table_of(tmp_path)[1], tmp_path)
