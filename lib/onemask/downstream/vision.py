"""The one door to torchvision.

Beside a CPU build of torch, PyPI's torchvision finds no compiled operators, and its import fails for want of a declared
`torchvision::nms`. Declaring the operators that its import asks for lets networks and transforms in.
"""

# ruff: noqa: E402 (the declaration comes before what needs it)
from __future__ import annotations

import sys

import torch

OPERATORS = ("nms", "qnms")

try:
    import torchvision
except RuntimeError:
    for _name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[_name]
    DECLARED = torch.library.Library("torchvision", "DEF")  # kept: a library that is freed takes its operators along
    for _name in OPERATORS:
        DECLARED.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

from torchvision import tv_tensors
from torchvision.models import resnet50, resnet101
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3
from torchvision.transforms import v2 as transforms

__all__ = [
    "ASPP",
    "DeepLabV3",
    "IntermediateLayerGetter",
    "resnet50",
    "resnet101",
    "torchvision",
    "transforms",
    "tv_tensors",
]
