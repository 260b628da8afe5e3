"""IoU against the probability of detection (Section 7.3, decision 32), from metrics rows alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from onemask.evaluation.metrics import KEYS, image_scores

THRESHOLDS = tuple(i / 20 for i in range(21))


def mean_curves(rows: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Share of test images with mIoU > t, over all exemplars: columns study, class, method, threshold, pd."""
    return _curves(image_scores(rows).rename(columns={"miou": "iou"}), KEYS, thresholds)


def label_curves(rows: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Share of the images whose truth holds the label with IoU > t: columns study, class, method, label, threshold, pd.

    A label that no image holds has no rows.
    """
    return _curves(rows[rows["area_true"] > 0], [*KEYS, "label"], thresholds)


def _curves(scores: pd.DataFrame, by: list[str], thresholds: Sequence[float]) -> pd.DataFrame:
    """A missing IoU is above no threshold, not even 0."""
    above = scores["iou"].to_numpy()[:, None] > np.asarray(thresholds)
    table = pd.DataFrame(above, columns=list(thresholds)).groupby([scores[name].to_numpy() for name in by], sort=False)
    shares = table.mean()
    shares.index.names = by
    return shares.rename_axis(columns="threshold").stack().rename("pd").reset_index()
