import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.table_ablations import make

from .common import METHODS, check_latex, check_page, outputs_in, row_of, runs, write_rows

STEPS, LAYERS = "swav.steps", "kmeans.layers"
OPTIONS = {
    "methods": METHODS,
    "grids": {"projection": [STEPS], "kmeans": [LAYERS]},
    "bases": {"projection": {}, "kmeans": {"kmeans.block_clusters": 32}},
}


def table_of(tmp_path, options=OPTIONS):
    projection = [*runs({STEPS: 0}, [0.2], [0.4]), *runs({STEPS: 200}, [0.5], [0.5])]
    kmeans = [*runs({LAYERS: "all"}, [0.3]), *runs({LAYERS: 3}, [0.1]), *runs({LAYERS: 3, "class": "horse"}, [0.6])]
    named = {"projection": projection, "kmeans": kmeans}
    inputs = {"rows": [write_rows(tmp_path / f"{name}.csv", rows) for name, rows in named.items()], "failures": []}
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, options)
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_a_row_per_setting_with_its_spread_over_exemplars(tmp_path):
    table, _ = table_of(tmp_path)
    first = table.iloc[0]
    assert (first["experiment"], first["setting"], first["exemplars"]) == ("projection", "swav.steps 0", 2)
    assert first["wiou_fg_mean"] == pytest.approx(40) and first["wiou_fg_std"] == pytest.approx(14.1421, abs=1e-3)
    assert table["setting"].tolist()[2:] == ["kmeans.layers all", "kmeans.layers 3", "kmeans.layers 3"]


def test_the_best_of_a_block_is_bold_class_by_class_and_missing_cells_are_dashes(tmp_path):
    _, text = table_of(tmp_path)
    check_latex(text, tabulars=1)
    assert row_of(text, "swav.steps 200")[0].startswith(r"\textbf{60.0}") and row_of(text, "swav.steps 0")[1] == "--"
    single = row_of(text, "kmeans.layers 3")
    assert r"\textbf" not in single[0] and single[1].startswith(r"\textbf{70.0}")
    assert r"kmeans.block\_clusters" in text
    check_page(text, tmp_path)


def test_an_unknown_method_is_one_line(tmp_path):
    with pytest.raises(OnemaskError, match="experiments: method 'swav_fcn' is not configured"):
        table_of(tmp_path, OPTIONS | {"methods": {"other": {"title": "x"}}})
