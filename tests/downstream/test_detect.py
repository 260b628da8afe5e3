import numpy as np
import pytest
import torch

from onemask.downstream.detect import (
    DetectorOptions,
    Found,
    average_precision,
    class_iou,
    detector_step,
    find,
    mirror,
    rate_at,
    train_detector,
)
from onemask.downstream.instances import Instances, target_of
from onemask.downstream.sdanet import sdanet
from onemask.errors import OnemaskError

SIZE = 64


def scenes(count, seed=0):
    """A bright rectangle of class 1 (red) or 2 (green) in each image."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 30, (count, 3, SIZE, SIZE)).astype(np.uint8)
    masks, labels = np.zeros((count, SIZE, SIZE), bool), 1 + np.arange(count) % 2
    for image, mask, label in zip(images, masks, labels, strict=True):
        x, y = rng.integers(4, 30, 2)
        mask[y : y + 26, x : x + 20] = True
        image[label - 1][mask] = 230
    return Instances(images, masks, np.arange(count), labels)


def perfect(truth, score=0.9):
    return [Found(masks, labels, np.full(len(labels), score)) for masks, labels in map(truth.of, range(len(truth)))]


def test_perfect_detections_score_one_and_none_scores_zero():
    truth = scenes(4)
    assert class_iou(perfect(truth), truth, 2).tolist() == [1, 1]
    for kind in ("segm", "bbox"):
        assert average_precision(perfect(truth), truth, 2, kind) == pytest.approx(1)
    nothing = [Found(np.zeros((0, SIZE, SIZE), bool), np.zeros(0, int), np.zeros(0))] * 4
    assert class_iou(nothing, truth, 2).tolist() == [0, 0] and average_precision(nothing, truth, 2) == 0


def test_iou_by_hand_of_the_confident_alone():
    truth = scenes(2)
    half = truth.masks[0].copy()
    half[: np.where(half.any(axis=1))[0][0] + 13] = False  # the lower half of 26 rows
    found = perfect(truth)
    found[0] = Found(half[None], np.array([1]), np.array([0.9]))
    found[1] = Found(found[1].masks, found[1].labels, np.array([0.4]))
    assert class_iou(found, truth, 3)[:2].tolist() == [0.5, 0] and np.isnan(class_iou(found, truth, 3)[2])


def test_a_class_that_is_confused_counts_against_both():
    truth = scenes(2)
    swapped = [Found(found.masks, 3 - found.labels, found.scores) for found in perfect(truth)]
    assert class_iou(swapped, truth, 2).tolist() == [0, 0] and average_precision(swapped, truth, 2) == 0


def test_mirroring_twice_changes_nothing_and_boxes_go_along():
    truth = scenes(1)
    image, target = torch.from_numpy(truth.images[0]), target_of(truth, 0)
    mirrored = mirror(image, target)
    mask = mirrored[1]["masks"][0].numpy() > 0
    columns = np.where(mask.any(axis=0))[0]
    assert mirrored[1]["boxes"][0, [0, 2]].tolist() == [columns[0], columns[-1] + 1]
    again = mirror(*mirrored)
    assert torch.equal(again[0], image) and all(torch.equal(again[1][key], target[key]) for key in target)


def test_the_rate_warms_up_and_drops_twice():
    options = DetectorOptions(steps=120, warm_up=10)
    assert [rate_at(step, options) for step in (0, 9, 79, 80, 110)] == pytest.approx([0.1, 1, 1, 0.1, 0.01])


def test_a_step_lowers_the_loss_and_the_best_weights_are_kept():
    torch.manual_seed(0)
    network, training = sdanet(2, SIZE), scenes(4)
    options = DetectorOptions(steps=4, batch=2, warm_up=0, evaluate_every=2)
    curve = train_detector(network, training, scenes(2, seed=1), 2, options, 3)
    assert [row["step"] for row in curve] == [2, 4] and curve[-1]["loss"] < curve[0]["loss"]
    truth = scenes(2, seed=1)
    kept = np.nanmean(class_iou(find(network, truth.images), truth, 2))
    assert kept == max(row["iou"] for row in curve)


def test_a_loss_that_is_not_finite_names_step_and_seed():
    class Broken(torch.nn.Linear):
        def forward(self, images, targets):
            return {"loss": self.weight.sum() * float("nan")}

    network = Broken(1, 1)
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    with pytest.raises(OnemaskError, match="not finite at step 5 of seed 8"):
        detector_step(network, optimiser, scenes(2), 2, 5, 8, "cpu")
