import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from onemask.errors import OnemaskError
from onemask.evaluation.claims import COLUMNS, read_claims
from onemask.paper.html import write_page
from onemask.paper.latex import compile_pdf
from onemask.paper.report import make, read_sections

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "sections": [
        {"title": "One & all", "paper": "It wins by 5 %.", "claims": ["wins", "fast", "odd"], "tables": ["table2"]},
        {"title": "Ablations", "paper": "None.", "sentence": "ablations"}
        | {"seen": {"demo_x": "Blue is best.", "other": "Red is best."}},
        {"title": "Renders", "paper": "None.", "sentence": "renders"}
        | {"figures": {"fig9": "All of them.", "fig_more_of": "More."}},
    ]
}
CLAIMS = [
    {"id": "wins", "claim": "A beats B.", "scope": "all", "verdict": "holds", "unit": "percent", "p_holm": 0.01}
    | {"note": "one seed", "difference": 2.5, "low": 1.0, "high": 4.0},
    {"id": "wins", "claim": "A beats B.", "scope": "cat", "verdict": "undecided", "unit": "percent"},
    {"id": "fast", "claim": "A is fast.", "scope": "all", "verdict": "holds", "unit": "ratio", "difference": 4.5}
    | {"low": 4.25, "high": 4.75},
    {"id": "odd", "claim": "A is odd.", "scope": "all", "verdict": "not tested", "note": "no_rows"},
]
RENDERS = [
    {"class": name, "method": method, "exact_rank": rank, "annotator_rank": other, "agreement": agreement}
    | {"agreement_table2": 0.5}
    for name, swap, agreement in (("face", False, 1.0), ("cat", True, -1.0))
    for method, rank, other in (("a", 1, 2 if swap else 1), ("b", 2, 1 if swap else 2))
]
ABLATIONS = [
    {"experiment": "layers", "method": "a", "class": name, "setting": f"layers {layer}", "wiou_fg_mean": score}
    for name, more in (("face", 0), ("car", 10))
    for layer, score in (("all", 40 + more), ("3", 50 + more), ("1", 30 + more))
]


def report_of(tmp_path, sections=SECTIONS, has=()):
    (tmp_path / "report.yaml").write_text(yaml.safe_dump(sections))
    pd.DataFrame(CLAIMS, columns=COLUMNS).to_csv(tmp_path / "claims.csv", index=False)
    pd.DataFrame(RENDERS).to_csv(tmp_path / "renders.csv", index=False)
    pd.DataFrame(ABLATIONS).to_csv(tmp_path / "ablations.csv", index=False)
    for name in ("table2", "table_claims"):
        (tmp_path / f"{name}.tex").write_text(f"the {name.replace('_', ' ')} itself\n")
    figure(tmp_path / "fig9.pdf")
    figure(tmp_path / "fig_more_of.pdf")
    inputs = {
        "sections": tmp_path / "report.yaml",
        "claims": tmp_path / "claims.csv",
        "tables": [tmp_path / "table2.tex", tmp_path / "table_claims.tex"],
        "figures": [tmp_path / "fig9.pdf", tmp_path / "fig_more_of.pdf"],
        "renders": tmp_path / "renders.csv",
        "ablations": tmp_path / "ablations.csv",
    }
    options = {"study": "demo_x", "titles": {"a": "Method_A", "b": "B"}, "has": has}
    make(inputs, {"tex": tmp_path / "report.tex"}, options)
    return (tmp_path / "report.tex").read_text()


def test_a_section_on_the_case_study_needs_one(tmp_path):
    sections = {"sections": [{"title": "Baggage", "paper": "y", "needs": "case_study", "tables": ["table6"]}]}
    assert "Baggage" not in report_of(tmp_path, sections)
    with pytest.raises(OnemaskError, match="Baggage: no table 'table6'"):
        report_of(tmp_path, sections, has=("case_study",))


def figure(path):
    from matplotlib.figure import Figure

    Figure(figsize=(1, 1)).savefig(path)


def test_sections_hold_what_the_paper_found_and_verdicts_from_the_claims_file(tmp_path):
    text = report_of(tmp_path)
    assert r"\section{One \& all}" in text and r"\textbf{The paper.} It wins by 5 \%." in text
    assert r"A beats B: \textbf{holds} (+2.50 points, +1.00 to +4.00; $p$ = 0.01; one seed)." in text
    assert r"A is fast: \textbf{holds} (ratio 4.50, 4.25 to 4.75 by quartiles over images)." in text
    assert r"A is odd: \textit{not tested} (no\_rows)." in text
    assert "Of 3 claims of the paper: 2 hold, 1 not tested." in text
    assert "the table2 itself" in text and "the table claims itself" in text and "{fig9.pdf}" in text
    assert r"\thefigure}{more\_of}" in text and r"\caption{More. Study \texttt{demo\_x}.}" in text
    assert "Blue is best." in text and "Red is best." not in text
    ablations = r"Method\_A (layers; face, car): best layers 3 55.0, worst layers 1 35.0."
    assert rf"Ablations, wIoU\_fg on the mean over classes: {ablations}" in text


def test_whether_the_ranking_stands_on_exact_masks(tmp_path):
    text = report_of(tmp_path)
    agreement = "Spearman's correlation 1.00, with Table 2's ranking on other images 0.50"
    assert f"face: the same method leads ({agreement})" in text
    assert "cat: Method\\_A leads in place of B (Spearman's correlation -1.00, with" in text


@pytest.mark.parametrize(
    ("key", "value"),
    [("claims", ["none"]), ("tables", ["none"]), ("figures", {"none": "x"}), ("sentence", "none")],
)
def test_a_claim_table_or_figure_that_nobody_made_is_one_line(tmp_path, key, value):
    with pytest.raises(OnemaskError, match=f"report.yaml: x: no {key.removesuffix('s')} 'none'; there are "):
        report_of(tmp_path, {"sections": [{"title": "x", "paper": "y", key: value}]})


def test_a_damaged_list_of_sections_is_one_line(tmp_path):
    texts = {"title: x": "not the report's sections", "sections: [{title: x}]": "paper: is required"}
    for content, message in texts.items():
        (tmp_path / "s.yaml").write_text(content)
        with pytest.raises(OnemaskError, match=f"s.yaml: .*{message}") as caught:
            read_sections(tmp_path / "s.yaml")
        assert "\n" not in str(caught.value)


def test_the_repository_s_own_sections_name_claims_that_there_are():
    known = {claim.id for claim in read_claims(ROOT / "config/claims.yaml")}
    named = [name for section in read_sections(ROOT / "config/report.yaml") for name in section.claims]
    assert len(named) == len(set(named)) and set(named) == known


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_it_compiles_to_the_same_bytes(tmp_path):
    report_of(tmp_path)
    for name in ("a", "b"):
        compile_pdf(tmp_path / "report.tex", tmp_path / f"{name}.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_without_a_latex_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OnemaskError, match="pdflatex is not installed; install a LaTeX"):
        compile_pdf(tmp_path / "report.tex", tmp_path / "report.pdf")


def test_a_page_of_html_shows_every_cell_escaped(tmp_path):
    pd.DataFrame({"a_b": ["x < y", None], "v": [1.23456, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    write_page(tmp_path / "t.html", tmp_path / "t.csv", "T & U", "what it is")
    text = (tmp_path / "t.html").read_text()
    assert "<td>x &lt; y</td><td>1.235</td>" in text and "<td></td><td>2</td>" in text
    assert "<h1>T &amp; U</h1>" in text and "<th>a b</th>" in text and "<p>what it is</p>" in text
