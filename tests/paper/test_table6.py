import pandas as pd
import pytest

from onemask.paper.table6 import make

from .common import OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of
from .test_table4 import write_masks


@pytest.fixture
def made(tmp_path):
    every = [1, 1, 0, 0]
    rows = [
        write_masks(tmp_path, "baggage", "hammer", "swav_fcn", [every, [1, 0, 1, 1]]),
        write_masks(tmp_path, "baggage", "hammer", "datasetgan", [[1, 1, 1, 1]]),
        write_masks(tmp_path, "baggage", "wrench", "swav_fcn", [every]),
    ]
    inputs, outputs = {"rows": rows, "failures": [], "published": PUBLISHED}, outputs_in(tmp_path)
    make(inputs, outputs, OPTIONS | {"classes": {"baggage": ["hammer", "wrench"]}})
    return pd.read_csv(outputs["csv"]).set_index(["label", "method"]), open(outputs["tex"]).read()


def test_precision_and_the_iou_where_the_item_is_beside_the_published(made):
    row = made[0].loc["hammer", "swav_fcn"]
    assert row["precision"] == pytest.approx(60) and row["iou"] == pytest.approx(100 * (1 + 1 / 2) / 2)
    assert (row["published_precision"], row["published_iou"]) == (70.58, 60.21)
    assert made[0].loc[("wrench", "swav_fcn"), "published_iou"] == 61.78


def test_latex(made, tmp_path):
    text = made[1]
    check_latex(text, tabulars=2)
    assert r"\multicolumn{2}{c}{hammer}" in text and "prohibited items" in text
    cells = row_of(text, "HFC + SwAV\\_x (FCN)")
    assert cells[0].startswith(r"\textbf{60.0}") and cells[1].startswith("75.0")
    assert row_of(text, "DatasetGAN")[1].startswith(r"\textbf{100.0}")
    check_page(text, tmp_path)
