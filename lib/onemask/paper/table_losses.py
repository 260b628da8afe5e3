"""The losses of a generator's training side by side after equally many images: BagGAN's against StyleGAN2-ADA's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.paper.figC2 import SCORE
from onemask.paper.style import escape, number
from onemask.paper.tables import Row, Table, Tabular, plain_value, write_table

TERMS = ("loss", "adversarial_weight", "gradient_penalty", "ppl_weight", "r1_gamma")


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `metrics` and `scores`, csv files of one training per loss, in the order of the option `losses`.

    options: study, class, and losses {name: the settings that its training had}.
    """
    pairs = zip(options["losses"].items(), inputs["metrics"], inputs["scores"], strict=True)
    table = pd.DataFrame([row(name, settings, *paths) for (name, settings), *paths in pairs])
    if table["kimg"].nunique() != 1:
        raise OnemaskError(f"{inputs['scores'][0]}: the losses were scored after different numbers of images")
    write_table(outputs, draw(table, options), table)


def row(name: str, settings: Mapping[str, Any], metrics: str | Path, scores: str | Path) -> dict[str, Any]:
    """A loss with its terms, what its training ended with, its usual rate, and the last generator's score."""
    training, scored = pd.read_csv(metrics), pd.read_csv(scores)
    if not len(scored):
        raise OnemaskError(f"{scores}: no milestones; set generator_training.milestone_kimg and train again")
    end, last = training.iloc[-1], scored.iloc[-1]
    if last["kimg"] != end["kimg"]:
        raise OnemaskError(f"{scores}: no score of the end, {end['kimg']:g} thousand images; make it again")
    return {
        "loss_name": name,
        **{term: settings[term] for term in TERMS},
        "kimg": last["kimg"],
        SCORE: last[SCORE],
        "overfitting": end["overfitting"],
        "ada_p": end["ada_p"],
        "images_per_second": training["images_per_second"].median(),
    }


def draw(table: pd.DataFrame, options: Mapping[str, Any]) -> Table:
    """A line per loss; the lowest distance is bold."""
    best = table[SCORE].min()
    lines = [_line(row, row[SCORE] == best) for row in table.to_dict("records")]
    names = ["loss", "weight", "GP", "PPL", r"R1 $\gamma$", "distance", "$r_t$", "ADA $p$", "images/s"]
    caption = (
        rf"Losses of the {escape(options['class'])} generator's training, study \texttt{{{escape(options['study'])}}},"
        rf" each after {table['kimg'].iloc[0]:,.0f} thousand images: Fr\'echet distance to the training images over"
        r" features of EfficientNet-Lite0 (not FID; lower is better), ADA's $r_t$ and probability at the end, and the"
        r" median rate of one process."
    )
    return Table(caption, "tab:losses", [Tabular("", [("", names)], [lines])])


def _line(row: Mapping[str, Any], best: bool) -> Row:
    distance = number(row[SCORE], 2)
    return [
        escape(row["loss_name"]),
        *(plain_value(row[term]) for term in TERMS),
        rf"\textbf{{{distance}}}" if best else distance,
        number(row["overfitting"], 2),
        number(row["ada_p"], 2),
        number(row["images_per_second"], 1),
    ]
