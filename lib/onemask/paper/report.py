"""report.tex: all tables and figures, with what the paper found and what we found. Knows no torch.

Sections are data (config/report.yaml). Every number of ours in the text comes out of a result file, as claims.csv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from onemask.errors import OnemaskError
from onemask.evaluation.claims import ALL, NOT_TESTED
from onemask.files import read_yaml, write_text
from onemask.paper.style import escape
from onemask.validation import one_line

PACKAGES = ("booktabs", "graphicx", "array", "[margin=2cm]{geometry}", "[T1]{fontenc}")
PLURAL = {"holds": "hold", "does not hold": "do not hold", "undecided": "undecided", NOT_TESTED: NOT_TESTED}
WIDTHS = {"fig14a": 0.8, "fig14b": 0.7, "fig14c": 0.6, "fig_sinkhorn": 0.8}  # of the text; others take all of it


class Section(BaseModel):
    """A section of the report: prose, claims by id, tables by name, figures by name with their captions.

    `seen` is what a reader of a study's pictures and tables saw, by the study's name: it says nothing of others.
    One that `needs` a case study, or an annotator of the demo's, is left out where the study has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    paper: str
    ours: str = ""
    seen: dict[str, str] = {}
    sentence: str = ""
    needs: Literal["case_study", "annotator"] | None = None
    claims: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    figures: dict[str, str] = {}


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `sections` (config/report.yaml), `claims` (csv), `tables` (tex files), `figures` (pdf files).

    Also `renders` and `ablations` (csv), where a section has a sentence on them. The figures are named in report.tex as
    they lie in its own folder.
    options: `study`; `titles` of the methods; `has`, what the study has of what sections need.
    """
    there = read_sections(inputs["sections"])
    sections = [section for section in there if section.needs is None or section.needs in options["has"]]
    tables = {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in inputs["tables"]}
    figures = {Path(path).stem for path in inputs["figures"]}
    claims = pd.read_csv(inputs["claims"], keep_default_na=False, na_values=[""])
    sentences = {"": ""}
    for name, write in (("renders", renders_sentence), ("ablations", ablations_sentence)):
        if path := inputs.get(name):
            sentences[name] = write(pd.read_csv(path), options["titles"])
    made = {"claim": set(claims["id"]), "table": set(tables), "figure": figures, "sentence": set(sentences)}
    _check(inputs["sections"], sections, made)
    study = options["study"]
    body = [_section(section, claims, tables, sentences[section.sentence], study) for section in sections]
    all_claims = tables[f"table_{Path(inputs['claims']).stem}"]
    text = document(study, verdicts_sentence(claims), body, all_claims)
    write_text(outputs["tex"], text)


def read_sections(path: str | Path) -> list[Section]:
    """The sections in order; OnemaskError names the file and what is wrong with it."""
    entries = read_yaml(path, "the report's sections", lambda content: list(content["sections"]))
    try:
        return [Section.model_validate(entry) for entry in entries]
    except ValidationError as error:
        raise OnemaskError(f"{path}: a section's {one_line(error, Section)}") from None


def document(study: str, summary: str, body: Sequence[str], claims: str) -> str:
    """The whole LaTeX document."""
    packages = [rf"\usepackage{name if name.startswith('[') else '{' + name + '}'}" for name in PACKAGES]
    title = rf"One-shot segmentation of StyleGAN images: the paper beside study \texttt{{{escape(study)}}}"
    head = [
        r"\documentclass[10pt]{article}",
        *packages,
        r"\setlength{\belowcaptionskip}{4pt}",
        r"\pdftrailerid{}\pdfinfo{/CreationDate () /ModDate ()}",
        r"\begin{document}",
        rf"\section*{{{title}}}",
        "Figures in italics are the paper's own, measured on other generators and other images.",
        summary,
    ]
    last = [r"\section{All claims}", "Every claim with its figures, and with those of its classes and labels."]
    return "\n\n".join([*head, *body, *last, numbered("table", "C", claims), r"\end{document}"]) + "\n"


def numbered(kind: str, number: str, text: str) -> str:
    """Floats of LaTeX placed where they stand, with the paper's number in place of a running one."""
    placed = text.replace(rf"\begin{{{kind}}}[t]", rf"\begin{{{kind}}}[htp]")
    return rf"\renewcommand{{\the{kind}}}{{{number}}}" + "\n" + placed


def verdicts_sentence(claims: pd.DataFrame) -> str:
    """How many of the paper's claims hold, do not hold, are undecided, or were not tested."""
    counts = claims[claims["scope"] == ALL]["verdict"].value_counts()
    words = {name: PLURAL[name] if n > 1 else name for name, n in counts.items()}
    return f"Of {counts.sum()} claims of the paper: " + ", ".join(f"{n} {words[k]}" for k, n in counts.items()) + "."


def renders_sentence(table: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Whether the ranking by the annotator's labels stands on exact masks."""
    leaders = []
    for name, group in table.groupby("class", sort=False):
        best = (group.loc[group[f"{side}_rank"].idxmin(), "method"] for side in ("exact", "annotator"))
        exact, annotated = (titles[method] for method in best)
        agreement = f"Spearman's correlation {group['agreement'].iloc[0]:.2f}"
        agreement += f", with Table 2's ranking on other images {group['agreement_table2'].iloc[0]:.2f}"
        same = "the same method leads" if exact == annotated else f"{exact} leads in place of {annotated}"
        leaders.append(f"{name}: {same} ({agreement})")
    return escape("On exact masks against the annotator's labels: " + "; ".join(leaders) + ".")


def ablations_sentence(table: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """The best and the worst setting of each ablation, by wiou_fg on the mean over its classes."""
    found = []
    for (name, method), group in table.groupby(["experiment", "method"], sort=False):
        means = group.groupby("setting", sort=False)["wiou_fg_mean"].mean()
        best, worst = (f"{setting} {means[setting]:.1f}" for setting in (means.idxmax(), means.idxmin()))
        found.append(f"{titles[method]} ({name}; {', '.join(group['class'].unique())}): best {best}, worst {worst}")
    return escape("Ablations, wIoU_fg on the mean over classes: " + "; ".join(found) + ".")


def claim_sentence(row: Mapping[str, Any]) -> str:
    """A claim with its verdict and the figures behind it."""
    claim = escape(row["claim"].rstrip("."))
    if row["verdict"] == NOT_TESTED:
        return rf"{claim}: \textit{{{NOT_TESTED}}} ({escape(str(row['note']))})."
    if row["unit"] == "ratio":
        bounds = f"{row['low']:.2f} to {row['high']:.2f} by quartiles over images"
        return rf"{claim}: \textbf{{{row['verdict']}}} (ratio {row['difference']:.2f}, {bounds})."
    interval = f"{row['difference']:+.2f} points, {row['low']:+.2f} to {row['high']:+.2f}"
    note = "" if pd.isna(row["note"]) else f"; {escape(str(row['note']))}"
    return rf"{claim}: \textbf{{{row['verdict']}}} ({interval}; $p$ = {row['p_holm']:.2g}{note})."


def _section(
    section: Section, claims: pd.DataFrame, tables: Mapping[str, str], sentence: str, study: str
) -> str:
    whole = claims[claims["scope"] == ALL].set_index("id")
    found = [rf"\item {claim_sentence(whole.loc[name])}" for name in section.claims]
    listed = "\n".join([r"\begin{itemize}\setlength{\itemsep}{0pt}", *found, r"\end{itemize}"]) if found else ""
    ours = " ".join(filter(None, [escape(section.ours), escape(section.seen.get(study, "")), sentence, listed]))
    parts = [
        rf"\section{{{escape(section.title)}}}",
        rf"\textbf{{The paper.}} {escape(section.paper)}",
        *([rf"\textbf{{Ours.}} {ours}"] if ours else []),
        *(numbered("table", _number(name, "table"), tables[name]) for name in section.tables),
        *(_figure(name, caption, study) for name, caption in section.figures.items()),
        r"\clearpage",
    ]
    return "\n\n".join(parts)


def _figure(name: str, caption: str, study: str) -> str:
    size = rf"width={WIDTHS.get(name, 1)}\linewidth,height=.85\textheight,keepaspectratio"
    lines = [
        r"\begin{figure}[htp]\centering",
        rf"\includegraphics[{size}]{{{name}.pdf}}",
        rf"\caption{{{escape(caption)} Study \texttt{{{escape(study)}}}.}}",
        r"\end{figure}",
    ]
    return numbered("figure", _number(name, "fig"), "\n".join(lines))


def _number(name: str, kind: str) -> str:
    """The paper's number of a table or figure, or the name of one that only we have."""
    return escape(name.removeprefix(kind).removeprefix("_"))


def _check(path: str | Path, sections: Sequence[Section], made: Mapping[str, set[str]]) -> None:
    """OnemaskError for what a section names and nobody made: a claim, table, figure or sentence."""
    for section in sections:
        named = {"claim": section.claims, "table": section.tables, "figure": section.figures}
        for kind, names in (named | {"sentence": [section.sentence]}).items():
            if missing := [name for name in names if name not in made[kind]]:
                raise OnemaskError(f"{path}: {section.title}: no {kind} {missing[0]!r}; there are {sorted(made[kind])}")
