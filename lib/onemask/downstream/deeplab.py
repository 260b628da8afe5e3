"""DeepLabV3 (Chen et al. 2017) on torchvision's parts, with a light backbone for small images."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.downstream.vision import ASPP, DeepLabV3, IntermediateLayerGetter, resnet50, resnet101
from onemask.errors import OnemaskError

RATES = (12, 24, 36)  # of the atrous convolutions on a map of REFERENCE pixels (513 px at output stride 8)
REFERENCE = 65
LIGHT_WIDTHS = (16, 24, 32, 32, 48)
LIGHT_DILATIONS = (1, 1, 2, 4)
LIGHT_STRIDE = 2  # small parts of small images would vanish on a coarser map


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as a matrix product on maps that lie channels last.

    torch's own on a CPU copies them to channels first and back, a twentieth of a training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def with_pointwise(network: nn.Module) -> nn.Module:
    """The network, its 1x1 convolutions of unit stride replaced; parameters and their names stay."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d and child.kernel_size == child.stride == (1, 1) and child.groups == 1:
                dense = Pointwise(child.in_channels, child.out_channels, 1, bias=child.bias is not None, device="meta")
                dense.weight, dense.bias = child.weight, child.bias
                setattr(parent, name, dense)
    return network


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm beside a skip, which is 1x1 where size or width changes."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_convolution(inputs, outputs, stride, dilation),
            nn.ReLU(inplace=True),
            *_convolution(outputs, outputs, 1, dilation),
        )
        self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.skip(x))


def _convolution(inputs: int, outputs: int, stride: int, dilation: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class LightBackbone(nn.Sequential):
    """Images [N, 3, H, W] -> {"out": [N, 48, H / 2, W / 2]}; atrous in its last blocks."""

    def __init__(self) -> None:
        blocks = zip(LIGHT_WIDTHS, LIGHT_WIDTHS[1:], LIGHT_DILATIONS, strict=False)
        super().__init__(
            *_convolution(3, LIGHT_WIDTHS[0], LIGHT_STRIDE, 1),
            nn.ReLU(inplace=True),
            *(ResidualBlock(inputs, outputs, dilation=dilation) for inputs, outputs, dilation in blocks),
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": super().forward(x)}


def _resnet(make: Callable[..., nn.Module]) -> nn.Module:
    """A torchvision ResNet up to its last stage, at output stride 8, without pretrained weights."""
    network = make(weights=None, replace_stride_with_dilation=[False, True, True])
    return IntermediateLayerGetter(network, {"layer4": "out"})


# name -> (builder, its channels, output stride, the head's channels)
BACKBONES: dict[str, tuple[Callable[[], nn.Module], int, int, int]] = {
    "light": (LightBackbone, LIGHT_WIDTHS[-1], LIGHT_STRIDE, 32),
    "resnet50": (lambda: _resnet(resnet50), 2048, 8, 256),
    "resnet101": (lambda: _resnet(resnet101), 2048, 8, 256),
}


def atrous_rates(size: int) -> list[int]:
    """Rates for a map of `size` pixels a side: the standard ones would fall off a small map."""
    return [max(1, round(rate * size / REFERENCE)) for rate in RATES]


def deeplabv3(backbone: str, num_labels: int, resolution: int) -> DeepLabV3:
    """A network images [N, 3, R, R] -> {"out": logits [N, num_labels, R, R]}; OnemaskError lists the backbones.

    The head is torchvision's, with its widths and rates as arguments. Weights are drawn by torch's default generator.
    """
    if backbone not in BACKBONES:
        raise OnemaskError(f"downstream.backbone {backbone!r} is not one of {', '.join(BACKBONES)}")
    make, channels, stride, width = BACKBONES[backbone]
    head = nn.Sequential(
        ASPP(channels, atrous_rates(resolution // stride), width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, num_labels, 1),
    )
    return with_pointwise(DeepLabV3(make(), head)).to(memory_format=torch.channels_last)
