import numpy as np
import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import area_rows, write_rows
from onemask.paper.table_renders import make

from .common import METHODS, check_latex, check_page, outputs_in, row_of

TRUE = np.repeat([[0, 0, 1, 1]], 4, axis=0)[None]  # one image, its right half is the part


def scored(path, method, share, exemplars=2, study="demo_x"):
    """A method that gets `share` of the part's columns right, twice."""
    predicted = np.where(np.arange(4) < 2 + 2 * share, TRUE, 0)
    rows = area_rows(predicted, TRUE, ["background", "part"]).assign(study=study, method=method)
    rows["class"] = "face"
    write_rows(path, pd.concat([rows.assign(exemplar=number) for number in range(exemplars)]))
    return path


def table_of(tmp_path, renders, annotated, **more):
    inputs = {
        "renders": [scored(tmp_path / f"r.{m}.csv", m, share) for m, share in renders.items()],
        "annotated": [scored(tmp_path / f"a.{m}.csv", m, share, **more) for m, share in annotated.items()],
    }
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, {"methods": METHODS})
    return pd.read_csv(outputs["csv"]).set_index("method"), open(outputs["tex"]).read()


def test_both_sides_their_ranks_and_how_far_the_rankings_agree(tmp_path):
    same = {"datasetgan": 0.0, "swav_mlp": 0.5, "swav_fcn": 1.0}
    table, text = table_of(tmp_path, same, same, exemplars=5)
    assert table["renders_mean"].tolist() == [0, 50, 100] == table["annotated_mean"].tolist()
    assert table["renders_rank"].tolist() == [3, 2, 1] and (table["agreement"] == 1).all()
    assert (table["exemplars"] == 2).all()  # the three others were not scored on renders
    check_latex(text, tabulars=1)
    assert row_of(text, METHODS["datasetgan"]["title"])[0].startswith("0.0") and "face 1.00" in text
    check_page(text, tmp_path)


def test_a_reversed_ranking_disagrees(tmp_path):
    table, _ = table_of(tmp_path, {"datasetgan": 0.0, "swav_mlp": 1.0}, {"datasetgan": 1.0, "swav_mlp": 0.5})
    assert (table["agreement"] == -1).all() and table.loc["datasetgan", "annotated_rank"] == 1


def test_rows_of_other_studies_and_without_a_common_exemplar_are_one_line(tmp_path):
    with pytest.raises(OnemaskError, match="studies demo_x, other"):
        table_of(tmp_path, {"swav_mlp": 1.0}, {"swav_mlp": 1.0}, study="other")
    with pytest.raises(OnemaskError, match="no exemplar was scored on both"):
        table_of(tmp_path, {"swav_mlp": 1.0}, {"swav_fcn": 1.0})
