"""Experiments: which runs there are, and what their joined table holds."""

import numpy as np
import pandas as pd
import pytest

from onemask.evaluation.experiments import gather, gather_failures, plan
from onemask.evaluation.metrics import METRICS, area_rows

EXPERIMENT = {
    "methods": ["a", "b"],
    "shots": [1, 5],
    "replicates": [0],
    "base": {"swav.steps": 3, "swav.dim": 4},
    "grid": {"swav.dim": [8, 16], "swav.epsilon": [0.1]},
}


def test_runs_are_every_class_method_number_of_shots_and_point():
    runs = plan(["face", "cat"], EXPERIMENT)
    assert len(runs) == len({(r.cls, r.method, r.shots, r.point["swav.dim"]) for r in runs}) == 2 * 2 * 2 * 2
    assert all(run.changes == {"swav.steps": 3, **run.point} for run in runs)  # the grid wins over the base


def test_an_experiment_without_a_grid_has_one_point():
    (run,) = plan(["face"], {**EXPERIMENT, "methods": ["a"], "shots": [1], "grid": {}})
    assert run.point == {} and run.changes == EXPERIMENT["base"]


def rows(value, exemplars):
    """Every image is half label 0 and half label 1; label `value` is predicted everywhere."""
    true = np.zeros((2, 2, 2), int)
    true[:, :, 1] = 1
    table = area_rows(np.full_like(true, value), true, ["background", "part"]).assign(study="s", method="m")
    table["class"] = "face"
    return [table.assign(exemplar=number) for number in range(exemplars)]


def test_gathered_scores_carry_the_settings_and_the_first_exemplars_alone():
    runs = [{"shots": 1, "replicate": r, "point": {"swav.perturbation.block": "all"}} for r in (0, 1)]
    table = gather(runs, [pd.concat(rows(0, 3)), pd.concat(rows(1, 2))], exemplars=2)
    settings = ["shots", "replicate", "swav.perturbation.block"]
    assert list(table) == ["study", "class", "method", *settings, "exemplar", "image", *METRICS]
    assert len(table) == 2 * 2 * 2 and table["exemplar"].max() == 1
    means = table.groupby("replicate")[["wiou", "wiou_fg", "fg_iou"]].mean()
    assert means.loc[0].tolist() == [0, 0, 0]
    assert means.loc[1].tolist() == pytest.approx([0.25, 0.5, 0.5])


def test_gathered_failures_are_those_of_the_exemplars_that_count():
    runs = [{"shots": 1, "replicate": r, "point": {"swav.dim": 8}} for r in (0, 1)]
    columns = {"study": "s", "class": "face", "method": "m"}
    failed = pd.DataFrame([columns | {"exemplar": e, "reason": f"why {e}"} for e in (1, 4)])
    table = gather_failures(runs, [failed, failed.iloc[:0]], exemplars=2)
    expected = columns | {"shots": 1, "replicate": 0, "swav.dim": 8, "exemplar": 1, "reason": "why 1"}
    assert table.to_dict("records") == [expected]
    assert list(gather_failures(runs, [failed.iloc[:0]] * 2, exemplars=2)) == list(expected)
