"""The kernels as the papers write them: what tests hold the others to, and benchmarks measure them against.

Signatures are those of the kernels. Nothing here is used by a study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.kernels.projection import Size, concatenate_features


def project_features(features: Sequence[Tensor], weight: Tensor, size: Size, mode: str = "nearest") -> Tensor:
    """Eq. 8 and a linear layer on its map: weight [D, C] -> [N, D, H, W]."""
    return F.conv2d(concatenate_features(features, size, mode), weight[:, :, None, None])


def gather_pixels(features: Sequence[Tensor], pixels: Tensor, size: Size, mode: str = "nearest") -> Tensor:
    """Rows [N, P, C] of Eq. 8's map, for flat indices [N, P]."""
    rows = concatenate_features(features, size, mode).permute(0, 2, 3, 1).flatten(1, 2)
    return torch.stack([row[index] for row, index in zip(rows, pixels, strict=True)])


def sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Caron et al.'s loop (2020, Algorithm 1): uniform marginals, no guard against overflow."""
    codes = torch.exp(scores / epsilon).T
    codes /= codes.sum()
    prototypes, count = codes.shape
    for _ in range(iterations):
        codes /= codes.sum(dim=1, keepdim=True)
        codes /= prototypes
        codes /= codes.sum(dim=0, keepdim=True)
        codes /= count
    return (codes * count).T


def sinkhorn_log_domain(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """The same iterates on logarithms in float64, which can neither overflow nor lose small entries."""
    exponent = scores.double() / epsilon
    count, prototypes = exponent.shape
    rows = exponent.new_zeros(count, 1)
    for _ in range(iterations):
        columns = -math.log(prototypes) - torch.logsumexp(exponent + rows, dim=0)
        rows = -math.log(count) - torch.logsumexp(exponent + columns, dim=1, keepdim=True)
    return torch.softmax(exponent + columns, dim=1)


def swapped_prediction_loss(
    scores_s: Tensor, scores_t: Tensor, codes_s: Tensor, codes_t: Tensor, temperature: float
) -> Tensor:
    """Eq. 2 and 3 by log_softmax, differentiated by autograd."""
    views = ((scores_s, codes_t), (scores_t, codes_s))
    return sum(-(codes.detach() * F.log_softmax(s / temperature, dim=1)).sum(1).mean() for s, codes in views)


def filter_maps(x: Tensor, kernel: Tensor, up: int, padding: tuple[int, int], gain: float) -> Tensor:
    """Zero-stuff x [N, C, H, W] by `up`, pad before and after, and low-pass with `kernel` [T, T]."""
    n, c, h, w = x.shape
    stuffed = x if up == 1 else x.new_zeros(n, c, h * up, w * up)
    if up > 1:
        stuffed[:, :, ::up, ::up] = x
    taps = (kernel * gain).to(x)[None, None].repeat(c, 1, 1, 1)
    return F.conv2d(F.pad(stuffed, [*padding, *padding]), taps, groups=c)


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    demodulate: bool = True,
    up: int = 1,
    resample_filter: Tensor | None = None,
    offset: Tensor | None = None,
    gain: float = 1.0,
    bias: Tensor | None = None,
    slope: float = 1.0,
) -> Tensor:
    """Karras et al. 2020, Section 2.2: weights scaled per sample, then a convolution with one group per sample."""
    n, c, h, w = x.shape
    scaled = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        scaled = scaled * (scaled.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    merged, scaled = x.reshape(1, n * c, h, w), scaled.to(x.dtype)
    if up == 1:
        y = F.conv2d(merged, scaled.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n).reshape(n, -1, h, w)
    else:
        y = F.conv_transpose2d(merged, scaled.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        y = filter_maps(y.reshape(n, -1, 2 * h + 1, 2 * w + 1), resample_filter, 1, (1, 1), 4.0)
    y = y * gain if offset is None else y * gain + offset
    return F.leaky_relu(y if bias is None else y + bias[:, None, None], slope)
