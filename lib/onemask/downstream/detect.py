"""Training a detector, and what it finds: COCO's average precision and IoU per class.

The schedule is SDANet's: SGD with momentum, a linear warm-up, and a tenth of the rate at 8/12 and 11/12 of the steps.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, nn

from onemask.data.labelled import encoded
from onemask.downstream.cascade import LEAST
from onemask.downstream.instances import Instances, boxes_of, target_of
from onemask.downstream.loop import Device, Plan, Training, identity, train

DROPS = (8 / 12, 11 / 12)
CONFIDENT = 0.5  # the score from which a detection counts in the IoU per class


@dataclass(frozen=True)
class DetectorOptions:
    """`warm_up` and `evaluate_every` in steps."""

    steps: int = 600
    batch: int = 4
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warm_up: int = 50
    evaluate_every: int = 100


@dataclass(frozen=True)
class Found:
    """What a detector finds in one image, best first: boxes float [k, 4] (x1, y1, x2, y2), masks as COCO's RLE."""

    boxes: np.ndarray
    rles: list[dict[str, object]]
    labels: np.ndarray
    scores: np.ndarray

    def union(self, chosen: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Bool [H, W], the masks of the `chosen` [k] together."""
        rles = [self.rles[index] for index in np.flatnonzero(chosen)]
        return coco_mask.decode(coco_mask.merge(rles)).astype(bool) if rles else np.zeros(shape, bool)


def train_detector(
    network: nn.Module,
    training: Instances,
    validation: Instances,
    num_classes: int,
    options: DetectorOptions,
    seed: int,
    state: Path | None = None,
    device: Device = "cpu",
    workers: int = 0,
    code: str = "",
) -> list[dict[str, float]]:
    """Train a torchvision detector; it ends with the weights of the highest mean IoU on `validation`.

    Returns the curve: rows of step, loss and iou. `state` and `workers`: see onemask.downstream.loop; a state
    of another `code` is not gone on with.
    """
    network.to(device)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(parameters, options.learning_rate, options.momentum, weight_decay=options.weight_decay)
    arrays = [array for each in (training, validation) for array in vars(each).values()]

    def loss_of(batch: Sequence[tuple[Tensor, Mapping[str, Tensor]]]) -> Tensor:
        images = [image.to(device) for image, _ in batch]
        targets = [{key: value.to(device) for key, value in target.items()} for _, target in batch]
        return sum(network(images, targets).values())

    def validate() -> dict[str, float]:
        found = find(network, validation.images, device, least=CONFIDENT)  # masks of others would not be looked at
        pixels = overlaps(found, validation, num_classes)
        return {"iou": float(np.nanmean(class_iou(pixels)))}

    plan = Plan(
        section="sdanet",
        steps=options.steps,
        evaluate_every=options.evaluate_every,
        metric="iou",
        rate=lambda step: options.learning_rate * rate_at(step, options),
        draw=lambda: draw(training, options.batch),
        loss_of=loss_of,
        validate=validate,
        workers=workers,
    )
    return train(Training(network, optimiser, identity(network, arrays, options, seed, code)), plan, seed, state)


def rate_at(step: int, options: DetectorOptions) -> float:
    """The learning rate of a step as a share of the options'."""
    warm = min(1.0, (step + 1) / options.warm_up) if options.warm_up else 1.0
    return warm * 0.1 ** sum(step >= share * options.steps for share in DROPS)


def draw(instances: Instances, batch: int) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Random images float [3, H, W] with their targets, each mirrored at random."""
    chosen = torch.randperm(len(instances))[:batch].tolist()
    mirrored = (torch.rand(len(chosen)) < 0.5).tolist()
    pairs = [(scaled(instances.images[i]), target_of(instances, i)) for i in chosen]
    return [mirror(*pair) if flip else pair for pair, flip in zip(pairs, mirrored, strict=True)]


def mirror(image: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """An image [3, H, W] and its target, left and right exchanged."""
    x1, y1, x2, y2 = target["boxes"].unbind(1)
    width = image.shape[-1]
    boxes = torch.stack([width - x2, y1, width - x1, y2], dim=1)
    return image.flip(2), {"boxes": boxes, "labels": target["labels"], "masks": target["masks"].flip(2)}


def scaled(image: np.ndarray) -> Tensor:
    """uint8 [3, H, W] as float in [0, 1]."""
    return torch.from_numpy(image).float() / 255


@torch.no_grad()
def find(
    network: nn.Module, images: np.ndarray, device: Device = "cpu", batch: int = 8, least: float = LEAST
) -> list[Found]:
    """Detections in images uint8 [n, 3, H, W] with a score above `least`."""
    network.eval()
    network.roi_heads.least_score(least)
    found = []
    for start in range(0, len(images), batch):
        for result in network([scaled(image).to(device) for image in images[start : start + batch]]):
            cpu = {key: value.cpu().numpy() for key, value in result.items()}
            rles = [encoded(mask[0] >= 0.5) for mask in cpu["masks"]]
            found.append(Found(cpu["boxes"], rles, cpu["labels"], cpu["scores"]))
    return found


def overlaps(found: Sequence[Found], truth: Instances, num_classes: int) -> np.ndarray:
    """Pixels of intersection and union, int64 [2, images, num_classes]: a class's confident detections, its instances.

    All detections of a class in an image count as one mask, and so do its instances.
    """
    pixels = np.zeros((2, len(found), num_classes), np.int64)
    for image, each in enumerate(found):
        true_masks, true_labels = truth.of(image)
        confident = each.scores >= CONFIDENT
        for label in range(1, num_classes + 1):
            predicted = each.union(confident & (each.labels == label), truth.images.shape[2:])
            true = true_masks[true_labels == label].any(axis=0)
            pixels[:, image, label - 1] = (predicted & true).sum(), (predicted | true).sum()
    return pixels


def class_iou(pixels: np.ndarray) -> np.ndarray:
    """IoU of each class over all images, float [num_classes], of `overlaps`; NaN for a class that is nowhere."""
    intersection, union = pixels.sum(axis=1)
    return intersection / np.where(union > 0, union, np.nan)


def average_precision(found: Sequence[Found], truth: Instances, num_classes: int, kind: str = "segm") -> float:
    """COCO's AP over IoU 0.5 to 0.95 of masks (`segm`) or boxes (`bbox`), by pycocotools; NaN without any instance."""
    results = coco_results(found)
    if not len(truth.labels):
        return float("nan")
    if not results:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = _dataset(truth, num_classes)
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def coco_results(found: Sequence[Found]) -> list[dict[str, object]]:
    """Detections in the form of COCO's results: images by their number, categories by their label."""
    return [
        {
            "image_id": image,
            "category_id": int(label),
            "score": float(score),
            "bbox": _corner_and_size(box),
            "segmentation": rle,
        }
        for image, each in enumerate(found)
        for box, rle, label, score in zip(each.boxes, each.rles, each.labels, each.scores, strict=True)
    ]


def label_map(masks: Iterable[np.ndarray], labels: Iterable[int], shape: tuple[int, ...]) -> np.ndarray:
    """uint8 [H, W] of masks bool [H, W], the first on top; 0 where none lies."""
    painted = np.zeros(shape, np.uint8)
    for mask, label in zip(masks, labels, strict=True):
        painted[mask & (painted == 0)] = label
    return painted


def confident_map(found: Found, shape: tuple[int, ...]) -> np.ndarray:
    """Label map uint8 [H, W] of the confident detections, the surest on top."""
    order = [index for index in np.argsort(-found.scores, kind="stable") if found.scores[index] >= CONFIDENT]
    masks = (coco_mask.decode(found.rles[index]).astype(bool) for index in order)
    return label_map(masks, found.labels[order], shape)


def _dataset(truth: Instances, num_classes: int) -> dict[str, list[dict[str, object]]]:
    height, width = truth.images.shape[2:]
    parts = [
        (mask, box, image, label)
        for image in range(len(truth))
        for masks, labels in [truth.of(image)]
        for mask, box, label in zip(masks, boxes_of(masks), labels, strict=True)
    ]
    return {
        "images": [{"id": image, "height": height, "width": width} for image in range(len(truth))],
        "categories": [{"id": label} for label in range(1, num_classes + 1)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": int(label),
                "iscrowd": 0,
                "area": float(mask.sum()),
                "bbox": _corner_and_size(box),
                "segmentation": encoded(mask),
            }
            for number, (mask, box, image, label) in enumerate(parts, 1)
        ],
    }


def _corner_and_size(box: np.ndarray) -> list[float]:
    """COCO's form of a box: left, top, width, height."""
    x1, y1, x2, y2 = box.tolist()
    return [x1, y1, x2 - x1, y2 - y1]
