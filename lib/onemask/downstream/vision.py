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
from torch import Tensor

OPERATORS = ("nms", "qnms")


def suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression: indices of the boxes [n, 4] (x1, y1, x2, y2) that stay, highest score first.

    A box goes where its IoU with a better one that stays exceeds the threshold.
    """
    order = scores.argsort(descending=True, stable=True)
    overlapping = (ops.box_iou(boxes[order], boxes[order]) > threshold).cpu().numpy()
    stays = np.ones(len(order), bool)
    for number, row in enumerate(overlapping):
        if stays[number]:
            stays[number + 1 :] &= ~row[number + 1 :]
    return order[torch.from_numpy(stays).to(order.device)]


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
    ratio of 0 or less takes, for all, as many as the largest box needs for a sample per pixel. Samples and means are
    linear along either axis, so a box is two matrix products, whose gradients, unlike grid_sample's on a GPU, are the
    same bits in every run.
    """
    height, width = features.shape[2:]
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    if sampling_ratio <= 0:
        sides = (corners[:, 2:] - corners[:, :2]).amax(dim=0) if len(corners) else corners.new_ones(2)
        sampling_ratio = max(1, math.ceil(sides[0] / pooled_width), math.ceil(sides[1] / pooled_height))
    across = _shares(corners[:, 0], corners[:, 2], pooled_width, sampling_ratio, width, aligned).to(features.dtype)
    down = _shares(corners[:, 1], corners[:, 3], pooled_height, sampling_ratio, height, aligned).to(features.dtype)
    pooled = features.new_zeros(len(rois), pooled_height, pooled_width, features.shape[1])
    for number, image in enumerate(features):
        (own,) = torch.where(rois[:, 0] == number)
        if len(own):
            rows = down[own].flatten(0, 1) @ image.permute(1, 2, 0).flatten(1)
            bins = across[own, None] @ rows.view(len(own), pooled_height, width, -1)
            pooled = pooled.index_copy(0, own, bins)
    return pooled.permute(0, 3, 1, 2)


def _shares(start: Tensor, end: Tensor, bins: int, ratio: int, size: int, aligned: bool) -> Tensor:
    """Of each pixel of an axis in each bin [K, bins, size]: the mean of the bilinear weights of the bin's samples."""
    length = end - start if aligned else (end - start).clamp(min=1)
    places = start[:, None] + length[:, None] * (torch.arange(bins * ratio, device=start.device) + 0.5) / (bins * ratio)
    inside = (places >= -1) & (places <= size)
    apart = places.clamp(0, size - 1)[..., None] - torch.arange(size, device=start.device)
    weights = (1 - apart.abs()).clamp(min=0) * inside[..., None]
    return weights.unflatten(1, (bins, ratio)).mean(dim=2)


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
    "transforms",
    "tv_tensors",
]
