import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import area_rows, read_rows, write_rows
from onemask.paper.published import read_table2
from onemask.paper.table2 import Style, as_metrics, latex, make_table2, plain, print_table, read_csv, summary

from .common import cells_of, check_page

PUBLISHED = Path(__file__).parents[2] / "config/published.yaml"
METHODS = {
    "copy_mask": {"title": "Copy mask", "published": None},
    "weak": {"title": "RepurposeGAN (MLP)", "published": "RepurposeGAN/MLP"},
    "strong": {"title": "HFC + SwAV_x (FCN)", "published": "HFC+SwAV/FCN"},
    "supervised": {"title": "Supervised", "published": None},
}
ERRORS = {"copy_mask": 30, "weak": 20, "strong": 10, "supervised": 2}  # wrong pixels of 64
CLASSES = ["face", "cat", "car"]
QUALITY = {"face": {"mIoU on held-out renders": 0.831, "agreement": 0.9}}


def write_metrics(folder, classes=CLASSES, methods=METHODS, study="demo_x"):
    """Rows of two exemplars (one for the supervised method) and three images with a known share of wrong pixels."""
    rng = np.random.default_rng(0)
    paths = []
    for name in classes:
        true = rng.integers(0, 2, (3, 8, 8))
        for method in methods:
            tables = []
            for exemplar in range(1 if method == "supervised" else 2):
                predicted = true.reshape(3, 64).copy()
                predicted[:, : ERRORS[method] + exemplar] ^= 1
                rows = area_rows(predicted.reshape(3, 8, 8), true, ["background", "part"])
                tables.append(rows.assign(**{"study": study, "class": name, "method": method}, exemplar=exemplar))
            paths.append(folder / f"{name}.{method}.csv")
            write_rows(paths[-1], pd.concat(tables))
    return paths


@pytest.fixture
def files(tmp_path):
    return write_metrics(tmp_path)


@pytest.fixture
def table(files):
    return summary(read_rows(reversed(files)), METHODS, CLASSES, read_table2(PUBLISHED))


def test_summary_is_ordered_complete_and_in_percent(table):
    assert list(zip(table["class"], table["method"], strict=True)) == [(c, m) for c in CLASSES for m in METHODS]
    strong = table[(table["class"] == "face") & (table["method"] == "strong")].iloc[0]
    assert (strong["study"], strong["exemplars"], strong["images"]) == ("demo_x", 2, 3)
    assert (strong["published_wiou"], strong["published_fg_iou"]) == (53.61, 94.14)
    assert 50 < strong["miou_mean"] < 100 and strong["miou_std"] > 0
    assert table["published_wiou"].isna().tolist() == table["reference"].tolist()
    supervised = table[table["method"] == "supervised"]
    assert (supervised["exemplars"] == 1).all() and supervised["miou_std"].isna().all()


def test_latex_is_well_formed(table):
    text = latex(table, QUALITY, Style())
    assert re.sub(r"\\[{}]", "", text).count("{") == re.sub(r"\\[{}]", "", text).count("}")
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    assert opened == ["table", "tabular", "tabular", "table", "tabular"]
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    assert not re.search(r"(?<!\\)[%#]", text) and "_x" not in text.replace(r"\_x", "")
    for tabular in re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", text, re.S):
        lines = [line for line in tabular.splitlines() if line.endswith(r"\\")]
        assert {cells_of(line) for line in lines} == {len(re.search(r"\\begin\{tabular\}\{(\w+)\}", tabular)[1])}
        assert tabular.count(r"\midrule") == 2  # one-shot methods, references


def test_latex_compiles_in_a_document_that_uses_booktabs_and_fits_the_page(table, tmp_path):
    check_page(latex(table, QUALITY, Style()), tmp_path)


def test_latex_shows_study_counts_quality_and_published_figures(table):
    text = latex(table, QUALITY, Style())
    caption = re.search(r"\\caption\{(.*)\}\n", text)[1]
    for part in [r"\texttt{demo\_x}", "2 exemplars", "face 3", "mIoU on held-out renders 83.1, agreement 90.0"]:
        assert part in caption
    assert text.count(r"\textit{\scriptsize 53.61}") == 1
    assert text.count(r"\textit{\scriptsize published}") == 2 * 2  # two methods, two blocks of classes


def test_the_best_one_shot_method_is_bold_and_no_reference_is(table):
    text = latex(table, {}, Style())
    bold = [line for line in text.splitlines() if r"\textbf" in line]
    assert len(bold) == 3 and all(line.startswith(r"HFC + SwAV\_x (FCN)") for line in bold)
    assert [line.count(r"\textbf") for line in bold] == [6, 3, 3]


def test_style_chooses_metrics_decimals_and_spread(table):
    text = latex(table, {}, Style(metrics=["fg_iou"], decimals=2, spread=False))
    assert r"\pm" not in text and "mIoU" not in text and "wIoU &" not in text
    assert re.search(r"\\textbf\{\d\d\.\d\d\}", text)
    assert text.count(r"\begin{table}") == 1


def test_a_class_may_lack_a_method(tmp_path):
    paths = [path for path in write_metrics(tmp_path) if path.name != "cat.strong.csv"]
    table = summary(read_rows(paths), METHODS, CLASSES, read_table2(PUBLISHED))
    row = next(line for line in latex(table, {}, Style()).splitlines() if line.startswith(r"HFC + SwAV\_x"))
    assert row.count("--") == 3  # cat's three metrics


def test_files_written_again_are_the_same_bytes_and_print(files, tmp_path, capsys):
    outputs = []
    for name in ("a", "b"):
        csv, tex = tmp_path / f"{name}.table2.csv", tmp_path / f"{name}.table2.tex"
        make_table2(files, METHODS, CLASSES, PUBLISHED, QUALITY, csv, tex)
        outputs.append((csv.read_bytes(), tex.read_bytes()))
    assert outputs[0] == outputs[1]
    print_table(tmp_path / "a.table2.csv")
    printed = capsys.readouterr().out
    assert printed == plain(read_csv(tmp_path / "a.table2.csv")) + "\n"
    assert printed.count("*") == 3 * 4 and "2 exemplars, 3 test images" in printed
    block = printed.split("\n\n")[0].splitlines()[1:-1]
    assert [line.index("RepurposeGAN") for line in block if "Repurpose" in line] == [0]
    assert len({len(line) for line in block}) == 1


def test_a_failed_exemplar_is_named_in_the_caption_with_its_reason(files, tmp_path):
    failures = tmp_path / "weak.failures.csv"
    failures.write_text("study,class,method,exemplar,reason\ndemo_x,cat,weak,1,the loss is 100 % off\n")
    make_table2(files, METHODS, CLASSES, PUBLISHED, {}, tmp_path / "t.csv", tmp_path / "t.tex", failures=[failures])
    text = (tmp_path / "t.tex").read_text()
    assert r"failed on it: RepurposeGAN (MLP), cat, exemplar 1: the loss is 100 \% off." in text


def test_metrics_for_dvc(table):
    metrics = as_metrics(table)
    assert list(metrics) == CLASSES and list(metrics["car"]) == list(METHODS)
    assert metrics["car"]["strong"]["miou"] == pytest.approx(
        table[(table["class"] == "car") & (table["method"] == "strong")]["miou_mean"].item(), abs=1e-4
    )


def test_inconsistent_input_is_one_line(files, tmp_path):
    rows, published = read_rows(files), read_table2(PUBLISHED)
    with pytest.raises(OnemaskError, match="method 'copy_mask' is not configured; there are strong"):
        summary(rows, {"strong": {"title": "x"}}, CLASSES, published)
    with pytest.raises(OnemaskError, match="class 'horse'"):
        summary(rows, METHODS, [*CLASSES, "horse"], published)
    with pytest.raises(OnemaskError, match="studies demo_x, other"):
        (tmp_path / "o").mkdir()
        summary(read_rows([*files, *write_metrics(tmp_path / "o", study="other")]), METHODS, CLASSES, published)
    with pytest.raises(OnemaskError, match="published 'Other/MLP' is no row"):
        summary(rows, METHODS | {"weak": {"title": "w", "published": "Other/MLP"}}, CLASSES, published)
    with pytest.raises(OnemaskError, match="not a table2.csv"):
        read_csv(files[0])


def test_the_table_is_drawn_without_torch(files, tmp_path):
    program = (
        "import sys; from onemask.paper.table2 import make_table2, print_table\n"
        f"make_table2({[str(f) for f in files]!r}, {METHODS!r}, {CLASSES!r}, {str(PUBLISHED)!r}, {{}}, "
        f"{str(tmp_path / 't.csv')!r}, {str(tmp_path / 't.tex')!r})\n"
        f"print_table({str(tmp_path / 't.csv')!r}); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (tmp_path / "t.tex").exists()
