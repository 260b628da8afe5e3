from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.files import write_csv
from onemask.paper import fig_downstream, fig_downstream_examples, table3
from onemask.paper.published import read_table3

from .common import OPTIONS, PUBLISHED, ROOT, check_latex, check_page, outputs_in, row_of

SETTINGS = {"settings": {"backbone": "light", "real": 8, "steps": 10, "batch": 4}}
METHODS = OPTIONS["methods"]
SCORES = {("real", 0): 0.50, ("datasetgan", 1): 0.52, ("swav_fcn", 1): 0.51, ("swav_fcn", 5): 0.61}


def write(folder, classes=("face", "cat")):
    keys = {"study": "demo_x", "shots": 1, "exemplar": 0}
    rows = [
        {**keys, "class": name, "method": method, "ratio": ratio, "replicate": run, "image": image}
        | dict.fromkeys(("wiou", "wiou_fg", "miou", "fg_iou"), score + 0.01 * run)
        for name in classes
        for (method, ratio), score in SCORES.items()
        for run in range(3)
        for image in range(2)
    ]
    write_csv(folder / "rows.csv", rows, list(rows[0]))
    curves = [
        {"step": step, "wiou": step / 20, "class": name, "method": method, "ratio": ratio, "run": 0}
        for name in classes
        for method, ratio in SCORES
        for step in (5, 10)
    ]
    write_csv(folder / "curves.csv", curves, list(curves[0]))
    return {"rows": str(folder / "rows.csv"), "curves": str(folder / "curves.csv"), "published": PUBLISHED}


def test_means_over_runs_beside_the_published(tmp_path):
    outputs = outputs_in(tmp_path)
    table3.make(write(tmp_path), outputs, {"methods": METHODS} | SETTINGS)
    table = pd.read_csv(outputs["csv"]).set_index(["class", "method", "ratio"])
    assert table.loc[("face", "swav_fcn", 5), "wiou_mean"] == pytest.approx(62)
    assert table.loc[("face", "swav_fcn", 5), "wiou_std"] == pytest.approx(1)
    assert table.loc[("face", "swav_fcn", 5), "published_wiou"] == 79.57
    assert table.loc[("cat", "real", 0), "published_wiou"] == 54.30 and (table["runs"] == 3).all()
    text = Path(outputs["tex"]).read_text()
    check_latex(text, tabulars=2)
    assert r"\textbf{62.0}" in row_of(text, "HFC + SwAV\\_x (FCN)")[1] and "3 runs" in text
    assert r"\multicolumn{2}{c}{51.0" in " ".join(row_of(text, "Real images alone"))
    check_page(text, tmp_path)


def test_a_method_that_is_not_configured(tmp_path):
    with pytest.raises(OnemaskError, match="method 'datasetgan' is not configured"):
        table3.read_rows(write(tmp_path)["rows"], {"swav_fcn": {}})


def test_published_ratios_are_numbers():
    alone, theirs = read_table3(PUBLISHED)
    assert alone["horse"] == 36.88 and theirs["HFC+KMeans"]["car"] == {1: 66.83, 2: 69.12, 5: 69.32}


def test_figures_are_drawn_for_any_number_of_classes(tmp_path):
    for classes in (("face",), ("face", "cat", "car", "horse")):
        outputs = {"pdf": tmp_path / "f.pdf", "png": tmp_path / "f.png"}
        fig_downstream.make(write(tmp_path, classes), outputs, {"methods": METHODS})
        assert all(path.stat().st_size > 5000 for path in outputs.values())


def test_examples(tmp_path):
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 3, (2, 64, 64)).astype(np.uint8)
    images = rng.integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", images=images, label_maps=maps, truths=maps)
    inputs = {"pictures": [tmp_path / "a.npz"] * 2, "labels": [ROOT / "config/labels/face.yaml"]}
    shown = [["face", "real"], ["face", "swav_fcn"]]
    titles = {"real": "Real images alone", "swav_fcn": "SwAV"}
    options = {"study": "demo_x", "classes": ["face"], "shown": shown, "titles": titles, "ratio": 5}
    fig_downstream_examples.make(inputs, {"png": tmp_path / "e.png"}, options)
    assert (tmp_path / "e.png").stat().st_size > 10_000
