"""Metrics from areas (decisions 30, 31): one row per (exemplar, test image, label), everything else follows from rows.

The rows' label `background` is the one that no weighted metric counts. All scores lie in [0, 1]; a score that is not
defined (no foreground anywhere, say) is NaN and left out of means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from onemask.errors import OnemaskError
from onemask.files import atomic

METRICS = ["wiou", "wiou_fg", "miou", "fg_iou"]
KEYS = ["study", "class", "method"]
SECONDS = ["seconds", "seconds_low", "seconds_high"]  # per image, median and quartiles: here, where torch is not needed
AREAS = ["iou", "intersection", "union", "area_true", "area_predicted"]
COLUMNS = [*KEYS, "exemplar", "image", "label", *AREAS]
BACKGROUND = "background"


def per_label_areas(predicted: np.ndarray, true: np.ndarray, num_labels: int) -> tuple[np.ndarray, ...]:
    """Intersection, area_true and area_predicted in pixels, each int64 [N, num_labels], of label maps [N, H, W]."""
    if predicted.shape != true.shape:
        raise ValueError(f"label maps: predicted {predicted.shape}, true {true.shape}")
    images = np.arange(len(true)).reshape(-1, 1, 1)
    cells = (images * num_labels + true) * num_labels + predicted
    confusion = np.bincount(cells.ravel(), minlength=len(true) * num_labels**2).reshape(-1, num_labels, num_labels)
    return np.einsum("nll->nl", confusion), confusion.sum(axis=2), confusion.sum(axis=1)


def area_rows(predicted: np.ndarray, true: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Rows image, label, iou, intersection, union, area_true, area_predicted; `image` counts from 0.

    `iou` is NaN where neither map holds the label.
    """
    intersection, area_true, area_predicted = per_label_areas(predicted, true, len(labels))
    union = area_true + area_predicted - intersection
    columns = {
        "image": np.repeat(np.arange(len(true)), len(labels)),
        "label": np.tile(np.asarray(labels), len(true)),
        "iou": _ratio(intersection, union).ravel(),
        "intersection": intersection.ravel(),
        "union": union.ravel(),
        "area_true": area_true.ravel(),
        "area_predicted": area_predicted.ravel(),
    }
    return pd.DataFrame(columns)


def image_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per (study, class, method, exemplar, image) with the columns of METRICS."""
    groups = [*KEYS, "exemplar", "image"]
    rows = rows.assign(
        foreground=rows["area_true"].where(rows["label"] != BACKGROUND, 0),
        weighted=(rows["area_true"] * rows["iou"].fillna(0)).where(rows["label"] != BACKGROUND, 0),
    )
    sums = rows.groupby(groups, sort=False)[["area_true", "foreground", "weighted"]].sum()
    background = rows[rows["label"] == BACKGROUND].set_index(groups)
    scores = {
        "wiou": wiou(sums["weighted"], sums["area_true"]),
        "wiou_fg": wiou_fg(sums["weighted"], sums["foreground"]),
        "miou": miou(rows, groups),
        "fg_iou": fg_iou(background["intersection"], background["union"], sums["area_true"]),
    }
    return pd.DataFrame(scores).reset_index()


def wiou(weighted: pd.Series, pixels: pd.Series) -> pd.Series:
    """The paper's weighted IoU (Section 7.1, decision 30): sum over parts of IoU x true area, over the image's pixels.

    Background is no part, so the score is at most the share of foreground. A part that the truth lacks weighs nothing.
    """
    return weighted / pixels


def wiou_fg(weighted: pd.Series, foreground: pd.Series) -> pd.Series:
    """The same, with weights that add up to one over the foreground; NaN where the truth has none (decision 30)."""
    return weighted / foreground.where(foreground > 0)


def miou(rows: pd.DataFrame, groups: list[str]) -> pd.Series:
    """Plain mean IoU over all labels, background included, that the truth or the prediction holds."""
    return rows.groupby(groups, sort=False)["iou"].mean()


def fg_iou(intersection: pd.Series, union: pd.Series, pixels: pd.Series) -> pd.Series:
    """IoU of all parts together as one foreground (decision 31), from the background's areas.

    A pixel is foreground in both maps unless it is background in one: |F and F'| = pixels - |B or B'|, and so on.
    """
    return _ratio(pixels - union, pixels - intersection)


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (study, class, method): exemplars, images and, per metric, <metric>_mean and <metric>_std.

    The mean over test images is taken per exemplar; mean and sample standard deviation are over exemplars; the
    deviation is NaN where there is one alone.
    """
    per_exemplar = scores.groupby([*KEYS, "exemplar"], sort=False)[METRICS].mean()
    groups = per_exemplar.groupby(KEYS, sort=False)
    summary = groups.agg(["mean", "std"])
    summary.columns = [f"{metric}_{statistic}" for metric, statistic in summary.columns]
    counts = scores.groupby(KEYS, sort=False).agg(exemplars=("exemplar", "nunique"), images=("image", "nunique"))
    return counts.join(summary).reset_index()


def write_rows(path: str | Path, rows: pd.DataFrame) -> None:
    """Write rows as csv, atomically, in the order of COLUMNS; an undefined iou is an empty cell."""
    with atomic(path) as temporary:
        rows[COLUMNS].to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def read_rows(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Rows of several csv files, one after the other; OnemaskError names a file that is no such csv."""
    return pd.concat([_read(path) for path in paths], ignore_index=True)


def _read(path: str | Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype={name: str for name in [*KEYS, "label"]})
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{path}: not a readable csv ({error}); run the rule that makes it again") from None
    if missing := [name for name in COLUMNS if name not in rows]:
        raise OnemaskError(f"{path}: has no column {missing[0]!r}; run the rule that makes it again")
    return rows


def _ratio(part, whole):
    """part / whole, NaN where whole is 0."""
    return part / np.where(whole > 0, whole, np.nan)
