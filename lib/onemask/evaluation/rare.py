"""Precision at an IoU threshold for labels that an image may lack (Tables 4 and 6, decision 33).

Per image: TP, the part is there and its IoU reaches the threshold; FP, any other prediction that is not empty; FN, the
part is there and no TP. A part that is there but badly met is therefore FP and FN at once.
"""

from __future__ import annotations

import pandas as pd

from onemask.evaluation.metrics import BACKGROUND, KEYS

THRESHOLD = 0.5
COUNTS = ["tp", "fp", "fn"]
LABEL_KEYS = [*KEYS, "label"]


def outcomes(rows: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """One row per (study, class, method, label, exemplar, image): tp, fp, fn and `present` as 0 or 1, and the `iou`.

    `rows` as in evaluation.metrics, of binary masks; those of the background are left out.
    """
    parts = rows[rows["label"] != BACKGROUND]
    present, predicted = parts["area_true"] > 0, parts["area_predicted"] > 0
    hit = present & (parts["iou"] >= threshold)
    flags = {"tp": hit, "fp": predicted & ~hit, "fn": present & ~hit, "present": present}
    keys = parts[[*LABEL_KEYS, "exemplar", "image", "iou"]]
    return keys.assign(**{name: flag.astype(int) for name, flag in flags.items()}).reset_index(drop=True)


def summarise(images: pd.DataFrame) -> pd.DataFrame:
    """One row per (study, class, method, label) of `outcomes`: counts, rates and precision, in shares of one.

    tp, fp, fn are summed over exemplars and images; `images` counts test images, `present` is the share of them that
    hold the part. `precision` is TP / (TP + FP) of those sums, NaN without any prediction; `precision_mean` and sample
    `precision_std` are over the `predicting` exemplars, those with a prediction at all. `iou` is the mean over images
    that hold the part, then over exemplars, whose sample deviation is `iou_std`.
    """
    per_exemplar = images.groupby([*LABEL_KEYS, "exemplar"], sort=False)[COUNTS].sum()
    fits = _precision(per_exemplar).groupby(LABEL_KEYS, sort=False)
    groups = images.groupby(LABEL_KEYS, sort=False)
    table = groups[COUNTS].sum()
    table["precision"] = _precision(table)
    table["precision_mean"], table["precision_std"], table["predicting"] = fits.mean(), fits.std(), fits.count()
    held = images[images["present"] == 1].groupby([*LABEL_KEYS, "exemplar"], sort=False)["iou"].mean()
    overlaps = held.groupby(LABEL_KEYS, sort=False)
    table["iou"], table["iou_std"] = overlaps.mean(), overlaps.std()
    table["exemplars"], table["images"] = groups["exemplar"].nunique(), groups["image"].nunique()
    table["present"] = groups["present"].mean()
    return table.reset_index()


def _precision(counts: pd.DataFrame) -> pd.Series:
    predictions = counts["tp"] + counts["fp"]
    return counts["tp"] / predictions.where(predictions > 0)
