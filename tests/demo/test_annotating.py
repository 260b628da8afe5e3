"""Annotated sets of a toy generator whose image is a known function of w, labelled by an exact annotator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from onemask.data.annotated import read_annotated, write_annotated
from onemask.demo.annotating import (
    AnnotatedSetSettings,
    Labeller,
    Samples,
    agreement,
    compact_ws,
    make_annotated_set,
)
from onemask.demo.annotator import AnnotatorSettings, holds
from onemask.errors import OnemaskError
from onemask.evaluation.metrics import area_rows, image_scores
from onemask.labels import LabelSet

LABELS = LabelSet(("background", "left", "right"), ("#000000", "#ff0000", "#00ff00"), {"hat": "#0000ff"})
SETTINGS = AnnotatedSetSettings(
    exemplars=3, tuning=4, supervised=5, test=6, rare_exemplars=4, rare_test_positives=3, rare_search_cap=400,
    rare_test_cap=200, rate_images=50, batch=7,
)


class ToyGenerator:
    """w is uniform noise shrunk by psi; the image shows w's first three numbers as flat channels."""

    resolution, w_dim, num_ws = 16, 4, 3

    def sample_ws(self, seeds: Sequence[int], truncation_psi: float) -> Tensor:
        rows = [torch.rand(4, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in seeds]
        return (truncation_psi * torch.stack(rows))[:, None].expand(-1, self.num_ws, -1)

    def synthesize(self, ws: Tensor) -> Tensor:
        return ws[:, 0, :3, None, None].expand(-1, -1, 16, 16)


@dataclass
class ExactAnnotator:
    """Channel 0 moves the border between left and right; a hat is there where channel 1 exceeds `hat_from`."""

    hat_from: float = 0.35
    shift: int = 0
    labels: LabelSet = LABELS
    settings: AnnotatorSettings = field(default_factory=AnnotatorSettings)
    report: dict[str, Any] = field(default_factory=lambda: {"render_rates": {"rare/hat": 0.325}})

    def annotate(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        columns = torch.arange(16) - self.shift
        right = columns > 8 + 4 * images[:, 0]
        label_maps = (1 + right).to(torch.uint8)
        label_maps[:, :4] = 0
        hat = (images[:, 1] > self.hat_from) & (torch.arange(16)[:, None] < 4)
        return label_maps, {"hat": hat}


@pytest.fixture(scope="module")
def made():
    return make_annotated_set(ToyGenerator(), ExactAnnotator(), ExactAnnotator(shift=1), SETTINGS, seed=11)


def test_splits_have_their_sizes_and_share_no_sample(made) -> None:
    annotated, report = made
    sizes = {name: len(annotated.splits[name]) for name in ("exemplars", "tuning", "supervised", "test")}
    assert sizes == {"exemplars": 3, "tuning": 4, "supervised": 5, "test": 6}
    apart = [*sizes, "rare_exemplars/hat"]
    rows = np.concatenate([annotated.splits[name] for name in apart])
    assert len({annotated.ws[row].tobytes() for row in rows}) == len(rows) == 22
    assert report["splits"] == {name: len(indices) for name, indices in annotated.splits.items()}


def test_stored_latents_reproduce_the_labels(made) -> None:
    annotated, _ = made
    assert annotated.ws.shape[1:] == (4,) and annotated.ws.dtype == np.float32
    ws = torch.from_numpy(annotated.ws)[:, None].expand(-1, 3, -1)
    label_maps, rare = ExactAnnotator().annotate(ToyGenerator().synthesize(ws))
    np.testing.assert_array_equal(label_maps.numpy(), annotated.label_maps)
    np.testing.assert_array_equal(rare["hat"].numpy(), annotated.rare["hat"])


def test_labels_do_not_decide_the_fixed_splits(made) -> None:
    annotated, _ = made
    other, _ = make_annotated_set(
        ToyGenerator(), ExactAnnotator(hat_from=0.0, shift=3), ExactAnnotator(), replace(SETTINGS, tuning=2), seed=11
    )
    for name in ("exemplars", "supervised", "test"):
        np.testing.assert_array_equal(other.split(name)[0], annotated.split(name)[0])
    moved, _ = make_annotated_set(ToyGenerator(), ExactAnnotator(), ExactAnnotator(), SETTINGS, seed=12)
    assert not np.isin(moved.ws, annotated.ws).all()


def rare_samples(annotated, split: str):
    indices = annotated.indices(split)
    return annotated.ws[indices], annotated.rare["hat"][indices]


def test_rare_exemplars_are_the_first_that_hold_the_label(made) -> None:
    annotated, report = made
    searched = report["rare"]["hat"]["exemplars_searched"]
    stream = Labeller(ToyGenerator(), ExactAnnotator(), 11, 50).samples("rare exemplars", 0, searched, 0.7)
    expected = stream.ws[holds(stream.rare["hat"], 6)][:4, 0]
    ws, masks = rare_samples(annotated, "rare_exemplars/hat")
    np.testing.assert_array_equal(ws, expected.numpy())
    assert masks.any(axis=(1, 2)).all()


def test_rare_test_is_the_shortest_extension_with_enough_positives(made) -> None:
    annotated, report = made
    ws, masks = rare_samples(annotated, "rare_test/hat")
    positives = masks.any(axis=(1, 2))
    stream = Labeller(ToyGenerator(), ExactAnnotator(), 11, 50).samples("test", 0, len(ws), 0.7)
    np.testing.assert_array_equal(ws, stream.ws[:, 0].numpy())
    np.testing.assert_array_equal(ws[:6], annotated.split("test")[0])
    assert positives.sum() >= 3 and (len(ws) == 6 or (positives.sum() == 3 and positives[-1]))
    assert report["rare"]["hat"]["test_images"] == len(ws)
    assert report["rare"]["hat"]["test_positives"] == positives.sum()


def test_a_label_too_rare_is_refused_or_counted() -> None:
    never = ExactAnnotator(hat_from=2.0)
    with pytest.raises(OnemaskError, match=r"0 of 3 test positives of rare label 'hat' among 20 .*rare_test_cap"):
        make_annotated_set(ToyGenerator(), never, never, replace(SETTINGS, rare_test_cap=20), seed=1)
    fewer = replace(SETTINGS, rare_test_cap=20, rare_search_cap=30, allow_fewer=True)
    annotated, report = make_annotated_set(ToyGenerator(), never, never, fewer, seed=1)
    assert len(annotated.splits["rare_exemplars/hat"]) == 0 and len(annotated.splits["rare_test/hat"]) == 20
    assert report["rare"]["hat"] == {
        "test_images": 20, "test_positives": 0, "exemplars": 0, "exemplars_searched": 30,
    }


def test_rates_follow_the_truncation(made) -> None:
    """The hat needs w1 > .35: probability .325 at psi 1, .25 at psi .7."""
    _, report = make_annotated_set(
        ToyGenerator(), ExactAnnotator(), ExactAnnotator(), replace(SETTINGS, rate_images=2000, batch=200), seed=3
    )
    rates = report["rates"]
    assert rates["generated_psi_1"]["rare/hat"] == pytest.approx(0.325, abs=0.03)
    assert rates["generated_psi_0.7"]["rare/hat"] == pytest.approx(0.25, abs=0.03)
    assert rates["renders"] == {"rare/hat": 0.325} and rates["generated_psi_1"]["left"] == 1


def test_agreement_of_shifted_annotators_is_that_of_their_areas() -> None:
    first = torch.zeros(2, 4, 8, dtype=torch.uint8)
    second = first.clone()
    first[:, :, :4], second[:, :, 2:6] = 1, 1
    first[1, :, 6:], second[1, :, 6:] = 2, 2
    hat = torch.zeros(2, 4, 8, dtype=torch.bool)
    ws = torch.zeros(2, 1, 1)
    found = agreement(Samples(ws, first, {"hat": hat}), Samples(ws, second, {"hat": hat}), LABELS.names)
    assert found["iou"]["left"] == pytest.approx(1 / 3) and found["iou"]["right"] == 1
    assert found["wiou_fg"] == pytest.approx((1 / 3 + (2 / 3 * 1 / 3 + 1 / 3)) / 2)
    assert found["rare"] == {"hat": 1.0}


def test_agreement_counts_as_the_metrics_of_the_table_do() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, (2, 5, 6, 7)).astype(np.uint8)
    first[:, 0, 0] = 1  # a foreground in every image: without one the table's score is not defined
    first[2][first[2] == 2] = second[2][second[2] == 2] = 0
    ws = torch.zeros(5, 1, 1)
    found = agreement(*(Samples(ws, torch.from_numpy(maps), {}) for maps in (first, second)), LABELS.names)
    rows = area_rows(second, first, LABELS.names)
    scores = image_scores(rows.assign(**{"study": "s", "class": "c", "method": "m", "exemplar": 0}))
    assert found["wiou_fg"] == pytest.approx(scores["wiou_fg"].mean())
    for name in LABELS.names:
        assert found["iou"][name] == pytest.approx(rows[rows["label"] == name]["iou"].mean())


def test_agreement_of_the_set_is_reported_on_the_test_split(made) -> None:
    annotated, report = made
    assert annotated.second_label_maps.shape == (6, 16, 16)
    assert (annotated.second_label_maps != annotated.split("test")[1]).any()
    assert report["agreement"]["images"] == 6 and 0.5 < report["agreement"]["wiou_fg"] < 1


def test_set_survives_its_file(made, tmp_path) -> None:
    annotated, report = made
    write_annotated(tmp_path / "toy.npz", annotated)
    read = read_annotated(tmp_path / "toy.npz", LABELS, ToyGenerator())
    np.testing.assert_array_equal(read.label_maps, annotated.label_maps)
    np.testing.assert_array_equal(read.rare["hat"], annotated.rare["hat"])
    assert read.metadata["rates"] == json.loads(json.dumps(report))["rates"]


def test_a_class_without_rare_labels_has_the_plain_splits_alone() -> None:
    class Plain(ExactAnnotator):
        def annotate(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return super().annotate(images)[0], {}

    plain = Plain(labels=replace(LABELS, rare={}))
    annotated, report = make_annotated_set(ToyGenerator(), plain, plain, SETTINGS, seed=2)
    assert set(annotated.splits) == {"exemplars", "tuning", "supervised", "test"}
    assert annotated.rare == {} and report["rare"] == {} and len(annotated.ws) == 18


def test_latents_that_differ_by_layer_are_kept_whole() -> None:
    one = torch.rand(5, 1, 4, generator=torch.Generator().manual_seed(0)).repeat(1, 3, 1)
    assert torch.equal(compact_ws(one), one[:, 0])
    one[4, 2, 0] += 1
    assert compact_ws(one) is one
