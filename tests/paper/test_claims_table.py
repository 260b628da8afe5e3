"""The verdicts as csv and LaTeX, out of csv files alone."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onemask.evaluation.claims import COLUMNS, judge, read_claims
from onemask.paper.claims_table import latex, make

CLAIMS = Path(__file__).parents[2] / "config/claims.yaml"
OPTIONS = {"study": "demo_x", "seed": 0, "resamples": 100, "rare_replicates": []}


def experiment(path, key, gaps, classes, replicates=1):
    """Five exemplars and six images; a value of `key` shifts the score by its gap."""
    rng = np.random.default_rng(0)
    fixed = {"study": "demo_x", "method": "hfc_swav_mlp", "shots": 1}
    rows = [
        fixed
        | {"class": name, key: value, "replicate": r, "exemplar": e, "image": i}
        | {"wiou": 0.5 + gap + rng.normal(0, 0.01)}
        for r in range(replicates)
        for name in classes
        for value, gap in gaps.items()
        for e in range(5)
        for i in range(6)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def inputs(tmp_path):
    return {
        "claims": str(CLAIMS),
        "experiments": [
            experiment(tmp_path / "table8.csv", "swav.local_loss", {True: 0.2, False: 0}, ["face", "car"], 3),
            experiment(tmp_path / "table9.csv", "method.head", {"mlp1": 0, "fcn3": 0, "fcn9": 0.2}, ["face"]),
        ],
    }


def outputs_in(folder):
    return {"csv": str(folder / "claims.csv"), "tex": str(folder / "table_claims.tex")}


def test_each_claim_has_a_row_and_those_without_results_say_so(inputs, tmp_path):
    make(inputs, outputs_in(tmp_path), OPTIONS)
    table = pd.read_csv(tmp_path / "claims.csv")
    assert list(table.columns) == COLUMNS
    whole = table[table["scope"] == "all"].set_index("id")
    assert list(whole.index) == [claim.id for claim in read_claims(CLAIMS)]
    assert whole.loc[["local_loss", "lighter_than_fcn9", "wiou_kmeans"], "verdict"].tolist() == [
        "holds",
        "undecided",  # however clear, by one clustering seed
        "not tested",
    ]
    assert whole.loc["wiou_kmeans", "note"] == "the study has no one_shot"
    assert table[table["id"] == "local_loss"]["scope"].tolist() == ["all", "face", "car"]


def test_latex_has_every_claim_in_tables_that_fit_a_page(inputs, tmp_path):
    make(inputs, outputs_in(tmp_path), OPTIONS)
    text = (tmp_path / "table_claims.tex").read_text()
    for claim in read_claims(CLAIMS):
        assert claim.claim.replace("%", r"\%") in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 1
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == text.count(r"\label")
    assert not re.search(r"(?<!\\)[%#_&](?! )", re.sub(r"\$.*?\$", "", text)) and "nan" not in text
    assert r"\texttt{demo\_x}" in text and r"\textbf{undecided}$^\dagger$" in text and r"\textbf{holds} \\" in text
    assert "over the 4 claims, and over the 2 classes and labels" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles_and_fits(inputs, tmp_path):
    make(inputs, outputs_in(tmp_path), OPTIONS)
    packages = r"\usepackage{booktabs}\usepackage[margin=2cm]{geometry}"
    lines = [r"\documentclass{article}", packages, r"\begin{document}\input{table_claims}\end{document}", ""]
    (tmp_path / "t.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout and "too large" not in run.stdout


def test_a_study_without_results_leaves_every_claim_not_tested():
    table = judge(read_claims(CLAIMS), {}, 10, 0)
    assert set(table["verdict"]) == {"not tested"} and table["note"].str.len().min() > 0
    assert "over the 0 claims" in latex(table, "s", 10)


def test_whole_runs_are_not_called_seeds_and_exemplars():
    table = pd.DataFrame(columns=COLUMNS)
    assert "exemplars (" in latex(table, "s", 10) and "exemplars (" not in latex(table, "s", 10, runs=True)


def test_written_again_it_is_the_same_bytes_without_torch(inputs, tmp_path):
    for copy in "ab":
        (tmp_path / copy).mkdir()
    program = (
        "import sys; from onemask.paper.claims_table import make\n"
        "for copy in 'ab':\n"
        f"    outputs = {{kind: f'{tmp_path}/{{copy}}/claims.{{kind}}' for kind in ('csv', 'tex')}}\n"
        f"    make({inputs!r}, outputs, {OPTIONS!r})\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    for kind in ("csv", "tex"):
        one, two = ((tmp_path / copy / f"claims.{kind}").read_bytes() for copy in "ab")
        assert one == two
