"""The region heads of a Cascade Mask R-CNN (Cai and Vasconcelos 2019) out of torchvision's RoIHeads, one per stage.

A stage trains on the boxes that the one before it has regressed, against a stricter IoU; boxes are regressed for all
classes alike. Scores are means over the stages; the last stage has the masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from onemask.downstream.vision import detection, ops

RoIHeads = detection.roi_heads.RoIHeads
Sizes = list[tuple[int, int]]
Targets = list[dict[str, Tensor]]
IOUS = (0.5, 0.6, 0.7)
LEAST = 0.05  # score of a detection
LOSS_WEIGHTS = (1.0, 0.5, 0.25)
BOX_WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))


class AgnosticPredictor(nn.Module):
    """Class logits [R, C] and one regression for all classes, repeated as torchvision wants it: [R, 4 C]."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.score, self.box = nn.Linear(channels, num_classes), nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.score(x)
        return logits, self.box(x).repeat(1, logits.shape[1])


class CascadeRoIHeads(nn.Module):
    """Takes the place of torchvision's RoIHeads in a GeneralizedRCNN; `stages` are such heads, the last with masks."""

    def __init__(self, stages: Sequence[RoIHeads]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def least_score(self, score: float) -> None:
        """Detections with at most this score are left out, and no mask is made of them."""
        self.stages[-1].score_thresh = score

    def forward(
        self, features: Mapping[str, Tensor], proposals: list[Tensor], shapes: Sizes, targets: Targets | None = None
    ) -> tuple[Targets, dict[str, Tensor]]:
        """Detections (boxes, labels, scores, masks [n, 1, 28, 28]) in evaluation, losses in training."""
        if self.training:
            return [], self.losses(features, proposals, shapes, targets)
        return self.detect(features, proposals, shapes), {}

    def losses(
        self, features: Mapping[str, Tensor], proposals: list[Tensor], shapes: Sizes, targets: Targets
    ) -> dict[str, Tensor]:
        losses = {}
        for number, (stage, weight) in enumerate(zip(self.stages, LOSS_WEIGHTS, strict=True), 1):
            proposals, matched, labels, regression = stage.select_training_samples(proposals, targets)
            logits, boxes = _predict(stage, features, proposals, shapes)
            class_loss, box_loss = detection.roi_heads.fastrcnn_loss(logits, boxes, labels, regression)
            losses |= {f"loss_classifier_{number}": weight * class_loss, f"loss_box_{number}": weight * box_loss}
            sampled = proposals
            proposals = _regressed(stage, boxes, proposals, shapes)
        return losses | {"loss_mask": _mask_loss(self.stages[-1], features, sampled, matched, labels, shapes, targets)}

    def detect(self, features: Mapping[str, Tensor], proposals: list[Tensor], shapes: Sizes) -> Targets:
        scores = []
        for stage in self.stages:
            logits, boxes = _predict(stage, features, proposals, shapes)
            scores.append(logits.softmax(dim=1))
            last, proposals = proposals, _regressed(stage, boxes, proposals, shapes)
        mean = torch.stack(scores).mean(dim=0).clamp(min=1e-12).log()
        found = stage.postprocess_detections(mean, boxes, last, shapes)
        results = [dict(zip(("boxes", "scores", "labels"), each, strict=True)) for each in zip(*found, strict=True)]
        logits = _mask_logits(stage, features, [result["boxes"] for result in results], shapes)
        masks = detection.roi_heads.maskrcnn_inference(logits, [result["labels"] for result in results])
        return [result | {"masks": mask} for result, mask in zip(results, masks, strict=True)]


def _predict(
    stage: RoIHeads, features: Mapping[str, Tensor], proposals: list[Tensor], shapes: Sizes
) -> tuple[Tensor, Tensor]:
    return stage.box_predictor(stage.box_head(stage.box_roi_pool(features, proposals, shapes)))


def _regressed(stage: RoIHeads, boxes: Tensor, proposals: list[Tensor], shapes: Sizes) -> list[Tensor]:
    """Proposals moved by a stage's regression, inside their images; a box that has vanished stays as it was."""
    moved = stage.box_coder.decode(boxes[:, :4].detach(), proposals).reshape(-1, 4)
    parts = moved.split([len(part) for part in proposals])
    clipped = [ops.clip_boxes_to_image(part, shape) for part, shape in zip(parts, shapes, strict=True)]
    solid = [(part[:, 2:] - part[:, :2] > 1e-2).all(dim=1, keepdim=True) for part in clipped]
    return [torch.where(*each) for each in zip(solid, clipped, proposals, strict=True)]


def _mask_logits(stage: RoIHeads, features: Mapping[str, Tensor], boxes: list[Tensor], shapes: Sizes) -> Tensor:
    return stage.mask_predictor(stage.mask_head(stage.mask_roi_pool(features, boxes, shapes)))


def _mask_loss(
    stage: RoIHeads,
    features: Mapping[str, Tensor],
    proposals: list[Tensor],
    matched: list[Tensor],
    labels: list[Tensor],
    shapes: Sizes,
    targets: Targets,
) -> Tensor:
    """Of the boxes of objects alone, each against the mask of the object that it was matched with."""
    positive = [label > 0 for label in labels]
    boxes = [part[chosen] for part, chosen in zip(proposals, positive, strict=True)]
    indices = [part[chosen] for part, chosen in zip(matched, positive, strict=True)]
    masks, classes = ([target[name] for target in targets] for name in ("masks", "labels"))
    logits = _mask_logits(stage, features, boxes, shapes)
    return detection.roi_heads.maskrcnn_loss(logits, boxes, masks, classes, indices)
