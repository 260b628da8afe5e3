from dataclasses import replace

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from onemask.downstream import sdanet as sdanet_module
from onemask.downstream.detect import (
    DetectorOptions,
    Found,
    average_precision,
    class_iou,
    draw,
    find,
    mirror,
    overlaps,
    rate_at,
    train_detector,
)
from onemask.downstream.instances import Instances, boxes_of, target_of
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
    return Instances.of_masks(images, masks, np.arange(count), labels)


def iou(found, truth, num_classes):
    return class_iou(overlaps(found, truth, num_classes))


def perfect(truth, score=0.9):
    each = map(truth.of, range(len(truth)))
    return [Found(boxes_of(masks), rles(masks), labels, np.full(len(labels), score)) for masks, labels in each]


def rles(masks):
    return [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


def test_perfect_detections_score_one_and_none_scores_zero():
    truth = scenes(4)
    assert iou(perfect(truth), truth, 2).tolist() == [1, 1]
    for kind in ("segm", "bbox"):
        assert average_precision(perfect(truth), truth, 2, kind) == pytest.approx(1)
    nothing = [Found(np.zeros((0, 4)), [], np.zeros(0, int), np.zeros(0))] * 4
    assert iou(nothing, truth, 2).tolist() == [0, 0] and average_precision(nothing, truth, 2) == 0


def test_iou_by_hand_of_the_confident_alone():
    truth = scenes(2)
    half = truth.masks[0].copy()
    half[: np.where(half.any(axis=1))[0][0] + 13] = False  # the lower half of 26 rows
    found = perfect(truth)
    found[0] = replace(found[0], rles=rles(half[None]))
    found[1] = replace(found[1], scores=np.array([0.4]))
    assert iou(found, truth, 3)[:2].tolist() == [0.5, 0] and np.isnan(iou(found, truth, 3)[2])


def test_a_class_that_is_confused_counts_against_both():
    truth = scenes(2)
    swapped = [replace(found, labels=3 - found.labels) for found in perfect(truth)]
    assert iou(swapped, truth, 2).tolist() == [0, 0] and average_precision(swapped, truth, 2) == 0


def test_average_precision_of_boxes_is_the_boxes_and_of_masks_the_masks():
    """IoU 0.8 passes COCO's thresholds 0.5 to 0.8, seven of ten; a mask may be right in a wrong box."""
    truth = scenes(2)
    narrow = [replace(found, boxes=found.boxes - [0, 0, 4, 0]) for found in perfect(truth)]  # 16 of 20 columns
    assert average_precision(narrow, truth, 2, "bbox") == pytest.approx(0.7)
    assert average_precision(narrow, truth, 2) == pytest.approx(1)


def test_a_false_detection_above_the_right_one_halves_the_precision():
    truth = scenes(2)
    found = perfect(truth)
    both = {name: np.concatenate([getattr(each, name) for each in found]) for name in ("boxes", "rles")}
    found[0] = Found(**both, labels=np.array([1, 1]), scores=np.array([0.8, 0.9]))  # the other image's mask is no find
    assert average_precision(found, truth, 2) == pytest.approx((0.5 + 1) / 2)


def test_masks_of_unlikely_detections_are_not_made_where_nobody_looks():
    torch.manual_seed(0)
    network, images = sdanet(2, SIZE), scenes(4).images
    every = find(network, images)
    middle = float(np.median(np.concatenate([each.scores for each in every])))
    for all_, some in zip(every, find(network, images, least=middle), strict=True):
        likely = all_.scores > middle
        assert 0 < likely.sum() < len(likely) and np.array_equal(all_.scores[likely], some.scores)
        assert [all_.rles[i] for i in np.flatnonzero(likely)] == some.rles
        assert np.array_equal(all_.boxes[likely], some.boxes)


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
    kept = np.nanmean(iou(find(network, truth.images), truth, 2))
    assert kept == max(row["iou"] for row in curve)


def test_an_interrupted_training_gives_the_same_weights(tmp_path):
    state, options = tmp_path / "state.safetensors", DetectorOptions(steps=4, batch=2, warm_up=0, evaluate_every=2)

    def trained(net, state=None):
        curve = train_detector(net, scenes(4), scenes(2, seed=1), 2, options, 3, state)
        return curve, net.state_dict().values()

    def network():
        torch.manual_seed(0)
        return sdanet(2, SIZE)

    class Stop(Exception):
        pass

    def stop(*_):
        if state.exists():  # the state of step 2
            raise Stop

    curve, weights = trained(network())
    interrupted = network()
    interrupted.register_forward_pre_hook(stop)
    with pytest.raises(Stop):
        trained(interrupted, state)
    resumed_curve, resumed = trained(network(), state)
    assert resumed_curve == curve and all(torch.equal(a, b) for a, b in zip(weights, resumed, strict=True))


def test_a_validation_split_without_a_score_is_an_error():
    torch.manual_seed(0)
    none = scenes(2, seed=1)
    none = Instances(none.images, none.bits[:0], none.owners[:0], none.labels[:0])
    with pytest.raises(OnemaskError, match="sdanet: no iou on the validation split"), np.errstate(all="ignore"):
        train_detector(sdanet(2, SIZE), scenes(4), none, 2, DetectorOptions(steps=1, batch=1, warm_up=0), 3)


def test_a_drawn_batch_depends_on_torchs_seed_alone():
    truth = scenes(6)
    batches = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        batches.append(torch.stack([image for image, _ in draw(truth, 3)]))
    assert torch.equal(batches[0], batches[1]) and not torch.equal(batches[0], batches[2])


def test_mixed_precision_leaves_boxes_in_single_precision(monkeypatch):
    monkeypatch.setattr(sdanet_module, "mixed_precision", lambda _: torch.autocast("cpu", torch.bfloat16))
    torch.manual_seed(0)
    network, truth = sdanet(2, SIZE), scenes(2)
    seen = {}
    for name, module in (("body", network.backbone.body), ("levels", network.backbone)):
        module.register_forward_hook(lambda *call, name=name: seen.update({name: {x.dtype for x in call[2].values()}}))
    images = [torch.from_numpy(image) / 255 for image in truth.images]
    losses = network(images, [target_of(truth, i) for i in range(2)])
    assert seen == {"body": {torch.bfloat16}, "levels": {torch.float32}}
    assert all(torch.isfinite(loss) and loss.dtype == torch.float32 for loss in losses.values())
