"""The one door to torchvision.

Beside a CPU build of torch, PyPI's torchvision finds no compiled operators, and its import fails for want of a declared
`torchvision::nms`. Declaring the operators that its import asks for lets it in. Networks and transforms then work;
non-maximum suppression and RoIAlign are ours, behind torchvision's own `ops.nms` and `ops.roi_align` (torchvision's
RoIAlign in plain torch takes seconds for the boxes of a few images). With compiled operators torchvision still takes
the latter on a GPU under deterministic algorithms.
"""

# ruff: noqa: E402 (the declaration comes before what needs it)
from __future__ import annotations

import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

OPERATORS = ("nms", "qnms")


def suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression: indices of the boxes [n, 4] (x1, y1, x2, y2) that stay, highest score first.

    A box goes where its IoU with a better one that stays exceeds the threshold.
    """
    order = scores.argsort(descending=True, stable=True)
    overlapping = (ops.box_iou(boxes[order], boxes[order]) > threshold).numpy()
    stays = np.ones(len(order), bool)
    for number, row in enumerate(overlapping):
        if stays[number]:
            stays[number + 1 :] &= ~row[number + 1 :]
    return order[torch.from_numpy(stays)]


def align(
    features: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """RoIAlign (He et al. 2017) of rois [K, 5] (image, x1, y1, x2, y2) on features [N, C, H, W]: [K, C, height, width].

    A bin is the mean of sampling_ratio^2 bilinear samples; those beyond the border by more than a pixel are zero. A
    ratio of 0 or less takes, for all, as many as the largest box needs for a sample per pixel.
    """
    height, width = features.shape[2:]
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    if sampling_ratio <= 0:
        sides = (corners[:, 2:] - corners[:, :2]).amax(dim=0) if len(corners) else corners.new_ones(2)
        sampling_ratio = max(1, math.ceil(sides[0] / pooled_width), math.ceil(sides[1] / pooled_height))
    x, across = _samples(corners[:, 0], corners[:, 2], pooled_width * sampling_ratio, width, aligned)
    y, down = _samples(corners[:, 1], corners[:, 3], pooled_height * sampling_ratio, height, aligned)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=3)
    inside = (down[:, :, None] & across[:, None, :]).to(features.dtype)
    pooled = features.new_zeros(len(rois), features.shape[1], pooled_height, pooled_width)
    for number in range(len(features)):
        (own,) = torch.where(rois[:, 0] == number)
        if len(own):
            points = grid[own].flatten(0, 1)[None]
            sampled = F.grid_sample(features[number : number + 1], points, padding_mode="border", align_corners=True)
            sampled = sampled[0].unflatten(1, (len(own), -1)).transpose(0, 1) * inside[own, None]
            pooled = pooled.index_copy(0, own, F.avg_pool2d(sampled, sampling_ratio))
    return pooled


def _samples(start: Tensor, end: Tensor, count: int, size: int, aligned: bool) -> tuple[Tensor, Tensor]:
    """Places [K, count] along one axis in the coordinates of grid_sample, and whether they lie on the map."""
    length = end - start if aligned else (end - start).clamp(min=1)
    places = start[:, None] + length[:, None] * (torch.arange(count, device=start.device) + 0.5) / count
    return places.clamp(0, size - 1) * (2 / max(size - 1, 1)) - 1, (places >= -1) & (places <= size)


try:
    import torchvision
except RuntimeError:
    for _name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[_name]
    DECLARED = torch.library.Library("torchvision", "DEF")  # kept: a library that is freed takes its operators along
    for _name in OPERATORS:
        DECLARED.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    DECLARED.impl("nms", suppress, "CompositeExplicitAutograd")  # on any device
    import torchvision

    torchvision.ops.boxes._assert_has_ops = lambda: None  # ops.nms asks for compiled operators before it looks for one
sys.modules["torchvision.ops.roi_align"]._roi_align = align

from torchvision import ops, tv_tensors
from torchvision.models import detection, resnet50, resnet101
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3
from torchvision.transforms import v2 as transforms

__all__ = [
    "ASPP",
    "align",
    "DeepLabV3",
    "IntermediateLayerGetter",
    "detection",
    "ops",
    "resnet50",
    "resnet101",
    "suppress",
    "torchvision",
    "transforms",
    "tv_tensors",
]
