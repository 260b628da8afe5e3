import pandas as pd
import pytest

from onemask.paper.tableA1 import make
from onemask.sections import PER_CLASS

from .common import PUBLISHED, ROOT, check_latex, check_page, outputs_in, row_of
from .test_table1 import write_generator

SECTIONS = ("swav", "simclr", "kmeans", "samples", "heads")
METHODS = {
    "a": {"title": "A_b", "head": "fcn3", "settings": {"learning_rate": 0.003, "epochs": 100}},
    "b": {"title": "B", "head": None, "settings": {}},
}


@pytest.fixture
def made(tmp_path):
    classes = {
        name: {section: PER_CLASS[section]().model_dump(mode="json") for section in SECTIONS}
        for name in ("face", "cat")
    }
    classes["cat"]["swav"]["temperature"] = 0.02
    inputs = {
        "generators": [write_generator(tmp_path / f"{name}.st", kimg=4.0) for name in classes],
        "labels": [str(ROOT / f"config/labels/{name}.yaml") for name in classes],
        "published": PUBLISHED,
    }
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, {"study": "demo_x", "truncation": 0.7, "classes": classes, "methods": METHODS})
    return pd.read_csv(outputs["csv"]).set_index("key"), open(outputs["tex"]).read()


def test_every_setting_is_the_classs_own_beside_the_papers(made):
    table, text = made
    temperature = table.loc["swav.temperature"]
    assert temperature[["face", "cat", "published_face", "published_cat"]].tolist() == ["0.1", "0.02", "0.01", "0.02"]
    assert table.loc["generator.features", ["face", "published_face"]].tolist() == ["13", "5376"]
    assert table.loc["generator.truncation", "cat"] == "0.7" and table.loc["heads.betas", "face"] == "[0.9, 0.99]"
    assert table.loc["epochs"].isna()["face"] and table.loc["epochs", "published_cat"] == "100"
    assert row_of(text, "Temperature")[:2] == ["0.1", "0.02"]


def test_cells_that_agree_are_one(made):
    text = made[1]
    first, second = text.split("\n\\begin{table}")
    check_latex(first, tabulars=1)
    check_latex("\\begin{table}" + second, tabulars=2)
    assert row_of(text, "Patches") == [r"\multicolumn{2}{c}{--}", r"\multicolumn{2}{c}{\textit{5}}"]
    assert row_of(text, "Local loss")[0] == r"\multicolumn{2}{c}{yes}"


def test_labels_say_whether_they_are_the_papers(made):
    table, text = made
    [cat] = row_of(text, "cat")
    assert cat.startswith("background, head, eye") and cat.endswith(r"\textit{(as published)}")
    assert table.loc["labels", "cat"] == table.loc["labels", "published_cat"]


def test_what_methods_set_for_themselves(made):
    assert row_of(made[1], r"A\_b") == ["fcn3", r"learning\_rate 0.003, epochs 100"]
    assert row_of(made[1], "B") == ["--", "--"]


def test_it_fits_the_page(made, tmp_path):
    check_page(made[1], tmp_path)
