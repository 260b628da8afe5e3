"""Methods compared exemplar by exemplar: both were fitted on the same exemplar and scored on the same test images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from scipy.stats import wilcoxon

from onemask.evaluation.metrics import METRICS

COLUMNS = ["class", "method", "rival", "metric", "exemplars", "mean", "std", "wins", "p_value"]


def paired_differences(scores: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Score of each of `methods` minus that of every other method, over the exemplars that both were fitted on.

    `scores` as from `image_scores`. One row per (class, method, rival, metric): `exemplars` that both have, `mean` and
    sample `std` of the difference in points of percent, `wins` (exemplars on which the method is better), and `p_value`
    of Wilcoxon's signed-rank test, two-sided (NaN where no exemplar differs). A rival without two common exemplars is
    left out.
    """
    per_exemplar = scores.groupby(["class", "method", "exemplar"], sort=False)[METRICS].mean() * 100
    rows = []
    for name in per_exemplar.index.unique("class"):
        table = per_exemplar.loc[name]
        rivals = table.index.unique("method")
        for method in (method for method in methods if method in rivals):
            for rival in rivals.drop(method):
                difference = (table.loc[method] - table.loc[rival]).dropna(how="all")
                if len(difference) > 1:
                    rows += [[name, method, rival, metric, *_statistics(difference[metric])] for metric in METRICS]
    return pd.DataFrame(rows, columns=COLUMNS)


def _statistics(difference: pd.Series) -> list[float]:
    p_value = wilcoxon(difference).pvalue if difference.any() else float("nan")
    return [len(difference), difference.mean(), difference.std(), int((difference > 0).sum()), p_value]
