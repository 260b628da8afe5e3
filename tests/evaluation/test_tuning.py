"""Tuning trials: equal numbers, no repetition, only known keys."""

import pandas as pd
import pytest

from onemask.config import load_study
from onemask.errors import OnemaskError
from onemask.evaluation.tuning import draw_trials, ranking, with_trial

SPACE = {"swav.temperature": [0.1, 0.2, 0.3], "heads.hidden": [8, 16]}


def test_the_first_trial_is_the_study_and_the_others_are_different_points():
    trials = draw_trials(SPACE, 7, seed=1)
    assert trials[0] == {} and len(trials) == 7
    assert len({tuple(trial.items()) for trial in trials}) == 7
    assert all(trial[key] in SPACE[key] for trial in trials[1:] for key in SPACE)


def test_the_studys_own_settings_are_one_trial_and_not_two():
    own = {"swav": {"temperature": 0.2}, "heads": {"hidden": 16}}
    trials = draw_trials(SPACE, 6, seed=1, sections=own)
    assert trials[0] == {} and {"swav.temperature": 0.2, "heads.hidden": 16} not in trials
    with pytest.raises(OnemaskError, match="5 points for 7 trials"):
        draw_trials(SPACE, 7, seed=1, sections=own)


def test_trials_depend_on_the_seed_alone():
    assert draw_trials(SPACE, 4, seed=1) == draw_trials(SPACE, 4, seed=1)
    assert any(draw_trials(SPACE, 4, seed=1) != draw_trials(SPACE, 4, seed=seed) for seed in range(2, 9))


def test_a_grid_that_is_too_small_is_an_error_and_an_empty_one_a_single_trial():
    with pytest.raises(OnemaskError, match="6 points for 8 trials"):
        draw_trials(SPACE, 8, seed=1)
    assert draw_trials({}, 8, seed=1) == [{}]


def test_a_trial_changes_its_keys_alone_and_not_the_original():
    sections = {"swav": {"temperature": 0.1, "perturbation": {"strength": 0.9}}, "heads": {"hidden": 8}}
    changed = with_trial(sections, {"swav.temperature": 0.5, "swav.perturbation.strength": 0.3})
    assert changed == {"swav": {"temperature": 0.5, "perturbation": {"strength": 0.3}}, "heads": {"hidden": 8}}
    assert sections["swav"] == {"temperature": 0.1, "perturbation": {"strength": 0.9}}


@pytest.mark.parametrize("key", ["swav.temprature", "heads", "none.hidden", "swav.temperature.deep"])
def test_an_unknown_key_is_an_error(key):
    with pytest.raises(OnemaskError, match="unknown key"):
        with_trial({"swav": {"temperature": 0.1}, "heads": {"hidden": 8}}, {key: 1})


def test_every_method_of_the_demo_with_a_grid_gets_the_same_number_of_trials():
    """The others: references, DatasetGAN (its authors' settings), and those tuned by hand (docs/tuning.md)."""
    study = load_study({"study": "demo"})
    face = study.classes["face"]
    sections = {name: getattr(face, name).model_dump(mode="json") for name in ("swav", "kmeans", "heads")}
    for method in study.methods:
        trials = draw_trials(study.tuning.space.get(method, {}), study.tuning.trials, seed=1)
        assert len(trials) == (study.tuning.trials if method in study.tuning.space else 1)
        for trial in trials:
            with_trial(sections, trial)
    settings = {name: {**sections["heads"], **study.methods[name].settings} for name in study.methods}
    one_shot = settings["repurposegan_fcn"]
    assert settings["supervised_fcn"] == {**one_shot, "batch": 10}  # decision 26's; one shot never fills a batch


def trial_rows(*rows):
    return pd.DataFrame(rows, columns=["class", "method", "trial", "settings", "wiou_fg"])


def test_trials_are_ranked_within_a_method_by_their_mean_over_classes():
    rows = [("face", "b", 0, "{}", 0.5), ("face", "b", 1, "x", 0.9), ("face", "a", 0, "{}", 0.1)]
    rows += [("cat", "b", 0, "{}", 0.7), ("cat", "b", 1, "x", 0.2), ("cat", "a", 0, "{}", 0.3)]
    ranked = ranking(trial_rows(*rows), "wiou_fg")
    assert ranked[["method", "trial", "classes"]].values.tolist() == [["b", 0, 2], ["b", 1, 2], ["a", 0, 2]]
    assert ranked["wiou_fg"].tolist() == pytest.approx([0.6, 0.55, 0.2])


def test_trials_of_other_settings_under_one_number_are_an_error():
    with pytest.raises(OnemaskError, match="different settings"):
        ranking(trial_rows(("face", "b", 1, "x", 0.5), ("cat", "b", 1, "y", 0.5)), "wiou_fg")
