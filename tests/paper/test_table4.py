import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.evaluation import metrics
from onemask.paper.table4 import make

from .common import METHODS, OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of

CLASSES = {"face": ["teeth", "eye_g"], "cat": [], "car": ["plate"]}


def write_masks(folder, cls, label, method, predictions):
    """Four test images of eight pixels, the part (two pixels) in the first two; each exemplar predicts it in some.

    A prediction of 1 meets the part or, where there is none, is a false alarm.
    """
    part, nothing = [1, 1, 0, 0, 0, 0, 0, 0], [0] * 8
    true = np.array([part, part, nothing, nothing]).reshape(4, 1, 8)
    tables = []
    for exemplar, found in enumerate(predictions):
        predicted = np.array([part if seen else nothing for seen in found]).reshape(4, 1, 8)
        rows = metrics.area_rows(predicted, true, ["background", label])
        tables.append(rows.assign(**{"study": "demo_x", "class": cls, "method": method}, exemplar=exemplar))
    metrics.write_rows(folder / f"{cls}.{label}.{method}.csv", pd.concat(tables))
    return str(folder / f"{cls}.{label}.{method}.csv")


@pytest.fixture
def files(tmp_path):
    every = [1, 1, 0, 0]
    return [
        write_masks(tmp_path, "face", "teeth", "swav_fcn", [every, [1, 0, 1, 1]]),  # 2 of 2; 1 of 3
        write_masks(tmp_path, "face", "teeth", "datasetgan", [[1, 1, 1, 1], [1, 1, 1, 1]]),
        write_masks(tmp_path, "face", "eye_g", "swav_fcn", [every, [0, 0, 0, 0]]),
        write_masks(tmp_path, "car", "plate", "swav_fcn", [[0, 0, 0, 0]]),
    ]


@pytest.fixture
def report(tmp_path):
    (tmp_path / "face.json").write_text('{"agreement": {"rare": {"teeth": 0.894, "eye_g": 0.48}}}')
    return str(tmp_path / "face.json")


@pytest.fixture
def made(tmp_path, files, report):
    failures = tmp_path / "failures.csv"
    failures.write_text("study,class,method,exemplar,reason\ndemo_x,car,swav_fcn,1,loss is not finite\n")
    inputs = {"rows": files, "failures": [str(failures)], "published": PUBLISHED, "annotators": [report]}
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, OPTIONS | {"classes": CLASSES})
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_how_far_annotators_agree_and_who_marks_everything_is_said(made, tmp_path, files):
    assert r"IoU of two annotators on these parts: teeth 89.4, eye\_g 48.0." in made[1]
    assert "every method predicts" not in made[1]
    outputs = outputs_in(tmp_path)
    make({"rows": files[1:2], "failures": [], "published": PUBLISHED}, outputs, OPTIONS | {"classes": CLASSES})
    assert "face: teeth: every method predicts the part on every test image." in Path(outputs["tex"]).read_text()


def test_precision_counts_and_published_figures(made):
    table = made[0].set_index(["class", "label", "method"])
    row = table.loc["face", "teeth", "swav_fcn"]
    assert (row["tp"], row["fp"], row["fn"]) == (3, 2, 1)
    assert row["precision"] == pytest.approx(60) and row["published_precision"] == 94.11
    assert row["precision_mean"] == pytest.approx(100 * (1 + 1 / 3) / 2, abs=1e-3)
    assert row["precision_std"] == pytest.approx(100 * 2 / 3 / math.sqrt(2), abs=1e-3)
    assert row["present"] == pytest.approx(50) and (row["exemplars"], row["images"]) == (2, 4)
    assert table.loc["face", "teeth", "datasetgan"]["precision"] == pytest.approx(50)
    assert math.isnan(table.loc["car", "plate", "swav_fcn"]["precision"])
    assert "cat" not in set(made[0]["class"])


def test_a_class_without_a_rare_label_has_dashes_and_a_footnote(made):
    text = made[1]
    check_latex(text, tabulars=2)
    assert row_of(text, "Method") == ["face: teeth", r"face: eye\_g", "cat", "car: plate"]
    best = row_of(text, r"HFC + SwAV\_x (FCN)")
    assert best[0] == r"\textbf{60.0}{\tiny$\pm$47.1}" and best[2:] == ["--", "--"]  # cat; nothing was predicted
    upper, lower = text.split("HFC + SwAV", 1)
    figures = [row_of(part, r"\quad\scriptsize \textit{published}") for part in (upper, lower)]
    assert figures == [
        [rf"\scriptsize {figure}" for figure in (r"\textit{25.44}", "--", "--", "--")],
        [rf"\scriptsize {figure}" for figure in (r"\textit{94.11}", r"\textit{58.31}", "--", r"\textit{83.32}")],
    ]
    assert "--: cat has no rare label." in text


def test_a_rare_label_that_the_generator_never_draws_has_dashes_and_a_footnote(files, tmp_path):
    empty = tmp_path / "horse.rider.swav_fcn.csv"
    empty.write_text(",".join(metrics.COLUMNS) + "\n")
    inputs = {"rows": [*files, str(empty)], "failures": [], "published": PUBLISHED}
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, OPTIONS | {"classes": CLASSES | {"horse": ["rider"]}})
    text = Path(outputs["tex"]).read_text()
    check_latex(text, tabulars=2)
    assert "--: the generator of horse draws no rider to learn or to test on." in text
    assert row_of(text, r"HFC + SwAV\_x (FCN)")[-1] == "--"


def test_the_counts_stand_below(made):
    _, lower = made[1].split("TP / FP / FN")
    assert row_of(lower, "DatasetGAN") == ["4 / 4 / 0", "--", "--", "--"]
    assert row_of(lower, r"HFC + SwAV\_x (FCN)") == ["3 / 2 / 1", "2 / 0 / 2", "--", "0 / 0 / 2"]
    assert row_of(lower, r"Images with the part (\%)") == ["50.0", "50.0", "--", "50.0"]


def test_exemplars_left_out_are_footnotes(made):
    assert r"HFC + SwAV\_x (FCN), eye\_g: 1 of 2 exemplars predict the part nowhere" in made[1]
    assert "Left out: HFC + SwAV\\_x (FCN), car, exemplar 1: loss is not finite." in made[1]


def test_an_unknown_method_is_one_line(tmp_path, files):
    methods = {name: entry for name, entry in METHODS.items() if name != "datasetgan"}
    inputs = {"rows": files, "failures": [], "published": PUBLISHED}
    with pytest.raises(OnemaskError, match="method 'datasetgan' is not configured"):
        make(inputs, outputs_in(tmp_path), {"methods": methods, "classes": CLASSES})


def test_without_any_rare_label_there_is_one_line(tmp_path):
    inputs = {"rows": [], "failures": [], "published": PUBLISHED}
    with pytest.raises(OnemaskError, match="Table 4: no class has a rare label"):
        make(inputs, outputs_in(tmp_path), OPTIONS | {"classes": {"cat": []}})


def test_it_fits_the_page(made, tmp_path):
    check_page(made[1], tmp_path)
