import math

import numpy as np
import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import (
    COLUMNS,
    METRICS,
    area_rows,
    image_scores,
    per_label_areas,
    read_rows,
    summarise,
    write_rows,
)

LABELS = ["background", "head", "tail"]


def rows_of(predicted, true, exemplar=0, **keys):
    rows = area_rows(np.asarray(predicted, np.uint8), np.asarray(true, np.uint8), LABELS)
    return rows.assign(**{"study": "s", "class": "cat", "method": "m", **keys}, exemplar=exemplar)[COLUMNS]


def scores_of(predicted, true):
    return image_scores(rows_of([predicted], [true])).iloc[0]


# 2 x 4 pixels. Truth, predicted, both: background 4, 5, 4; head 3, 2, 2; tail 1, 1, 0.
TRUE = [[0, 0, 1, 1], [0, 0, 1, 2]]
PREDICTED = [[0, 0, 1, 1], [0, 0, 2, 0]]


def test_areas_by_hand():
    intersection, true, predicted = per_label_areas(np.array([PREDICTED]), np.array([TRUE]), 3)
    assert intersection.tolist() == [[4, 2, 0]]
    assert true.tolist() == [[4, 3, 1]]
    assert predicted.tolist() == [[5, 2, 1]]


def test_scores_by_hand():
    scores = scores_of(PREDICTED, TRUE)
    assert scores["wiou"] == pytest.approx(3 / 8 * 2 / 3)  # head alone: its share of the image times its IoU
    assert scores["wiou_fg"] == pytest.approx(3 / 4 * 2 / 3)
    assert scores["miou"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert scores["fg_iou"] == pytest.approx(3 / 4)  # predicted foreground 3 pixels, all right; truth 4


def test_a_perfect_prediction():
    scores = scores_of(TRUE, TRUE)
    assert scores["wiou"] == 0.5  # bounded by the share of foreground
    assert scores["wiou_fg"] == scores["miou"] == scores["fg_iou"] == 1


def test_a_label_absent_in_both_counts_nowhere_and_one_absent_in_truth_costs_miou_alone():
    true, with_tail = [[0, 0, 1, 1]], [[0, 2, 1, 1]]
    without = scores_of(true, true)
    assert without["miou"] == without["wiou_fg"] == 1
    invented = scores_of(with_tail, true)
    assert invented["wiou_fg"] == 1 and invented["wiou"] == 0.5
    assert invented["miou"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert invented["fg_iou"] == pytest.approx(2 / 3)


def test_without_any_foreground():
    nothing = scores_of([[0, 0]], [[0, 0]])
    assert nothing["wiou"] == 0 and nothing["miou"] == 1
    assert math.isnan(nothing["wiou_fg"]) and math.isnan(nothing["fg_iou"])
    assert scores_of([[0, 1]], [[0, 0]])["fg_iou"] == 0


def test_scores_equal_a_plain_loop_over_random_maps():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 3, (2, 6, 5, 5))
    scores = image_scores(rows_of(predicted, true))
    for i, row in scores.iterrows():
        pairs = [(predicted[i] == k, true[i] == k) for k in range(3)]
        ious = [(p & t).sum() / (p | t).sum() for p, t in pairs]
        shares = [(true[i] == k).mean() for k in range(3)]
        assert row["wiou"] == pytest.approx(sum(s * v for s, v in zip(shares[1:], ious[1:], strict=True)))
        assert row["wiou_fg"] == pytest.approx(row["wiou"] / sum(shares[1:]))
        assert row["miou"] == pytest.approx(np.mean(ious))
        foreground, found = true[i] > 0, predicted[i] > 0
        assert row["fg_iou"] == pytest.approx((foreground & found).sum() / (foreground | found).sum())


def test_label_iou_and_miou_equal_torchmetrics():
    torch = pytest.importorskip("torch")
    import onemask.downstream.vision  # noqa: F401 (torchmetrics imports torchvision, which this lets in)

    functional = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(0, 3, (2, 4, 8, 8))
    rows, scores = rows_of(predicted, true), image_scores(rows_of(predicted, true))
    for i in range(4):
        pair = torch.from_numpy(predicted[i]), torch.from_numpy(true[i])
        theirs = functional.multiclass_jaccard_index(*pair, num_classes=3, average="none")
        np.testing.assert_allclose(rows[rows["image"] == i]["iou"], theirs.numpy(), rtol=1e-6)
        weighted = functional.multiclass_jaccard_index(*pair, num_classes=3, average="weighted", ignore_index=None)
        shares = np.bincount(true[i].ravel(), minlength=3) / true[i].size
        background = shares[0] * theirs[0].item()
        assert scores["wiou"][i] == pytest.approx(weighted.item() - background, rel=1e-5)
        assert scores["miou"][i] == pytest.approx(theirs.mean().item(), rel=1e-6)


def test_mean_over_images_then_mean_and_spread_over_exemplars():
    good, bad = [[0, 0, 1, 1]], [[1, 1, 0, 0]]
    true = [good, good]
    rows = pd.concat([rows_of([good, good], true, 0), rows_of([good, bad], true, 1), rows_of([bad, bad], true, 2)])
    summary = summarise(image_scores(rows)).iloc[0]
    assert summary["exemplars"] == 3 and summary["images"] == 2
    assert summary["miou_mean"] == pytest.approx(np.mean([1, 0.5, 0]))
    assert summary["miou_std"] == pytest.approx(np.std([1, 0.5, 0], ddof=1))


def test_one_exemplar_has_no_spread():
    summary = summarise(image_scores(rows_of([PREDICTED], [TRUE]))).iloc[0]
    assert all(math.isnan(summary[f"{metric}_std"]) for metric in METRICS)


def test_groups_do_not_mix():
    rows = pd.concat([rows_of([TRUE], [TRUE], method="a"), rows_of([PREDICTED], [TRUE], method="b")])
    scores = image_scores(rows.sample(frac=1, random_state=0)).set_index("method")
    assert scores.loc["a", "fg_iou"] == 1
    assert scores.loc["b", "fg_iou"] == pytest.approx(3 / 4)
    assert scores.loc["b", "miou"] == pytest.approx((4 / 5 + 2 / 3) / 3)


def test_rows_survive_the_csv(tmp_path):
    rows = rows_of([[[0, 0, 1, 1]]], [[[0, 1, 1, 1]]])
    write_rows(tmp_path / "a.csv", rows)
    again = read_rows([tmp_path / "a.csv", tmp_path / "a.csv"])
    assert len(again) == 6 and list(again.columns) == COLUMNS
    pd.testing.assert_frame_equal(again[:3], rows, check_dtype=False, rtol=1e-8)
    assert math.isnan(again["iou"][2])  # tail is in neither map


def test_other_files_are_named(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OnemaskError, match="x.csv: has no column 'study'"):
        read_rows([tmp_path / "x.csv"])
    with pytest.raises(OnemaskError, match="gone.csv: not a readable csv"):
        read_rows([tmp_path / "gone.csv"])


def test_maps_of_different_sizes_are_a_programming_error():
    with pytest.raises(ValueError, match="label maps"):
        per_label_areas(np.zeros((1, 2, 2), int), np.zeros((1, 3, 3), int), 2)
