"""Layers with the equalised learning rate of Karras et al. (2018): weights are N(0, 1) and scaled at run time."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.kernels.modulated_conv import filter_maps

SLOPE = 0.2  # of every leaky ReLU
GAIN = math.sqrt(2.0)  # restores the variance that a leaky ReLU takes; leaky ReLU is homogeneous, so it can go first


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2, no gain, in place of x."""
    return F.leaky_relu(x, SLOPE, inplace=True)


class FullyConnected(nn.Module):
    """y = activation(x W^T / sqrt(in) * lr + b * lr), with `lr_multiplier` below 1 for the mapping network."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, lr_multiplier: float = 1.0, active: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.weight_gain, self.bias_gain, self.active = lr_multiplier / math.sqrt(inputs), lr_multiplier, active

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return activate(y) * GAIN if self.active else y


class Conv(nn.Module):
    """A 1x1 or 3x3 convolution with bias and leaky ReLU; `down=2` low-passes with [1, 3, 3, 1] first, then strides."""

    def __init__(self, inputs: int, outputs: int, size: int, kernel: Tensor, down: int = 1, active: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if active else None
        self.register_buffer("kernel", kernel, persistent=False)
        self.weight_gain, self.down, self.active = 1 / math.sqrt(inputs * size * size), down, active

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        size = self.weight.shape[-1]
        total = gain * (GAIN if self.active else 1.0)
        weight = (self.weight * (self.weight_gain * total)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * total).to(x.dtype)
        if self.down == 1:
            y = F.conv2d(x, weight, bias, padding=size // 2)
        else:
            y = F.conv2d(filter_maps(x, self.kernel, padding=1 + size // 2), weight, bias, stride=2)
        return activate(y) if self.active else y
