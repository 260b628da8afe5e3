"""The paper's segmenters (Section 6.2.4; decisions 27, 28): MLP with 1 or 3 layers, FCN with 1, 3, 5, 7 or 9.

An MLP classifies each pixel alone; an FCN is 3x3 convolutions of unit stride. Leaky ReLU between layers, linear logits.
A head looks at a list of maps [N, C_l, h_l, w_l]. `prepare(maps, size)` brings them into the form that its first layer
reads fastest; that form is constant while the head is fitted, so it is made once. Of it the head makes logits
[N, num_labels, H, W]. `pixelwise`: a pixel's logits depend on its own features alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.errors import OnemaskError
from onemask.kernels.projection import Size, concatenate_features, project_features
from onemask.kernels.winograd import Tiles, convolve_tiles, to_tiles

Prepared = Tensor | Tiles
NEGATIVE_SLOPE = 0.2  # of the generator's own leaky ReLU; the paper names none


class MLP(nn.Module):
    """A dense network on each pixel's `in_channels` features; hidden widths `hidden`, then at most 32 (decision 28).

    The first layer is linear in the features, so it runs on each map at its native size (decision 13).
    """

    pixelwise = True

    def __init__(self, in_channels: int, num_labels: int, layers: int, hidden: int, mode: str = "nearest") -> None:
        super().__init__()
        self.mode = mode
        widths = [hidden, *[min(hidden, 32)] * (layers - 2)][: layers - 1]
        self.layers = nn.ModuleList(_layers(in_channels, [*widths, num_labels], kernel=1))

    def prepare(self, maps: Sequence[Tensor], size: Size) -> list[Tensor]:
        return merge_sizes(maps)

    def forward(self, prepared: Sequence[Tensor], size: Size) -> Tensor:
        first, *others = self.layers
        if len(prepared) == 1 and prepared[0].shape[-1] == (size if isinstance(size, int) else size[1]):
            logits = first(prepared[0])  # oneDNN's gradient of a 1x1 convolution is several times faster than matmul's
        else:
            logits = project_features(prepared, first.weight.flatten(1), size, self.mode) + first.bias[:, None, None]
        for layer in others:
            logits = layer(F.leaky_relu(logits, NEGATIVE_SLOPE))
        return logits


class FCN(nn.Module):
    """3x3 convolutions with zero padding, `hidden` channels between them, on the concatenated map (decision 27).

    The first convolution, by far the largest, is summed over groups of channels and never sees the whole map. A map
    that nearest upsampling enlarges f-fold gives a 3x3 kernel the same window on all pixels that stem from one source
    pixel, but for the first and the last in each axis. So it is convolved at three pixels per source pixel, and the
    result of the middle one stands for f - 2: the same numbers in f^2 / 9 times less work. On a CPU maps that no
    gradient flows through are convolved by Winograd's method; cuDNN chooses its own.
    """

    pixelwise = False

    def __init__(self, in_channels: int, num_labels: int, layers: int, hidden: int, mode: str = "nearest") -> None:
        super().__init__()
        self.mode = mode
        self.layers = nn.ModuleList(_layers(in_channels, [hidden] * (layers - 1) + [num_labels], kernel=3))
        self.to(memory_format=torch.channels_last)

    def prepare(self, maps: Sequence[Tensor], size: int) -> list[Prepared]:
        """Maps at `size`, or at three times their native size where that is enough; as tiles where that is faster."""
        thrice = [self.mode == "nearest" and 3 * m.shape[-1] < size and size % m.shape[-1] == 0 for m in maps]
        sizes = [3 * m.shape[-1] if small else size for m, small in zip(maps, thrice, strict=True)]
        enlarged = [concatenate_features([m], target, self.mode) for m, target in zip(maps, sizes, strict=True)]
        # Tiles are cut from channels-last maps, and cuDNN convolves such maps faster.
        merged = [m.contiguous(memory_format=torch.channels_last) for m in merge_sizes(enlarged)]
        return [to_tiles(m) if m.device.type == "cpu" and not m.requires_grad else m for m in merged]

    def forward(self, prepared: Sequence[Prepared], size: int) -> Tensor:
        first, *others = self.layers
        weights = first.weight.split([_channels(part) for part in prepared], dim=1)
        biases = [first.bias, *[None] * (len(prepared) - 1)]  # added once
        parts = [_convolve(*group) for group in zip(prepared, weights, biases, strict=True)]
        logits = reduce(torch.add, (_repeat_middles(part, size) for part in parts))
        for layer in others:
            logits = layer(F.leaky_relu(logits, NEGATIVE_SLOPE))
        return logits


HEADS = {
    "mlp1": (MLP, 1),
    "mlp3": (MLP, 3),
    "fcn1": (FCN, 1),  # as small as the released code's (decision 27)
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


def merge_sizes(maps: Sequence[Tensor]) -> list[Tensor]:
    """Neighbouring maps of one size as one: fewer, larger products, and the order of channels stays."""
    groups = (list(same) for _, same in groupby(maps, key=lambda m: m.shape[-1]))
    return [torch.cat(same, dim=1) if len(same) > 1 else same[0] for same in groups]


def _channels(part: Prepared) -> int:
    return part.channels if isinstance(part, Tiles) else part.shape[1]


def _convolve(part: Prepared, weight: Tensor, bias: Tensor | None) -> Tensor:
    if isinstance(part, Tiles):
        return convolve_tiles(part, weight, bias)
    return F.conv2d(part, weight, bias, padding=1)


def _repeat_middles(part: Tensor, size: int) -> Tensor:
    """[N, C, 3s, 3s] -> [N, C, size, size]: of each three pixels the middle one is repeated; else as is."""
    if part.shape[-1] == size:
        return part
    factor = 3 * size // part.shape[-1]
    target = torch.arange(size, device=part.device)
    within = target % factor
    source = 3 * (target // factor) + (within > 0).long() + (within == factor - 1).long()
    rows = part.permute(0, 2, 3, 1)  # channels last: a pixel's channels are copied as one
    return rows.index_select(1, source).index_select(2, source).permute(0, 3, 1, 2)


def _layers(in_channels: int, widths: Sequence[int], kernel: int) -> list[nn.Conv2d]:
    """A convolution per width, its weights unset: `initialise` draws them from an explicit generator."""
    pairs = zip([in_channels, *widths[:-1]], widths, strict=True)
    return [nn.utils.skip_init(nn.Conv2d, a, b, kernel, padding=kernel // 2) for a, b in pairs]
