"""Fig. C2: losses of a generator's training, and the Frechet score of what it makes on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from onemask.errors import OnemaskError
from onemask.paper.drawing import PAGE, write_figure

LOSSES = {
    "loss_g": {"color": "#0072B2", "label": "generator"},
    "loss_d": {"color": "#D55E00", "linestyle": "--", "label": "discriminator"},
}
SCORE = "frechet_efficientnet_lite0"
SCORE_COLOUR = "#009E73"


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `metrics` (training's csv) and `scores` (of its milestones); options: study, class, loss."""
    metrics, scores = pd.read_csv(inputs["metrics"]), pd.read_csv(inputs["scores"])
    if scores.empty:
        raise OnemaskError(f"{inputs['scores']}: no milestones; set generator_training.milestone_kimg and train again")
    write_figure(outputs, lambda: draw(metrics, scores, options))


def draw(metrics: pd.DataFrame, scores: pd.DataFrame, options: Mapping[str, Any]) -> Figure:
    """Left both losses, in the middle ADA's probability and r_t, right the score, over thousands of images."""
    figure = Figure(figsize=(PAGE, 2.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for column, line in LOSSES.items():
        left.plot(metrics["kimg"], metrics[column], **line)
    left.set_title(f"losses ({options['loss']})")
    middle.plot(metrics["kimg"], metrics["ada_p"], color="#CC79A7", label="ADA p")
    middle.plot(metrics["kimg"], metrics["overfitting"], color="#444444", linestyle=":", label=r"$r_t$")
    middle.set_title("augmentation")
    right.plot(scores["kimg"], scores[SCORE], color=SCORE_COLOUR, marker="o")
    right.set(title="Frechet distance, EfficientNet-Lite0", ylim=(0, None))
    for axes in (left, middle, right):
        axes.set_xlabel("thousand images seen")
    for axes in (left, middle):
        axes.legend()
    title = f"study {options['study']}: training of the {options['class']} generator (not FID: other features)"
    figure.suptitle(title, x=0.01, ha="left", fontsize=8)
    return figure
