"""Known differences get the verdicts that they should, and everything else says why not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from onemask.errors import OnemaskError
from onemask.evaluation.bootstrap import Setting, Side, Unit, compare, holm, resample_weights
from onemask.evaluation.claims import COLUMNS, Claim, judge, read_claims, read_sources
from onemask.evaluation.metrics import area_rows, write_rows
from onemask.paper.report import read_sections

ROOT = Path(__file__).parents[2]
BETTER = {
    "id": "c",
    "paper": "Table 0",
    "claim": "A beats B.",
    "kind": "mean",
    "metric": "wiou",
    "more": {"source": "x", "methods": ["a"]},
    "less": {"source": "x", "methods": ["b"]},
}


def claim(**changes):
    return Claim.model_validate(BETTER | changes)


def scores(rng, gap, classes=("face",), shape=(3, 5, 20), common=0.1, own=0.01, methods=("a", "b")):
    """Rows of methods; the first is `gap` above the others. Exemplars and images differ by `common` for all alike and
    by `own` for each method."""
    replicates, exemplars, images = shape
    tables = []
    for name in classes:
        shared = rng.normal(0.5, common, (1, exemplars, 1)) + rng.normal(0, common, (1, 1, images))
        for i, method in enumerate(methods):
            seeds = rng.normal(0, own, (replicates, 1, 1)) if replicates > 1 else 0
            each = (seeds, *(rng.normal(0, own, size) for size in ((1, exemplars, 1), (1, 1, images))))
            values = shared + sum(each) + rng.normal(0, own, shape) + (gap if i == 0 else 0)
            index = pd.MultiIndex.from_product(map(range, shape), names=["replicate", "exemplar", "image"])
            table = pd.DataFrame({"wiou": values.ravel(), "miou": values.ravel()}, index=index).reset_index()
            tables.append(table.assign(**{"study": "s", "class": name, "method": method}))
    return pd.concat(tables, ignore_index=True)


def verdict_of(rows, resamples=400, **changes):
    return judge([claim(**changes)], {"x": rows}, resamples, 0).iloc[0]


@pytest.mark.parametrize(("gap", "verdict"), [(0.05, "holds"), (-0.05, "does not hold"), (0.0, "undecided")])
def test_a_clear_difference_is_decided_by_its_sign(gap, verdict):
    row = verdict_of(scores(np.random.default_rng(1), gap))
    assert row["verdict"] == verdict
    assert row["low"] < row["difference"] < row["high"] and row["low"] < 100 * gap < row["high"]
    assert (row["exemplars"], row["images"], row["replicates"], row["over"]) == ("5", "20", "3", "face")
    assert row["difference"] == pytest.approx(row["more"] - row["less"])


def test_what_exemplars_and_images_have_in_common_hides_no_small_difference():
    """Exemplars and images spread by 20 points, the difference is 2 points; unpaired nobody could see it."""
    rows = scores(np.random.default_rng(2), 0.02, common=0.2, own=0.002)
    assert verdict_of(rows)["verdict"] == "holds"
    shuffled = rows.assign(exemplar=rows["exemplar"].where(rows["method"] == "a", (rows["exemplar"] + 1) % 5))
    assert verdict_of(shuffled)["verdict"] == "undecided"


@pytest.mark.parametrize("shape", [(3, 5, 20), (1, 20, 40)])
def test_noise_is_decided_at_about_the_nominal_rate(shape):
    rng = np.random.default_rng(3)
    p = [verdict_of(scores(rng, 0.0, shape=shape), resamples=100)["p"] for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) <= 0.12  # more than three standard errors above 0.05
    assert 0.3 < np.mean(p) < 0.7


def test_the_standard_error_of_a_mean_is_the_textbook_s():
    """One varying axis: the error is s / sqrt(n), the freedom n - 1, also for three values."""
    for values in (np.random.default_rng(4).normal(size=40), np.array([1.0, 2.0, 4.0])):
        ones = np.ones((1, len(values), 1))
        nothing = Setting(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))
        unit = Unit("u", [(Side([Setting(values.reshape(1, -1, 1), ones)]), Side([nothing]))])
        found = compare([unit], 20_000, 0)
        assert found.difference == pytest.approx(values.mean())
        assert found.error == pytest.approx(values.std(ddof=1) / len(values) ** 0.5, rel=0.03)
        assert found.freedom == pytest.approx(len(values) - 1)


def test_weights_add_up_to_the_number_of_values():
    weights = resample_weights(np.random.default_rng(0), 3, 50)
    assert weights.sum(axis=1) == pytest.approx(np.full(50, 3)) and weights.min() == 0


def test_holm_on_p_values_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])
    assert holm([]).size == 0


def test_claims_are_corrected_over_all_claims_and_parts_over_all_parts():
    rows = scores(np.random.default_rng(5), 0.05, classes=("face", "car"))
    table = judge([claim(parts=True), claim(id="d", less={"source": "x", "methods": ["b"]})], {"x": rows}, 400, 0)
    assert list(table.columns) == COLUMNS
    assert table["scope"].tolist() == ["all", "face", "car", "all"]
    for some in ([0, 3], [1, 2]):
        assert table["p_holm"][some].tolist() == pytest.approx(holm(table["p"][some]).tolist())
    assert table["difference"][0] == pytest.approx(table["difference"][1:3].mean())


def test_results_are_the_same_whatever_else_is_tested():
    rows = scores(np.random.default_rng(6), 0.01, classes=("face", "car"))
    alone, beside = (
        judge(claims, {"x": rows}, 100, 0) for claims in ([claim()], [claim(id="d", metric="miou"), claim()])
    )
    assert alone.iloc[0]["p"] == beside.iloc[1]["p"]
    assert judge([claim()], {"x": rows}, 100, 1).iloc[0]["p"] != alone.iloc[0]["p"]


def test_of_several_settings_the_mean_or_the_best_counts():
    rows = scores(np.random.default_rng(7), 0.05, methods=("a", "b", "c"))
    sides = {"source": "x", "methods": ["a", "b"]}
    mean, best = (
        verdict_of(rows, more=sides | {"take": take}, less={"source": "x", "methods": ["c"]})
        for take in ("mean", "best")
    )
    values = 100 * rows.groupby("method")["wiou"].mean()
    assert mean["more"] == pytest.approx(values[["a", "b"]].mean()) and best["more"] == pytest.approx(values["a"])


def test_rows_are_compared_per_value_of_a_column():
    """Every k has another level; the claim compares within k, and k = 3 is on one side alone."""
    rng = np.random.default_rng(8)
    tables = [
        scores(rng, 0.05).assign(k=k, eps=10 / k).assign(wiou=lambda t, k=k: t["wiou"] + k / 10) for k in (1, 2, 3)
    ]
    rows = pd.concat(tables)
    rows = rows[(rows["method"] == "a") | (rows["k"] < 3)]
    row = verdict_of(rows, per=["k"], less={"source": "x", "methods": ["b"], "where": "abs(`eps` * k - 10) < 1e-6"})
    assert row["difference"] == pytest.approx(5, abs=1) and row["verdict"] == "holds"
    assert verdict_of(rows, per=["k", "q"])["note"] == "no column q"


def test_margins_turn_a_claim_into_near_or_equal():
    rows = scores(np.random.default_rng(9), -0.02, own=0.002)
    assert verdict_of(rows)["verdict"] == "does not hold"
    assert verdict_of(rows, margin=0.05)["verdict"] == "holds"
    assert verdict_of(rows, within=0.05)["verdict"] == "holds"
    assert verdict_of(rows, within=0.001)["verdict"] == "does not hold"


def test_opposite_differences_do_not_cancel_into_equality():
    rng = np.random.default_rng(12)
    up, down = (scores(rng, gap, own=0.002).assign(k=k) for k, gap in ((1, 0.05), (2, -0.05)))
    row = verdict_of(pd.concat([up, down]), within=0.01, per=["k"])
    assert row["verdict"] == "does not hold" and abs(row["difference"]) > 4
    near = pd.concat([scores(rng, gap, own=0.002).assign(k=k) for k, gap in ((1, 0.004), (2, -0.004))])
    assert verdict_of(near, within=0.05, per=["k"])["verdict"] == "holds"


def test_a_share_of_images_is_held_against_a_number():
    rows = scores(np.random.default_rng(10), 0.0, shape=(3, 20, 40))
    expected = 100 * (rows[rows["method"] == "a"]["miou"] > 0.4).mean()
    row = verdict_of(rows, kind="share", metric="miou", above=0.4, less=0.1)
    assert row["more"] == pytest.approx(expected) and row["less"] == pytest.approx(10)
    assert row["verdict"] == "holds"


def test_one_clustering_seed_decides_nothing_however_clear_the_difference():
    one = verdict_of(scores(np.random.default_rng(1), 0.3, shape=(1, 20, 40)))
    assert one["p_holm"] < 0.001 and one["verdict"] == "undecided" and "one clustering seed" in one["note"]
    assert verdict_of(scores(np.random.default_rng(1), 0.3, shape=(3, 20, 40)))["verdict"] == "holds"


def test_the_clustered_method_of_the_fewest_seeds_says_how_many_there_are():
    rows = scores(np.random.default_rng(1), 0.3, methods=("a", "b", "c"))
    rows = rows[(rows["method"] != "b") | (rows["replicate"] == 0)]
    best = {"less": {"source": "x", "methods": ["b", "c"], "take": "best"}}
    for clustered, replicates, verdict in (("ac", "3", "holds"), ("abc", "1 to 3", "undecided")):
        row = judge([claim(**best)], {"x": rows}, 400, 0, list(clustered)).iloc[0]
        assert (row["replicates"], row["verdict"]) == (replicates, verdict)
    asked = judge([claim(seeds=3, **best)], {"x": rows}, 400, 0, list("abc")).iloc[0]
    assert (asked["verdict"], asked["note"]) == ("not tested", "1 clustering seeds, 3 asked for")


def test_a_margin_everywhere_is_missed_by_one_value_that_others_make_up_for():
    rng = np.random.default_rng(13)
    rows = pd.concat([scores(rng, gap, own=0.002).assign(k=k) for k, gap in ((1, 0.1), (2, -0.05))])
    assert verdict_of(rows, margin=0.02, per=["k"])["verdict"] == "holds"
    row = verdict_of(rows, margin=0.02, per=["k"], everywhere=True)
    assert row["verdict"] == "does not hold" and row["difference"] == pytest.approx(-5, abs=1)


def test_a_failed_fit_is_left_out_on_both_sides_and_the_supervised_fit_serves_every_exemplar():
    rows = scores(np.random.default_rng(11), 0.05)
    failed = rows[(rows["method"] == "a") | (rows["exemplar"] != 2)]
    kept = rows[rows["exemplar"] != 2]
    assert verdict_of(failed)["exemplars"] == "4"
    assert verdict_of(failed)["difference"] == pytest.approx(verdict_of(kept)["difference"])
    one = rows[(rows["method"] == "a") | ((rows["exemplar"] == 0) & (rows["replicate"] == 0))]
    assert verdict_of(one)["exemplars"] == "5" and verdict_of(one)["verdict"] != "not tested"


def rare_rows(tmp_path, method, label, tp, fp, empty, missed):
    """A csv of three exemplars and as many images of each kind as asked for."""
    absent, there, elsewhere = (np.zeros((8, 8), int) for _ in range(3))
    there[:4], elsewhere[6:] = 1, 1
    pairs = [(there, there)] * tp + [(elsewhere, absent)] * fp + [(absent, absent)] * empty + [(absent, there)] * missed
    predicted, true = map(np.stack, zip(*pairs, strict=True))
    rows = pd.concat([area_rows(predicted, true, ["background", label]).assign(exemplar=i) for i in range(3)])
    write_rows(tmp_path / f"{method}.{label}.csv", rows.assign(**{"study": "s", "class": "face", "method": method}))
    return tmp_path / f"{method}.{label}.csv"


def test_precision_and_restraint_of_rare_labels(tmp_path):
    files = [rare_rows(tmp_path, "a", "hat", 12, 2, 6, 0), rare_rows(tmp_path, "b", "hat", 9, 6, 2, 3)]
    files += [rare_rows(tmp_path, "a", "tie", 10, 0, 5, 5), rare_rows(tmp_path, "b", "tie", 10, 5, 0, 5)]
    sides = {"more": {"source": "rare", "methods": ["a"]}, "less": {"source": "rare", "methods": ["b"]}}
    claims = [claim(id=kind, kind=kind, metric=None, parts=True, **sides) for kind in ("precision", "restraint")]
    table = judge(claims, read_sources([], [(file, 0) for file in files], [], []), 200, 0).set_index(["id", "scope"])
    for key, more, less in [
        (("precision", "face hat"), 12 / 14, 9 / 15),
        (("precision", "face tie"), 1, 10 / 15),
        (("precision", "all"), (12 / 14 + 1) / 2, (9 / 15 + 10 / 15) / 2),
        (("restraint", "face hat"), 6 / 8, 2 / 8),
        (("restraint", "face tie"), 1, 0),
    ]:
        assert table.loc[key, ["more", "less"]].tolist() == pytest.approx([100 * more, 100 * less])


def test_a_segmenter_that_predicts_nothing_has_no_precision(tmp_path):
    files = [rare_rows(tmp_path, "a", "hat", 5, 2, 6, 0), rare_rows(tmp_path, "b", "hat", 0, 0, 8, 5)]
    sides = {"more": {"source": "rare", "methods": ["a"]}, "less": {"source": "rare", "methods": ["b"]}}
    claims = [claim(kind="precision", metric=None, **sides)]
    row = judge(claims, read_sources([], [(file, 0) for file in files], [], []), 100, 0).iloc[0]
    assert row["verdict"] == "not tested" and "no score" in row["note"]


def test_a_ratio_is_decided_where_quartiles_agree():
    fps = {"face": {"a": 8.0, "b": 2.0, "c": 1.0}, "car": {"a": 9.0, "b": 3.0, "c": 9.0}}
    rows = [
        {"class": name, "method": m, "fps": v, "seconds_low": 0.9 / v, "seconds_high": 1.1 / v}
        for name, values in fps.items()
        for m, v in values.items()
    ]
    sides = {
        "more": {"source": "speed", "methods": ["a"]},
        "less": {"source": "speed", "methods": ["b", "c"], "take": "best"},
    }
    row, near, slower = (
        judge([claim(kind="ratio", metric=None, at_least=at, **sides)], {"speed": pd.DataFrame(rows)}, 10, 0).iloc[0]
        for at in (1.5, 2.1, 2.5)
    )
    assert row["difference"] == pytest.approx((4 * 1) ** 0.5) and np.isnan(row["p"])
    assert (row["low"], row["high"]) == pytest.approx((2 * 0.9 / 1.1, 2 * 1.1 / 0.9))
    assert (row["verdict"], near["verdict"], slower["verdict"]) == ("holds", "undecided", "does not hold")


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"less": {"source": "table9"}}, "the study has no table9"),
        ({"less": {"source": "x", "methods": ["z"]}}, "x has no method z"),
        ({"less": {"source": "x", "where": "`swav.q` > 1"}}, "x: `swav.q` > 1: .*not defined"),
        ({"less": {"source": "x", "where": "exemplar > 99"}}, "x has no row with exemplar > 99"),
        ({"less": {"source": "x", "where": "image > 9"}, "more": {"source": "x", "where": "image < 9"}}, "no image in"),
        ({"seeds": 4}, "3 clustering seeds, 4 asked for"),
    ],
)  # fmt: skip
def test_a_claim_without_operands_is_not_tested_and_harms_no_other(changes, note):
    rows = scores(np.random.default_rng(12), 0.05)
    table = judge([claim(id="d", **changes), claim()], {"x": rows}, 100, 0)
    assert table["verdict"].tolist() == ["not tested", "holds"]
    assert pd.Series(table["note"][:1]).str.contains(note).all(), table["note"][0]
    assert table["p_holm"][1] == table["p"][1]


def test_one_exemplar_alone_is_not_tested():
    assert verdict_of(scores(np.random.default_rng(0), 1, shape=(3, 1, 20)))["note"] == "one exemplar alone"


def test_whole_runs_stand_for_exemplars():
    rows = scores(np.random.default_rng(0), 0.1, shape=(3, 1, 20))
    assert verdict_of(rows, runs=True)["verdict"] == "holds"
    one = verdict_of(rows[rows["replicate"] == 0], runs=True)
    assert (one["verdict"], one["note"]) == ("not tested", "one run alone")


def test_iou_is_of_the_sums_over_images(tmp_path):
    """A misses a hammer of 10 pixels that B finds, and is better on one of 90: a mean over images would prefer B."""
    keys = {"study": "s", "class": "baggage", "item": "hammer", "exemplar": 0}
    pixels = {"a": [(0, 10), (81, 90)], "b": [(10, 10), (9, 90)]}
    table = [
        {**keys, "method": method, "replicate": run, "image": image, "intersection": part, "union": whole}
        for run in range(3)
        for method, images in pixels.items()
        for image, (part, whole) in enumerate(images)
    ]
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    sides = {name: {"source": "sdanet", "methods": [method]} for name, method in (("more", "a"), ("less", "b"))}
    entry = claim(kind="iou", metric=None, runs=True, per=["item"], **sides)
    row = judge([entry], read_sources([], [], [], [], [tmp_path / "a.csv"]), 100, 0).iloc[0]
    assert (row["more"], row["less"]) == pytest.approx((81, 19)) and row["over"] == "baggage"


def test_absent_methods_are_noted():
    row = verdict_of(scores(np.random.default_rng(0), 0.1), less={"source": "x", "methods": ["b", "z"]})
    assert row["verdict"] == "holds" and row["note"] == "without z"
    rows = scores(np.random.default_rng(0), 0.1, shape=(1, 5, 20))
    assert verdict_of(rows)["note"].startswith("one clustering seed")


def test_replicates_stand_for_a_method_s_own_rows(tmp_path):
    truth = np.zeros((4, 8, 8), int)
    truth[:, :4] = 1
    rows = pd.concat([area_rows(truth, truth, ["background", "part"]).assign(exemplar=i) for i in range(3)])
    for method in ("a", "b"):
        write_rows(tmp_path / f"{method}.csv", rows.assign(**{"study": "s", "class": "face", "method": method}))
    extra = scores(np.random.default_rng(0), 0, shape=(3, 2, 4), methods=("a",)).assign(
        shots=1, wiou_fg=0.5, fg_iou=0.5
    )
    extra.to_csv(tmp_path / "replicates.csv", index=False)
    sources = read_sources([tmp_path / "a.csv", tmp_path / "b.csv"], [], [], [tmp_path / "replicates.csv"])
    sides = {"more": {"source": "one_shot", "methods": ["a"]}, "less": {"source": "one_shot", "methods": ["b"]}}
    row = judge([claim(**sides)], sources, 100, 0).iloc[0]
    assert (row["replicates"], row["exemplars"], row["less"]) == ("3", "2", 50.0)


def test_the_repository_s_claims_are_read_and_their_numbers_are_the_paper_s():
    claims = {entry.id: entry for entry in read_claims(ROOT / "config/claims.yaml")}
    paper = yaml.safe_load((ROOT / "config/published.yaml").read_text())
    headline, shots = paper["headline"], paper["table10_few_shot"]
    assert claims["face_over_half"].less == headline["face_predictions_over_half_iou"] / 100
    assert claims["speed_semi_supervised"].at_least == headline["inference_speedup"]
    margin = pytest.approx(headline["mean_wiou_margin"] / 100)
    assert claims["prototypes"].within == margin and claims["epsilon"].margin == margin
    assert claims["reaches_supervised"].margin == pytest.approx((shots["supervised"] - shots["HFC+SwAV"][2]) / 100)


def test_the_claims_on_synthetic_data_are_read_and_reported():
    claims = {entry.id for entry in read_claims(ROOT / "config/claims_downstream.yaml")}
    sections = read_sections(ROOT / "config/report_downstream.yaml")
    assert claims == {name for section in sections for name in section.claims}


def test_bad_claims_are_one_line(tmp_path):
    for entries, message in [
        ([BETTER | {"metrik": 1}], "a claim's metrik: unknown key; did you mean 'metric'"),
        ([BETTER | {"kind": "share"}], "`above` belongs to kind share"),
        ([BETTER | {"kind": "precision"}], "goes without a `metric`"),
        ([BETTER, BETTER], "same id"),
    ]:
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({"claims": entries}))
        with pytest.raises(OnemaskError, match=message) as error:
            read_claims(tmp_path / "c.yaml")
        assert "\n" not in str(error.value)
