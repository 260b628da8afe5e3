"""Training a detector for a fixed number of steps, and what it finds: COCO's average precision and IoU per class.

The schedule is SDANet's: SGD with momentum, a linear warm-up, and a tenth of the rate at 8/12 and 11/12 of the steps.
As in `train`, a step's randomness is seeded from (seed, step), and the best weights on the validation split are kept.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, nn
from tqdm import tqdm

from onemask.downstream.instances import Instances, boxes_of, target_of
from onemask.downstream.train import check_finite
from onemask.seeds import derive_seed

DROPS = (8 / 12, 11 / 12)
CONFIDENT = 0.5  # the score from which a detection counts in the IoU per class


@dataclass(frozen=True)
class DetectorOptions:
    """`warm_up` and `evaluate_every` in steps."""

    steps: int = 400
    batch: int = 4
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warm_up: int = 50
    evaluate_every: int = 100


@dataclass(frozen=True)
class Found:
    """What a detector finds in one image: masks bool [k, H, W], labels and scores [k], best first."""

    masks: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def train_detector(
    network: nn.Module,
    training: Instances,
    validation: Instances,
    num_classes: int,
    options: DetectorOptions,
    seed: int,
    device: torch.device | str = "cpu",
) -> list[dict[str, float]]:
    """Train a torchvision detector; it ends with the weights of the highest mean IoU on `validation`.

    Returns a row (step, loss, iou) per validation. OnemaskError names step and seed where a loss is not finite.
    """
    network.to(device)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(parameters, options.learning_rate, options.momentum, weight_decay=options.weight_decay)
    curve, losses, best = [], [], {}
    for step in tqdm(range(options.steps), desc="train", unit="step", mininterval=1):
        for group in optimiser.param_groups:
            group["lr"] = options.learning_rate * rate_at(step, options)
        losses.append(detector_step(network, optimiser, training, options.batch, step, seed, device))
        if (step + 1) % options.evaluate_every == 0 or step + 1 == options.steps:
            check_finite([parameter.detach() for parameter in parameters], step, seed)
            iou = float(np.nanmean(class_iou(find(network, validation.images, device), validation, num_classes)))
            curve.append({"step": step + 1, "loss": float(np.mean(losses)), "iou": iou})
            losses = []
            if iou >= max(row["iou"] for row in curve):
                best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(best)
    return curve


def rate_at(step: int, options: DetectorOptions) -> float:
    """The learning rate of a step as a share of the options'."""
    warm = min(1.0, (step + 1) / options.warm_up) if options.warm_up else 1.0
    return warm * 0.1 ** sum(step >= share * options.steps for share in DROPS)


def detector_step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    instances: Instances,
    batch: int,
    step: int,
    seed: int,
    device: torch.device | str,
) -> float:
    """One step on random images, each mirrored at random; returns the sum of the losses."""
    torch.manual_seed(derive_seed(seed, "step", step))
    chosen = torch.randperm(len(instances))[:batch].tolist()
    mirrored = (torch.rand(len(chosen)) < 0.5).tolist()
    images = [scaled(instances.images[i]).to(device) for i in chosen]
    targets = [{key: value.to(device) for key, value in target_of(instances, i).items()} for i in chosen]
    pairs = [
        mirror(*pair) if flip else pair for pair, flip in zip(zip(images, targets, strict=True), mirrored, strict=True)
    ]
    network.train()
    optimiser.zero_grad(set_to_none=True)
    loss = sum(network([image for image, _ in pairs], [target for _, target in pairs]).values())
    check_finite([loss], step, seed)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


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
def find(network: nn.Module, images: np.ndarray, device: torch.device | str = "cpu", batch: int = 8) -> list[Found]:
    """Detections in images uint8 [n, 3, H, W]."""
    network.eval()
    found = []
    for start in range(0, len(images), batch):
        for result in network([scaled(image).to(device) for image in images[start : start + batch]]):
            cpu = {key: value.cpu().numpy() for key, value in result.items()}
            found.append(Found(cpu["masks"][:, 0] >= 0.5, cpu["labels"], cpu["scores"]))
    return found


def class_iou(found: Sequence[Found], truth: Instances, num_classes: int) -> np.ndarray:
    """IoU of each class [num_classes]: all confident detections of it against all its instances, over all images.

    NaN for a class that neither has.
    """
    intersection, union = np.zeros((2, num_classes))
    for image, each in enumerate(found):
        true_masks, true_labels = truth.of(image)
        confident = each.scores >= CONFIDENT
        for label in range(1, num_classes + 1):
            predicted = each.masks[confident & (each.labels == label)].any(axis=0)
            true = true_masks[true_labels == label].any(axis=0)
            intersection[label - 1] += (predicted & true).sum()
            union[label - 1] += (predicted | true).sum()
    return intersection / np.where(union > 0, union, np.nan)


def average_precision(found: Sequence[Found], truth: Instances, num_classes: int, kind: str = "segm") -> float:
    """COCO's AP over IoU 0.5 to 0.95 of masks (`segm`) or boxes (`bbox`), by pycocotools; NaN without any instance."""
    results = [
        {
            "image_id": image,
            "category_id": int(label),
            "score": float(score),
            "bbox": _corner_and_size(mask),
            "segmentation": _encoded(mask),
        }
        for image, each in enumerate(found)
        for mask, label, score in zip(each.masks, each.labels, each.scores, strict=True)
        if mask.any()
    ]
    if not len(truth.masks):
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


def _dataset(truth: Instances, num_classes: int) -> dict[str, list[dict[str, object]]]:
    height, width = truth.images.shape[2:]
    parts = enumerate(zip(truth.masks, truth.owners, truth.labels, strict=True), 1)
    return {
        "images": [{"id": image, "height": height, "width": width} for image in range(len(truth))],
        "categories": [{"id": label} for label in range(1, num_classes + 1)],
        "annotations": [
            {
                "id": number,
                "image_id": int(owner),
                "category_id": int(label),
                "iscrowd": 0,
                "area": float(mask.sum()),
                "bbox": _corner_and_size(mask),
                "segmentation": _encoded(mask),
            }
            for number, (mask, owner, label) in parts
        ],
    }


def _corner_and_size(mask: np.ndarray) -> list[float]:
    """COCO's box of a mask: left, top, width, height."""
    x1, y1, x2, y2 = boxes_of(mask[None])[0].tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def _encoded(mask: np.ndarray) -> dict[str, object]:
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
