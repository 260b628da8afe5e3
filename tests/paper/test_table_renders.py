import numpy as np
import pandas as pd

from onemask.evaluation.metrics import area_rows, write_rows
from onemask.paper.table_renders import make

from .common import METHODS, check_latex, check_page, outputs_in, row_of

PART = np.repeat([[0, 0, 1, 1]], 4, axis=0)  # its right half is the part


def scored(path, method, exact, annotator):
    """Two exemplars, one image: the method gets these shares of the part's columns right, by either truth."""
    predicted = np.stack([np.where(np.arange(4) < 2 + 2 * share, PART, 0) for share in (exact, annotator)])
    rows = area_rows(predicted, np.stack([PART, PART]), ["background", "part"]).assign(study="demo_x", method=method)
    rows["class"] = "face"
    write_rows(path, pd.concat([rows.assign(exemplar=number) for number in range(2)]))
    return path


def table_of(tmp_path, shares, failures=()):
    inputs = {
        "rows": [scored(tmp_path / f"{method}.csv", method, *pair) for method, pair in shares.items()],
        "failures": list(failures),
        "table2": tmp_path / "table2.csv",
    }
    table2 = pd.DataFrame({"study": "demo_x", "class": "face", "method": list(shares)})
    table2.assign(wiou_fg_mean=range(len(shares), 0, -1)).to_csv(inputs["table2"], index=False)
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, {"methods": METHODS})
    return pd.read_csv(outputs["csv"]).set_index("method"), open(outputs["tex"]).read()


def test_both_sides_their_ranks_and_how_far_the_rankings_agree(tmp_path):
    shares = {"datasetgan": (0.0, 0.0), "swav_mlp": (0.5, 0.5), "swav_fcn": (1.0, 1.0)}
    table, text = table_of(tmp_path, shares)
    assert table["exact_mean"].tolist() == [0, 50, 100] == table["annotator_mean"].tolist()
    assert table["exact_rank"].tolist() == [3, 2, 1] and (table["agreement"] == 1).all()
    assert table["table2_mean"].tolist() == [3, 2, 1] and (table["agreement_table2"] == -1).all()
    assert (table["exemplars"] == 2).all() and (table["images"] == 1).all()
    check_latex(text, tabulars=1)
    assert row_of(text, METHODS["datasetgan"]["title"])[0].startswith("0.0") and "face 1.00" in text
    check_page(text, tmp_path)


def test_a_reversed_ranking_disagrees(tmp_path):
    table, _ = table_of(tmp_path, {"datasetgan": (0.0, 1.0), "swav_mlp": (1.0, 0.5)})
    assert (table["agreement"] == -1).all() and table.loc["datasetgan", "annotator_rank"] == 1


def test_a_failed_exemplar_is_named_with_its_reason(tmp_path):
    (tmp_path / "f.csv").write_text("study,class,method,exemplar,reason\ndemo_x,face,lagm,4,no loss\n")
    _, text = table_of(tmp_path, {"swav_mlp": (1.0, 1.0)}, [tmp_path / "f.csv"])
    assert "Left out: LAGM, face, exemplar 4: no loss." in text
