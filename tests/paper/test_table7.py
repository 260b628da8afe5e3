import math

import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.table7 import BLOCK, METHOD, make

from .common import OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of, runs, write_rows


def point(kind, block, *exemplars, **keys):
    return runs({METHOD: kind, BLOCK: block, **keys}, *exemplars)


ROWS = [
    *point("interpolation", "all", [0.4, 0.6], [0.2, 0.4]),
    *point("interpolation", 0, [0.2, 0.3], [0.3, 0.3]),
    *point("noise", "all", [0.4, 0.4], [0.6, 0.6]),
    *point("noise", 1, [0.8, 0.8], [0.3, 0.3]),
]


@pytest.fixture
def made(tmp_path):
    def make_table(rows=ROWS, base=None):
        inputs = {"rows": write_rows(tmp_path / "table7.csv", rows), "failures": [], "published": PUBLISHED}
        outputs = outputs_in(tmp_path)
        make(inputs, outputs, OPTIONS | {"base": base or {}})
        return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()

    return make_table


def value(table, kind, block):
    chosen = table[(table["perturbation"] == kind) & (table["block"].astype(str) == block)]
    [row] = chosen.to_dict("records")
    return row


def test_iou_and_its_ratio_to_all_are_taken_exemplar_by_exemplar(made):
    table, _ = made()
    row = value(table, "interpolation", "0")
    assert row["wiou_mean"] == pytest.approx(27.5) and row["wiou_std"] == pytest.approx(5 / math.sqrt(2), abs=1e-4)
    assert row["ratio_mean"] == pytest.approx(0.75)  # of 25/50 and 30/30
    assert row["ratio_std"] == pytest.approx(0.5 / math.sqrt(2), abs=1e-5)
    assert value(table, "interpolation", "all")["ratio_std"] == 0
    assert value(table, "noise", "1")["ratio_mean"] == pytest.approx(1.25)  # of 80/40 and 30/60
    assert (row["exemplars"], row["images"], row["resolution"]) == (2, 2, 4)


def test_published_layers_stand_beside_and_those_without_a_counterpart_have_dashes(made):
    table, text = made()
    check_latex(text, tabulars=1)
    assert value(table, "noise", "1")["published_wiou"] == 51.5
    last = value(table, "interpolation", "6")
    assert math.isnan(last["wiou_mean"]) and last["published_ratio"] == 0.832
    assert value(table, "interpolation", "1")["published_ratio"] == 0.986  # as printed; 52.9 / 53.6 is 0.987
    cells = row_of(text, "6 (256 px)")
    assert cells == ["--", r"\textit{44.60}", "--", r"\textit{0.832}", "--", r"\textit{40.21}", "--", r"\textit{0.771}"]
    titles = [line.split(" &")[0] for line in text.splitlines() if " px) &" in line or "IoU$_r$) &" in line]
    assert titles == [*(f"{k} ({4 * 2**k} px)" for k in range(7)), "all (IoU$_r$)"]


def test_the_best_of_each_column_is_bold(made):
    _, text = made()
    assert row_of(text, "all (IoU$_r$)")[0] == r"\textbf{40.0}{\tiny$\pm$14.1}"
    assert row_of(text, "1 (8 px)")[4].startswith(r"\textbf{55.0}") and text.count(r"\textbf") == 2
    assert row_of(text, "0 (4 px)")[2] == r"0.750{\tiny$\pm$0.354}"


def test_the_caption_says_what_was_run(made):
    _, text = made(base={"swav.steps": 100})
    for part in (r"\texttt{demo\_x}", "2 exemplars", "2 test images", r"\texttt{swav.steps} 100", "Table 7"):
        assert part in text


def test_another_class_has_no_published_figures(made):
    table, text = made([*ROWS, *point("noise", "all", [0.4], **{"class": "car"})])
    cars = table[table["class"] == "car"]
    assert len(cars) == 1 and cars["published_wiou"].isna().all()
    check_latex(text, tabulars=1)
    assert text.count(r"\midrule") == 2


def test_without_the_reference_there_is_no_ratio(made):
    table, _ = made(point("noise", 0, [0.4], [0.5]))
    assert math.isnan(value(table, "noise", "0")["ratio_mean"])


def test_an_unknown_method_is_one_line(made):
    with pytest.raises(OnemaskError, match="table7.csv: method 'other' is not configured"):
        made(point("noise", 0, [0.4], method="other"))


def test_it_fits_the_page(made, tmp_path):
    check_page(made()[1], tmp_path)
