"""SDANet (Wang et al. 2021): a Cascade Mask R-CNN whose feature pyramid passes through selective dense attention."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from onemask.downstream.attention import SelectiveDenseAttention
from onemask.downstream.cascade import BOX_WEIGHTS, IOUS, LEAST, AgnosticPredictor, CascadeRoIHeads, RoIHeads
from onemask.downstream.deeplab import ResidualBlock
from onemask.downstream.loop import mixed_precision
from onemask.downstream.vision import IntermediateLayerGetter, detection, ops, resnet101
from onemask.errors import OnemaskError

LEVELS = ("0", "1", "2", "3")  # of the pyramid, finest first; "pool" lies above them
LIGHT_WIDTHS = (24, 32, 48, 64, 96)
ANCHORS = (32, 64, 128, 256, 512)  # pixels at REFERENCE
REFERENCE = 512
RATIOS = (0.5, 1.0, 2.0)


class LightBody(nn.Module):
    """Images [N, 3, R, R] -> maps at strides 2, 4, 8 and 16: a small image has no room for the usual 4 to 32."""

    def __init__(self) -> None:
        super().__init__()
        stem, *widths = LIGHT_WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU())
        pairs = zip(LIGHT_WIDTHS, widths, strict=False)
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs, stride=2) for inputs, outputs in pairs)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        x, maps = self.stem(x), OrderedDict()
        for name, block in zip(LEVELS, self.blocks, strict=True):
            maps[name] = x = block(x)
        return maps


def _resnet101() -> nn.Module:
    """ResNet-101 without pretrained weights, its four stages by the names of LEVELS."""
    return IntermediateLayerGetter(resnet101(weights=None), {f"layer{i + 1}": name for i, name in enumerate(LEVELS)})


# name -> (builder; channels of its maps, of the pyramid, and of the box heads; the level that boxes of CANONICAL pixels
# are read from, as the binary logarithm of its stride: the last but one)
BODIES = {
    "light": (LightBody, LIGHT_WIDTHS[1:], 48, 128, 3),
    "resnet101": (_resnet101, (256, 512, 1024, 2048), 256, 1024, 4),
}
CANONICAL = 224  # pixels at REFERENCE


class AttentivePyramid(nn.Module):
    """A body, its feature pyramid and, unless it is switched off, selective dense attention over the levels.

    Nearly all of a detector's arithmetic: the part that mixed precision pays for. Boxes stay in float32.
    """

    def __init__(self, body: str, attention: bool = True) -> None:
        super().__init__()
        make, widths, self.out_channels, *_ = BODIES[body]
        self.body = make()
        pool = ops.feature_pyramid_network.LastLevelMaxPool()
        self.pyramid = ops.FeaturePyramidNetwork(list(widths), self.out_channels, pool)
        self.attention = SelectiveDenseAttention(self.out_channels, len(LEVELS) + 1) if attention else nn.Identity()
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        with mixed_precision(x.device):
            levels = self.attention(self.pyramid(self.body(x.contiguous(memory_format=torch.channels_last))))
        return OrderedDict((name, level.float()) for name, level in levels.items())


def sdanet(num_classes: int, resolution: int, body: str = "light", attention: bool = True) -> nn.Module:
    """A torchvision GeneralizedRCNN for `num_classes` classes beside the background, on images of `resolution` px.

    In training it takes images (float [3, R, R] in [0, 1]) and targets (boxes, labels from 1 on, masks uint8 [n, R, R])
    and returns losses; in evaluation it returns boxes, labels, scores and masks [n, 1, R, R]. Anchors scale with the
    resolution. OnemaskError lists the bodies.
    """
    if body not in BODIES:
        raise OnemaskError(f"sdanet.body {body!r} is not one of {', '.join(BODIES)}")
    backbone = AttentivePyramid(body, attention)
    stages = [
        _stage(body, resolution, 1 + num_classes, iou, weights, masks=number == len(IOUS) - 1)
        for number, (iou, weights) in enumerate(zip(IOUS, BOX_WEIGHTS, strict=True))
    ]
    transform = detection.transform.GeneralizedRCNNTransform(
        resolution, resolution, [0.5] * 3, [0.5] * 3, size_divisible=32
    )
    return detection.generalized_rcnn.GeneralizedRCNN(
        backbone, _proposals(backbone.out_channels, resolution), CascadeRoIHeads(stages), transform
    )


def _proposals(channels: int, resolution: int) -> nn.Module:
    sizes = tuple((max(4, size * resolution // REFERENCE),) for size in ANCHORS)
    anchors = detection.rpn.AnchorGenerator(sizes, (RATIOS,) * len(sizes))
    head = detection.rpn.RPNHead(channels, anchors.num_anchors_per_location()[0])
    kept = {"training": 200 if resolution < 256 else 2000, "testing": 100 if resolution < 256 else 1000}
    return detection.rpn.RegionProposalNetwork(anchors, head, 0.7, 0.3, 256, 0.5, kept, kept, 0.7)


def region_pool(body: str, resolution: int, size: int) -> nn.Module:
    """RoIAlign to size x size, from the level of the pyramid that a box's size in proportion to the image asks for."""
    scale = CANONICAL * resolution // REFERENCE
    return ops.MultiScaleRoIAlign(LEVELS, size, 2, canonical_scale=scale, canonical_level=BODIES[body][4])


def _stage(
    body: str, resolution: int, num_classes: int, iou: float, weights: tuple[float, ...], masks: bool
) -> RoIHeads:
    _, _, channels, hidden, _ = BODIES[body]
    head = detection.faster_rcnn.TwoMLPHead(channels * 7**2, hidden)
    arguments = {
        "fg_iou_thresh": iou,
        "bg_iou_thresh": iou,
        "batch_size_per_image": 64 if resolution < 256 else 512,  # the usual number is for images of hundreds of pixels
        "positive_fraction": 0.25,
        "bbox_reg_weights": weights,
        "score_thresh": LEAST,
        "nms_thresh": 0.5,
        "detections_per_img": 100,
    }
    if masks:
        arguments["mask_roi_pool"] = region_pool(body, resolution, 14)
        arguments["mask_head"] = detection.mask_rcnn.MaskRCNNHeads(channels, [channels] * 4, 1)
        arguments["mask_predictor"] = detection.mask_rcnn.MaskRCNNPredictor(channels, channels, num_classes)
    return RoIHeads(region_pool(body, resolution, 7), head, AgnosticPredictor(hidden, num_classes), **arguments)
