"""Table 2: one-shot segmentation, ours beside the published figures, from metrics csv files alone (no torch).

`summary` makes the table's values (table2.csv), `latex` and `plain` draw them. A method without a published counterpart
(copy-mask, supervised) is a reference row: it is never set in bold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import METRICS, image_scores, read_rows, summarise
from onemask.files import atomic, write_text
from onemask.paper.published import Table2, check_rows, read_table2
from onemask.paper.style import (
    ABSENT,
    aligned,
    escape,
    latex_score,
    latex_table,
    number,
    plain_score,
)
from onemask.paper.tables import Row, Tabular, check_methods, in_order, of_study, ranged

NAMES = {"wiou": "wIoU", "wiou_fg": "wIoU_fg", "miou": "mIoU", "fg_iou": "FG-IoU"}
LATEX_NAMES = NAMES | {"wiou_fg": r"wIoU$_\mathrm{fg}$"}
PUBLISHED = {"wiou": "published_wiou", "fg_iou": "published_fg_iou"}
CLASSES_ABREAST = 2
Quality = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Style:
    """Which metrics are shown, with how many decimals, with or without the spread."""

    metrics: Sequence[str] = tuple(METRICS)
    decimals: int = 1
    spread: bool = True


def make_table2(
    rows: Iterable[str | Path],
    methods: Mapping[str, Mapping[str, Any]],
    classes: Sequence[str],
    published: str | Path,
    quality: Quality,
    csv: str | Path,
    tex: str | Path,
    style: Style | None = None,
    failures: Iterable[str | Path] = (),
) -> pd.DataFrame:
    """Read metrics csv files and config/published.yaml; write table2.csv and table2.tex; return the csv's table.

    `methods` gives each method's `title` and `published` ("Method/segmenter" or null), in the table's order. `quality`
    is the annotator's, per class, in shares of one: {"face": {"mIoU on held-out renders": 0.83}}. The caption shows it,
    and the exemplars that `failures` (csv files beside the rows) list.
    """
    table = summary(read_rows(rows), methods, classes, read_table2(published))
    write_csv(csv, table)
    write_text(tex, latex(table, quality, style or Style(), left_out(failures, methods)))
    return table


def left_out(failures: Iterable[str | Path], methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each exemplar on which a method failed, with the reason."""
    rows = [row for path in failures for row in pd.read_csv(path).to_dict("records")]
    return [
        f"{methods[row['method']]['title']}, {row['class']}, exemplar {row['exemplar']}: {row['reason']}"
        for row in rows
    ]


def summary(
    rows: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], classes: Sequence[str], published: Table2
) -> pd.DataFrame:
    """One row per class and method, scores in percent.

    Columns: study, class, method, title, row (class and title, for plots), reference, exemplars, images,
    <metric>_mean, <metric>_std, published_wiou, published_fg_iou. Classes and methods come in the given order; a class
    may lack methods, but not all of them.
    OnemaskError when rows belong to several studies, to an unknown method, or miss a class.
    """
    of_study(rows, "metrics csv")
    check_methods(rows, methods, "metrics csv")
    if different := sorted(set(rows["class"]) ^ set(classes)):
        raise OnemaskError(f"metrics csv: class {different[0]!r} is in the configuration or in the rows, not in both")
    table = in_order(summarise(image_scores(rows)), **{"class": classes, "method": methods})
    scores = [f"{metric}_{statistic}" for metric in METRICS for statistic in ("mean", "std")]
    table[scores] *= 100
    table.insert(3, "title", table["method"].map(lambda name: methods[name]["title"]))
    table.insert(4, "row", table["class"] + ": " + table["title"])
    table.insert(5, "reference", table["method"].map(lambda name: not methods[name].get("published")))
    pairs = [
        _published(published, methods[method].get("published"), name)
        for name, method in zip(table["class"], table["method"], strict=True)
    ]
    table["published_wiou"], table["published_fg_iou"] = zip(*pairs, strict=True)
    return table


def latex(table: pd.DataFrame, quality: Quality, style: Style, missing: Sequence[str] = ()) -> str:
    """Two LaTeX tables (booktabs): all metrics but mIoU, two classes abreast, published figures below; and mIoU."""
    main = [metric for metric in style.metrics if metric != "miou"]
    classes = list(table["class"].unique())
    groups = [classes[i : i + CLASSES_ABREAST] for i in range(0, len(classes), CLASSES_ABREAST)]
    tables = (
        [
            latex_table(
                caption(table, quality, missing),
                "tab:one-shot",
                [_tabular(table, group, main, style).tex() for group in groups],
            )
        ]
        if main
        else []
    )
    if "miou" in style.metrics:
        text = f"Plain mean IoU, background included, of the same runs; study {of_study(table, 'table2.csv')}."
        tables.append(latex_table(text, "tab:one-shot-miou", [_tabular(table, classes, ["miou"], style).tex()]))
    return "\n".join(tables)


def caption(table: pd.DataFrame, quality: Quality, missing: Sequence[str] = ()) -> str:
    """What a reader must know: the study, numbers of exemplars and images, what is bold or missing, the annotator."""
    counts = table.groupby("class", sort=False)["images"]
    images = ", ".join(f"{escape(name)} {ranged(values)}" for name, values in counts)
    sentences = [
        f"One-shot segmentation, study {of_study(table, 'table2.csv')}, in percent: mean and standard deviation over"
        f" {_exemplars(table)} exemplars, each fitted alone and scored on the same test images ({images}).",
        "Bold: the best one-shot method; methods below the last rule are references.",
        "Lines in italics are the published figures of the paper's Table 2 (wIoU, FG-IoU), measured on other generators"
        " and other images.",
    ]
    if missing:
        sentences.append(f"Left out, because the method failed on it: {escape('; '.join(missing))}.")
    if quality:
        sentences.append("Annotator: " + "; ".join(_quality(name, quality[name]) for name in quality) + ".")
    return " ".join(sentences)


def plain(table: pd.DataFrame, style: Style | None = None) -> str:
    """The table as aligned text, a block per class; `*` marks the best one-shot method."""
    style = style or Style()
    return "\n\n".join(
        "\n".join(_plain_block(name, group, style)) for name, group in table.groupby("class", sort=False)
    )


def print_table(csv: str | Path, style: Style | None = None) -> None:
    """Print a table2.csv."""
    print(plain(read_csv(csv), style))


def as_metrics(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """{class: {method: {metric: mean}}} in percent."""
    return {
        name: {
            row["method"]: {metric: round(row[f"{metric}_mean"], 4) for metric in METRICS}
            for row in group.to_dict("records")
        }
        for name, group in table.groupby("class", sort=False)
    }


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write table2.csv, atomically, with four decimals."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a table2.csv; OnemaskError when it is missing or another file."""
    try:
        table = pd.read_csv(path, dtype={"study": str, "class": str, "method": str, "title": str})
        if missing := {"class", "title", "reference", "published_wiou"} - set(table):
            raise ValueError(f"no column {min(missing)}")
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{path}: not a table2.csv ({error}); run the rule table2 again") from None
    return table


def _published(published: Table2, key: str | None, class_name: str) -> tuple[float, float]:
    check_rows([key], published)
    return published.get(key or "", {}).get(class_name, (math.nan, math.nan))


def _tabular(table: pd.DataFrame, classes: Sequence[str], metrics: Sequence[str], style: Style) -> Tabular:
    """Some classes abreast. One-shot methods, then references; below each method its published figures."""
    groups = [(escape(name.capitalize()), [LATEX_NAMES[metric] for metric in metrics]) for name in classes]
    part = table[table["class"].isin(classes)]
    blocks = [_method_lines(group, classes, metrics, style) for _, group in part.groupby("reference", sort=True)]
    return Tabular("Method", groups, blocks)


def _method_lines(part: pd.DataFrame, classes: Sequence[str], metrics: Sequence[str], style: Style) -> list[Row]:
    lines = []
    for _, method in part.groupby("method", sort=False):
        by_class = {row["class"]: row for row in method.to_dict("records")}
        cells = [(by_class.get(name), metric, part[part["class"] == name]) for name in classes for metric in metrics]
        title = escape(method["title"].iloc[0])
        lines.append([title, *(_score(*cell, style, latex_score) for cell in cells)])
        figures = [_published_cell(row, metric) for row, metric, _ in cells]
        if any(figures):
            lines.append([r"\quad\textit{\scriptsize published}", *figures])
    return lines


def _score(
    row: Mapping[str, Any] | None,
    metric: str,
    rivals: pd.DataFrame,
    style: Style,
    draw: Callable[[float, float, int, bool], str],
) -> str:
    """A score drawn by `draw`, marked when it is the best of `rivals` and no reference."""
    if row is None:
        return ABSENT
    mean = row[f"{metric}_mean"]
    spread = row[f"{metric}_std"] if style.spread else math.nan
    best = not row["reference"] and mean == rivals[f"{metric}_mean"].max()
    return draw(mean, spread, style.decimals, best)


def _published_cell(row: Mapping[str, Any] | None, metric: str) -> str:
    value = row[PUBLISHED[metric]] if row and metric in PUBLISHED else math.nan
    return "" if math.isnan(value) else rf"\textit{{\scriptsize {number(value, 2)}}}"


def _plain_block(name: str, group: pd.DataFrame, style: Style) -> list[str]:
    one_shot = group[~group["reference"]]
    head = [name, *(NAMES[metric] + " " for metric in style.metrics), "published wIoU", "FG-IoU"]
    body = [
        [
            row["title"],
            *(_score(row, metric, one_shot, style, plain_score) for metric in style.metrics),
            number(row["published_wiou"], 2),
            number(row["published_fg_iou"], 2),
        ]
        for row in group.to_dict("records")
    ]
    counts = f"{_exemplars(group)} exemplars, {ranged(group['images'])} test images"
    return [*aligned([head, *body]), counts]


def _exemplars(table: pd.DataFrame) -> str:
    """Of the one-shot methods; of the references where there is nothing else."""
    one_shot = table[~table["reference"]]
    return ranged((table if one_shot.empty else one_shot)["exemplars"])


def _quality(name: str, figures: Mapping[str, float]) -> str:
    return escape(name) + " " + ", ".join(f"{escape(what)} {100 * share:.1f}" for what, share in figures.items())
