import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.figC2 import SCORE
from onemask.paper.table_losses import make

from .common import check_latex, check_page, outputs_in, row_of, write_rows

SETTINGS = {"loss": "logistic", "adversarial_weight": 1.0, "gradient_penalty": 0.0, "ppl_weight": 0.0, "r1_gamma": 1.0}
BAGGAN = SETTINGS | {"loss": "wasserstein", "gradient_penalty": 0.5, "ppl_weight": 2.0}
OPTIONS = {"study": "demo_x", "class": "baggage", "losses": {"stylegan2_ada": SETTINGS, "baggan": BAGGAN}}


def training(folder, name, rates, scores, kimg=100):
    ends = {"overfitting": 0.61, "ada_p": 0.2}
    rows = [{"kimg": kimg / len(rates) * (i + 1), **ends, "images_per_second": r} for i, r in enumerate(rates)]
    metrics = write_rows(folder / f"{name}.m.csv", rows)
    found = [{"kimg": kimg / len(scores) * (i + 1), SCORE: score} for i, score in enumerate(scores)]
    return metrics, write_rows(folder / f"{name}.s.csv", found)


def made(folder, kimg=100):
    files = [training(folder, "a", [30, 20, 31], [90, 60.25]), training(folder, "b", [15, 14, 16], [80, 70.5], kimg)]
    metrics, scores = zip(*files, strict=True)
    outputs = outputs_in(folder)
    make({"metrics": list(metrics), "scores": list(scores)}, outputs, OPTIONS)
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_each_loss_has_its_terms_the_last_score_and_the_usual_rate(tmp_path):
    table, text = made(tmp_path)
    assert list(table["loss_name"]) == ["stylegan2_ada", "baggan"]
    assert list(table[SCORE]) == [60.25, 70.5] and list(table["images_per_second"]) == [30, 15]
    check_latex(text, tabulars=1)
    assert r"\textbf{60.25}" in row_of(text, r"stylegan2\_ada") and "70.50" in row_of(text, "baggan")
    assert "100 thousand images" in text
    check_page(text, tmp_path)


def test_scores_after_other_numbers_of_images_are_refused(tmp_path):
    with pytest.raises(OnemaskError, match="a.s.csv: the losses were scored after different numbers of images"):
        made(tmp_path, kimg=50)
