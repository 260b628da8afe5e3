"""3x3 convolutions of a constant map in a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), Eq. 8: a 4 x 4 tile of the output is
A^T [(G w G^T) * (B^T d B)] A, with d the 6 x 6 window of the input and w the kernel. B^T d B does not depend on the
kernel. Where one map meets many kernels (every epoch of a fit, every exemplar's head) it is made once, and a
convolution is 36 small matrix products. The interpolation points are 0, 1, -1, 2, -2 and infinity; in float32 the
result is within about 2e-5 of its scale.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.kernels.checks import check_finite, check_floating

TILE, WINDOW = 4, 6

B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
A_T = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


class Tiles(NamedTuple):
    """B^T d B of all windows of maps [N, C, height, width], zero padded: float [36, N, rows, columns, C]."""

    values: Tensor
    height: int
    width: int

    @property
    def channels(self) -> int:
        return self.values.shape[-1]


def to_tiles(maps: Tensor) -> Tiles:
    """The transformed windows of maps [N, C, H, W], 2.25 times their numbers (more where 4 does not divide H or W)."""
    if maps.ndim != 4 or maps.numel() == 0:
        raise ValueError(f"maps: shape {tuple(maps.shape)}, expected [N, C, H, W] with at least one pixel")
    check_floating(maps=maps)
    check_finite(maps=maps)
    height, width = maps.shape[2:]
    below, right = -height % TILE, -width % TILE
    padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + below))
    windows = padded.unfold(1, WINDOW, TILE).unfold(2, WINDOW, TILE).permute(4, 5, 0, 1, 2, 3)
    values = _two_sided(B_T, maps.dtype, maps.device) @ windows.reshape(WINDOW * WINDOW, -1)
    return Tiles(values.view(-1, *windows.shape[2:]), height, width)


def convolve_tiles(tiles: Tiles, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """conv2d(maps, weight, bias, padding=1) of the maps behind `tiles`: weight [D, C, 3, 3] -> [N, D, H, W].

    Differentiable in weight and bias. The result lies channels last.
    """
    points, count, rows, columns, channels = tiles.values.shape
    if weight.ndim != 4 or tuple(weight.shape[1:]) != (channels, 3, 3) or len(weight) == 0:
        raise ValueError(f"weight: shape {tuple(weight.shape)}, expected [D, {channels}, 3, 3] for the tiles' channels")
    if bias is not None and tuple(bias.shape) != (len(weight),):
        raise ValueError(f"bias: shape {tuple(bias.shape)}, expected [{len(weight)}] as of weight")
    given = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    check_floating(tiles=tiles.values, **given)
    check_finite(**given)
    kernels = weight.permute(2, 3, 1, 0).reshape(9, -1)
    kernels = (_two_sided(G, weight.dtype, weight.device) @ kernels).view(points, channels, -1)
    products = torch.bmm(tiles.values.view(points, -1, channels), kernels)
    outputs = _two_sided(A_T, weight.dtype, weight.device) @ products.view(points, -1)
    outputs = outputs.view(TILE, TILE, count, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
    outputs = outputs.reshape(count, TILE * rows, TILE * columns, -1)[:, : tiles.height, : tiles.width]
    outputs = outputs if bias is None else outputs + bias
    return outputs.permute(0, 3, 1, 2)


@cache
def _two_sided(matrix: tuple[tuple[float, ...], ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """M X M^T as a matrix on X's row-major entries."""
    one_sided = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one_sided, one_sided).to(device, dtype)
