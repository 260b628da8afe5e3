import math
import subprocess
import sys

import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper import tables
from onemask.paper.published import read_table4

from .common import METHODS, PUBLISHED, check_latex, outputs_in, write_rows


def small_table():
    groups = [("a", ["x", "y"]), ("", ["z"])]
    blocks = [[tables.heading("part", 3), ["one", "1", "2", "3"]], [["two", r"\multicolumn{3}{c}{4}"]]]
    return tables.Table("A caption.", "tab:x", [tables.Tabular("Method", groups, blocks)], ["first", "second"])


def test_a_table_is_well_formed_with_group_titles_and_footnotes():
    text = small_table().tex()
    check_latex(text, tabulars=1)
    assert r" & \multicolumn{2}{c}{a} & \multicolumn{1}{c}{} \\" in text
    assert r"\cmidrule(lr){2-3}" in text and "{4-4}" not in text  # no rule below an empty title
    assert text.count(r"\midrule") == 2 and r"first \\ second" in text
    assert text.index(r"\end{tabular}") < text.index("first") < text.index(r"\end{table}")


def test_a_header_without_group_titles_is_one_line():
    text = tables.Tabular("Class", [("", ["x"])], [[["a", "b"]]], "l").tex()
    assert "cmidrule" not in text and r"\begin{tabular}{ll}" in text


def test_csv_has_six_digits_and_empty_cells_and_equal_bytes(tmp_path):
    values = pd.DataFrame({"name": ["a", "b"], "score": [12.345678, math.nan], "count": pd.array([3, None], "Int64")})
    written = []
    for _ in range(2):
        tables.write_table(outputs_in(tmp_path), small_table(), values)
        written.append((tmp_path / "table.csv").read_bytes())
    assert written[0] == written[1] == b"name,score,count\na,12.3457,3\nb,,\n"
    assert (tmp_path / "table.tex").read_text() == small_table().tex()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "--"), (math.nan, "--"), (True, "yes"), (False, "no"), (1e-6, "1e-06"), (5376, "5,376"), ("a_b", r"a\_b")],
)
def test_settings_are_drawn_as_they_are_configured(value, expected):
    assert tables.plain_value(value) == expected


def test_published_figures_are_italic_and_absent_ones_a_dash():
    assert tables.published(58.3) == r"\textit{58.30}"
    assert tables.published(math.nan) == tables.published(None) == "--"


def test_figures_follow_a_method_to_the_row_of_another_table():
    """Rows of Table 4 name methods alone: the default segmenter has them, the MLP has none."""
    rows = pd.DataFrame({"method": ["datasetgan", "swav_fcn", "swav_mlp", "lagm", "supervised"], "label": "teeth"})
    figures = tables.figures_of(rows, "label", METHODS, read_table4(PUBLISHED))
    assert figures[:2] == [25.44, 94.11] and all(map(math.isnan, figures[2:]))


def test_runs_are_told_with_their_numbers():
    table = pd.DataFrame({"exemplars": [4, 5], "replicates": [1, 3], "images": [120, 120]})
    text = tables.over_runs(table)
    assert "4 to 5 exemplars and 1 to 3 clustering seeds, each averaged over the same 120 test" in text
    assert "4 exemplars and 1 clustering seed, each" in tables.over_runs(table.iloc[:1])
    assert tables.changed({"swav.steps": 100, "swav.local_loss": False}) == (
        r"All runs with \texttt{swav.steps} 100, \texttt{swav.local\_loss} no."
    )
    assert tables.changed({}) == ""


def test_a_fit_that_came_to_nothing_has_a_footnote_with_its_reason(tmp_path):
    usual = {"study": "s", "class": "face", "method": "lagm", "shots": 1, "replicate": 0, "swav.dim": 16}
    other = {"shots": 5, "replicate": 2, "exemplar": 0, "reason": "x"}
    write_rows(tmp_path / "a.csv", [usual | {"exemplar": 3, "reason": "100% lost"}, usual | other])
    (tmp_path / "none.csv").write_text("study,class,method,shots,replicate,exemplar,reason\n")
    assert tables.failed_fits([tmp_path / "none.csv", tmp_path / "a.csv"], METHODS) == [
        r"Left out: LAGM, face, swav.dim 16, exemplar 3: 100\% lost.",
        "Left out: LAGM, face, swav.dim 16, shots 5, replicate 2, exemplar 0: x.",
    ]
    assert tables.failed_fits([], METHODS) == []


def test_rows_come_in_the_given_orders():
    table = pd.DataFrame({"class": ["b", "a", "b"], "method": ["y", "x", "x"], "n": [1, 2, 3]})
    assert tables.in_order(table, **{"class": ["b", "a"], "method": ["x", "y"]})["n"].tolist() == [3, 1, 2]


def test_two_studies_and_unknown_methods_are_one_line():
    with pytest.raises(OnemaskError, match="x.csv: rows of studies a, b in one table"):
        tables.of_study(pd.DataFrame({"study": ["a", "b"]}), "x.csv")
    with pytest.raises(OnemaskError, match="x.csv: method 'gone' is not configured; there are datasetgan"):
        tables.check_methods(pd.DataFrame({"method": ["lagm", "gone"]}), METHODS, "x.csv")


def test_no_table_needs_torch():
    names = [f"onemask.paper.table{name}" for name in ("1", "4", "5", "7", "8", "9", "10", "A1")]
    program = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
