from pathlib import Path

import pandas as pd
import pytest

from onemask.files import write_csv
from onemask.paper.table_controls import make

from .common import OPTIONS, check_latex, outputs_in, row_of

OPTIONS = {"methods": OPTIONS["methods"], "settings": {"real": 80, "steps": 300}}


def rows(method, ratio, score, **settings):
    keys = {"study": "demo_x", "class": "face", "shots": 1, "exemplar": 0, "method": method, "ratio": ratio} | settings
    return [
        {**keys, "replicate": run, "image": 0} | dict.fromkeys(("wiou", "wiou_fg", "miou", "fg_iou"), score + run / 100)
        for run in range(3)
    ]


@pytest.fixture
def inputs(tmp_path):
    base = [*rows("real", 0, 0.5), *rows("swav_fcn", 1, 0.6), *rows("swav_fcn", 5, 0.4), *rows("datasetgan", 5, 0.3)]
    few, labels = {"control": "few", "real": 20, "steps": 300}, {"control": "labels", "real": 80, "steps": 300}
    own = [*rows("real", 0, 0.2, **few), *rows("swav_fcn", 5, 0.35, **few), *rows("annotator", 5, 0.45, **labels)]
    for name, table in (("rows", base), ("controls", own)):
        write_csv(tmp_path / f"{name}.csv", table, list(table[0]))
    return {name: str(tmp_path / f"{name}.csv") for name in ("rows", "controls")}


def test_controls_stand_beside_the_trainings_that_they_change(inputs, tmp_path):
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, OPTIONS)
    table = pd.read_csv(outputs["csv"]).set_index(["real", "method", "ratio"])["wiou_mean"]
    assert table.to_dict() == pytest.approx(
        {
            (80, "real", 0): 51,
            (80, "swav_fcn", 5): 41,
            (80, "annotator", 5): 46,
            (20, "real", 0): 21,
            (20, "swav_fcn", 5): 36,
        }
    )
    text = Path(outputs["tex"]).read_text()
    check_latex(text, tabulars=1)
    assert text.index("80 real images, 300 steps") < text.index("20 real images, 300 steps")
    assert "46.0" in row_of(text, "Generated, labelled by the annotator, 1:5")[0]
