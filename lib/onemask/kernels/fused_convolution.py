"""What follows a modulated convolution, in one pass of Triton's (extra `triton`), on a GPU and without a gradient.

torch's operations would read and write the map for each of the low-pass filter of an up-convolution, the demodulation
and noise, the bias and the leaky ReLU; the filter alone, a convolution of every channel by itself, takes two thirds of
a generator's time there (docs/performance.md).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from onemask.kernels.fused import on

COLUMNS, CHANNELS, WARPS = 16, 64, 4  # pixels of a row, channels, and warps of a program
ROWS = 16  # of a program of the filter, which goes down them and adds each input row to the four that need it


def scaled(x: Tensor, scale: Tensor) -> Tensor:
    """x [N, C, h, w] times scale [N, C], channels last."""
    return finish(x, scale, None, None, 1.0, None)


def finish(
    x: Tensor, scale: Tensor, offset: Tensor | None, bias: Tensor | None, slope: float, resample_filter: Tensor | None
) -> Tensor:
    """leaky_relu(scale x + offset + bias), in float32, of a map x [N, C, h, w] channels last, in x's type.

    scale [N, C] or [1, 1]; offset [N or 1, 1, H, W]; bias [C]. With a `resample_filter` [4, 4] (symmetric) x is an
    up-convolution's of [2H' + 1, 2W' + 1] and is low-passed to H = 2H', W = 2W' first, with a gain of four.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    count, channels, height, width = x.shape
    rows = 1
    if resample_filter is not None:
        height, width = height - 1, width - 1
        rows = min(ROWS, triton.next_power_of_2(height))
    y = torch.empty((count, channels, height, width), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    scale = scale.expand(count, channels)
    per_image = 0 if offset is None or len(offset) == 1 else height * width
    block = min(CHANNELS, triton.next_power_of_2(channels))
    across = triton.cdiv(width, COLUMNS)
    grid = (across * triton.cdiv(height, rows), triton.cdiv(channels, block), count)
    options = {"COLUMNS": COLUMNS, "BLOCK": block, "ROWS": rows, "num_warps": WARPS}
    options |= {"UP": resample_filter is not None, "OFFSET": offset is not None, "BIAS": bias is not None}
    with on(x.device):
        # What is None is never read.
        given = (scale, offset, bias, resample_filter)
        pointers = [x if tensor is None else tensor.float().contiguous() for tensor in given]
        _finish[grid](x, *pointers, y, channels, height, width, across, per_image, slope, **options)
    return y


@triton.jit
def _finish(
    x,
    scale,
    offset,
    bias,
    taps,
    y,
    channels,
    height,
    width,
    across,
    per_image,
    slope,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    UP: tl.constexpr,
    OFFSET: tl.constexpr,
    BIAS: tl.constexpr,
):
    """ROWS rows of COLUMNS pixels, BLOCK channels of one image."""
    tile, image = tl.program_id(0), tl.program_id(2).to(tl.int64)
    column = tile % across * COLUMNS + tl.arange(0, COLUMNS)
    first = tile // across * ROWS + tl.zeros_like(column)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    known = channel < channels
    factor = tl.load(scale + image * channels + channel, mask=known, other=0.0)[None, :]
    shift = tl.zeros_like(factor)
    if BIAS:
        shift = tl.load(bias + channel, mask=known, other=0.0)[None, :]
    # Output rows that have met one, two and three of the four input rows that they take.
    one = tl.zeros((COLUMNS, BLOCK), tl.float32)
    two, three = one, one
    for step in range(ROWS + 3 if UP else ROWS):
        if UP:
            down, row = first + step - 1, first + step - 3
            done, three, two, one = three, two, one, tl.zeros((COLUMNS, BLOCK), tl.float32)
            for j in tl.static_range(4):
                # The input has one row and one column more than the output, and a border of one zero.
                right = column + (j - 1)
                there = (down >= 0) & (down <= height) & (right >= 0) & (right <= width)
                place = ((image * (height + 1) + down) * (width + 1) + right)[:, None] * channels + channel[None, :]
                values = tl.load(x + place, mask=there[:, None] & known[None, :], other=0.0).to(tl.float32)
                one += values * (4 * tl.load(taps + j))
                two += values * (4 * tl.load(taps + 4 + j))
                three += values * (4 * tl.load(taps + 8 + j))
                done += values * (4 * tl.load(taps + 12 + j))
        else:
            row = first + step
            there = (row < height) & (column < width)
            place = ((image * height + row) * width + column)[:, None] * channels + channel[None, :]
            done = tl.load(x + place, mask=there[:, None] & known[None, :], other=0.0).to(tl.float32)
        total = done * factor + shift
        there = (row >= first) & (row < height) & (column < width)
        if OFFSET:
            total += tl.load(offset + image * per_image + row * width + column, mask=there, other=0.0)[:, None]
        total = tl.where(total > 0, total, total * slope)
        place = ((image * height + row) * width + column)[:, None] * channels + channel[None, :]
        tl.store(y + place, total, mask=there[:, None] & known[None, :])
