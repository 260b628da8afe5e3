"""The paper's segmenters (Section 6.2.4; decisions 27, 28): MLP with 1 or 3 layers, FCN with 3, 5, 7 or 9.

An MLP classifies each pixel alone; an FCN is 3x3 convolutions of unit stride. Leaky ReLU between layers, linear logits.
A head looks at a list of maps. `prepare` brings them into the form that its first layer reads fastest; that form is
constant while the head is fitted, so it is made once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.errors import OnemaskError
from onemask.kernels.projection import concatenate_features, project_features

NEGATIVE_SLOPE = 0.2  # of the generator's own leaky ReLU; the paper names none


class Head(Protocol):
    """A small network from feature maps to logits."""

    def prepare(self, maps: Sequence[Tensor], size: int) -> list[Tensor]:
        """Maps [N, C_l, h_l, w_l] in the form that `__call__` reads."""
        ...

    def __call__(self, prepared: Sequence[Tensor], size: int) -> Tensor:
        """Logits [N, num_labels, size, size]."""
        ...


class MLP(nn.Module):
    """A dense network on each pixel's `in_channels` features; hidden widths `hidden`, then at most 32 (decision 28).

    The first layer is linear in the features, so it runs on each map at its native size (decision 13).
    """

    def __init__(self, in_channels: int, num_labels: int, layers: int, hidden: int, mode: str = "nearest") -> None:
        super().__init__()
        self.mode = mode
        widths = [hidden, *[min(hidden, 32)] * (layers - 2)][: layers - 1]
        self.layers = nn.ModuleList(_layers(in_channels, [*widths, num_labels], kernel=1))

    def prepare(self, maps: Sequence[Tensor], size: int) -> list[Tensor]:
        return list(maps)

    def forward(self, prepared: Sequence[Tensor], size: int) -> Tensor:
        first, *others = self.layers
        logits = project_features(prepared, first.weight.flatten(1), size, self.mode) + first.bias[:, None, None]
        for layer in others:
            logits = layer(F.leaky_relu(logits, NEGATIVE_SLOPE))
        return logits


class FCN(nn.Module):
    """3x3 convolutions with zero padding, `hidden` channels between them, on the concatenated map (decision 27)."""

    def __init__(self, in_channels: int, num_labels: int, layers: int, hidden: int, mode: str = "nearest") -> None:
        super().__init__()
        self.mode = mode
        self.layers = nn.ModuleList(_layers(in_channels, [hidden] * (layers - 1) + [num_labels], kernel=3))
        self.to(memory_format=torch.channels_last)

    def prepare(self, maps: Sequence[Tensor], size: int) -> list[Tensor]:
        # oneDNN convolves channels-last maps a third faster, and would otherwise reorder them in every epoch.
        return [concatenate_features(maps, size, self.mode).contiguous(memory_format=torch.channels_last)]

    def forward(self, prepared: Sequence[Tensor], size: int) -> Tensor:
        first, *others = self.layers
        logits = first(prepared[0])
        for layer in others:
            logits = layer(F.leaky_relu(logits, NEGATIVE_SLOPE))
        return logits


HEADS = {
    "mlp1": (MLP, 1),
    "mlp3": (MLP, 3),
    "fcn3": (FCN, 3),
    "fcn5": (FCN, 5),
    "fcn7": (FCN, 7),
    "fcn9": (FCN, 9),
}


def head(name: str, in_channels: int, num_labels: int, hidden: int, mode: str = "nearest") -> MLP | FCN:
    """The head called `name`; OnemaskError lists the names. Its weights are unset: see `initialise`.

    `mode` ("nearest" or "bilinear") is how maps below the output size are upsampled.
    """
    if name not in HEADS:
        raise OnemaskError(f"head {name!r} is unknown; there are {', '.join(HEADS)}")
    kind, layers = HEADS[name]
    return kind(in_channels, num_labels, layers, hidden, mode)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """PyTorch's own law for dense and convolution layers, U(+-1/sqrt(fan in)), from an explicit generator."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _layers(in_channels: int, widths: Sequence[int], kernel: int) -> list[nn.Conv2d]:
    """A convolution per width, its weights unset: `initialise` draws them from an explicit generator."""
    pairs = zip([in_channels, *widths[:-1]], widths, strict=True)
    return [nn.utils.skip_init(nn.Conv2d, a, b, kernel, padding=kernel // 2) for a, b in pairs]
