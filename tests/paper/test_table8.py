import math

import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.table8 import LOCAL_LOSS, make

from .common import OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of, runs, write_rows

ROWS = [
    *runs({LOCAL_LOSS: True}, [0.5, 0.5], [0.2, 0.4]),
    *runs({LOCAL_LOSS: False}, [0.3, 0.5], [0.3, 0.3]),
    *runs({LOCAL_LOSS: True, "class": "horse"}, [0.1], [0.1]),
    *runs({LOCAL_LOSS: False, "class": "horse"}, [0.2], [0.4]),
]


def table_of(tmp_path, rows=ROWS):
    inputs = {"rows": write_rows(tmp_path / "table8.csv", rows), "failures": [], "published": PUBLISHED}
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, OPTIONS)
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_both_sides_and_their_difference_fit_by_fit(tmp_path):
    face, horse = table_of(tmp_path)[0].to_dict("records")
    assert face["wiou_with_local_mean"] == pytest.approx(40) and face["wiou_without_local_mean"] == pytest.approx(35)
    assert face["wiou_difference_mean"] == pytest.approx(5)  # of 10 and 0
    assert face["wiou_difference_std"] == pytest.approx(10 / math.sqrt(2), abs=1e-4)
    assert face["wiou_fg_without_local_mean"] == pytest.approx(45)
    assert (face["published_with_local"], face["published_without_local"]) == (53.61, 53.33)
    assert horse["wiou_difference_mean"] == pytest.approx(-20) and horse["published_with_local"] == 8.96
    assert (face["exemplars"], face["replicates"], face["images"]) == (2, 1, 2)


def test_the_better_side_is_bold_and_published_figures_have_columns_of_their_own(tmp_path):
    _, text = table_of(tmp_path)
    check_latex(text, tabulars=1)
    cells = row_of(text, "face")
    assert cells[0].startswith(r"\textbf{40.0}") and r"\textbf" not in cells[1] and cells[2].startswith("5.00")
    assert cells[-2:] == [r"\textit{53.61}", r"\textit{53.33}"]
    horse = row_of(text, "horse")
    assert r"\textbf" not in horse[0] and horse[1].startswith(r"\textbf{30.0}") and horse[2].startswith("$-$20.00")


def test_one_side_alone_is_one_line(tmp_path):
    with pytest.raises(OnemaskError, match="swav.local_loss must be true and false"):
        table_of(tmp_path, ROWS[:4])


def test_it_fits_the_page(tmp_path):
    check_page(table_of(tmp_path)[1], tmp_path)
