"""Hidden features without the giant map (Eq. 8, decision 13).

The paper upsamples every feature map to the image size and concatenates them: at 256 px that is 5376 x 256 x 256
numbers per image. A linear map commutes with both steps, W concat(U(H_l)) = sum_l U(W_l H_l), so the projection is
applied to each map at its native size; and where only some pixels are needed, only those are gathered.

Arguments that do not fit, or that hold NaN or an infinity, are a ValueError that names them.

`size` is the target height and width (one int for a square); `mode` is "nearest" or "bilinear", the latter from each
map directly to the target size with align_corners=False. Maps larger than the target are sampled by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.kernels.checks import check_finite, check_floating

Size = int | tuple[int, int]
MODES = ("nearest", "bilinear")
WIDE = 32  # channels from which channels-last maps are faster


def concatenate_features(features: Sequence[Tensor], size: Size, mode: str = "nearest") -> Tensor:
    """Eq. 8 as printed: maps [N, C_l, h_l, w_l] -> [N, sum C_l, H, W]. The reference for the two functions below."""
    _check(features, mode)
    check_finite(features=features)
    return torch.cat([_resize(feature, _height_width(size), mode) for feature in features], dim=1)


def split_weight(weight: Tensor, channels: Sequence[int]) -> tuple[Tensor, ...]:
    """Columns of `weight` [D, C] that belong to each map; ValueError unless the channels add up to C."""
    if weight.ndim != 2 or weight.shape[1] != sum(channels) or len(weight) == 0:
        raise ValueError(f"weight: shape {tuple(weight.shape)}, expected [D, {sum(channels)}] for the maps' channels")
    return weight.split(list(channels), dim=1)


def project_features(features: Sequence[Tensor], weight: Tensor, size: Size, mode: str = "nearest") -> Tensor:
    """Linear projection of the concatenated features: weight [D, C] -> [N, D, H, W] (decision 13).

    Equals einsum("dc,nchw->ndhw", weight, concatenate_features(features, size, mode)) up to rounding. Maps in half
    precision are added in single precision; ValueError where their projection overflows.
    """
    _check(features, mode)
    check_floating(features=features[0], weight=weight)
    check_finite(weight=weight, features=features)
    height_width = _height_width(size)
    # torch resizes maps many times faster where a pixel's channels lie side by side, if there are enough of them.
    channels_last = weight.shape[0] >= WIDE
    native: dict[tuple[int, int], Tensor] = {}
    exact = torch.promote_types(weight.dtype, torch.float32)
    for feature, part in zip(features, split_weight(weight, _channels(features)), strict=True):
        if channels_last:
            projected = torch.matmul(feature.permute(0, 2, 3, 1), part.T).permute(0, 3, 1, 2)
        else:
            projected = torch.matmul(part, feature.flatten(2)).unflatten(2, feature.shape[2:])
        projected = projected.to(exact)
        # Maps of one size share one upsampling, which is linear too.
        key = (feature.shape[2], feature.shape[3])
        native[key] = native[key].add_(projected) if key in native else projected
    sizes = sorted(native)
    if mode == "nearest" and all(_divides(*pair) for pair in pairwise([*sizes, height_width])):
        # From map to map: each pixel is added to the pixels that stem from it, and no map is enlarged but the last.
        summed = reduce(_add_enlarged, (native[key] for key in sizes))
        return _narrowed(_resize(summed, height_width, mode), weight.dtype)
    # The largest first: it needs no copy, and the others are added in place.
    resized = (_resize(native[key], height_width, mode) for key in reversed(sizes))
    return _narrowed(reduce(Tensor.add_, resized), weight.dtype)


def _narrowed(summed: Tensor, dtype: torch.dtype) -> Tensor:
    """In half precision again, where the arguments were."""
    if summed.dtype == dtype:
        return summed
    narrow = summed.to(dtype)
    check_finite(**{"features: too large for their type": narrow})
    return narrow


def _divides(small: tuple[int, int], large: tuple[int, int]) -> bool:
    return large[0] % small[0] == 0 and large[1] % small[1] == 0


def _add_enlarged(coarse: Tensor, fine: Tensor) -> Tensor:
    """fine [N, D, H, W] += coarse [N, D, h, w] enlarged by nearest upsampling, where h divides H and w divides W."""
    blocks = fine.unflatten(3, (coarse.shape[3], -1)).unflatten(2, (coarse.shape[2], -1))
    blocks.add_(coarse[:, :, :, None, :, None])
    return fine


def row_strips(features: Sequence[Tensor], size: int, pixels: int) -> Iterator[tuple[list[Tensor], tuple[int, int]]]:
    """Maps [N, C_l, h_l, w_l] cut into strips of rows, each with its target (rows, `size`), top to bottom.

    What nearest upsampling makes of the strips, one below the other, is what it makes of the maps; no strip has more
    than `pixels` pixels in all images if halving the rows leads there. One strip holds all where sizes do not divide.
    """
    _check(features, "nearest")
    _height_width(size)
    heights, rows = [feature.shape[2] for feature in features], size
    while features[0].shape[0] * size * rows > pixels and rows % 2 == 0:
        rows //= 2
    # A strip takes whole rows of a map, or a row makes several strips; else the map is not cut.
    if any(rows * height % size and size % (rows * height) for height in heights):
        rows = size
    for start in range(0, size, rows):
        ends = [(start * height // size, max(1, rows * height // size)) for height in heights]
        yield [feature.narrow(2, *end) for feature, end in zip(features, ends, strict=True)], (rows, size)


def gather_pixels(features: Sequence[Tensor], pixels: Tensor, size: Size, mode: str = "nearest") -> Tensor:
    """Concatenated features of some pixels alone: [N, P, C].

    `pixels` [N, P] int64 are flat row-major indices into H x W, one set per image. Differentiable in the features.
    """
    _check(features, mode)
    height, width = _height_width(size)
    count = features[0].shape[0]
    if pixels.ndim != 2 or pixels.shape[0] != count or pixels.dtype != torch.int64:
        raise ValueError(f"pixels: {pixels.dtype} of shape {tuple(pixels.shape)}, expected int64 [{count}, P]")
    if pixels.numel() and (int(pixels.min()) < 0 or int(pixels.max()) >= height * width):
        raise ValueError(f"pixels: an index lies outside the {height} x {width} image")
    check_finite(features=features)
    rows, columns = pixels // width, pixels % width
    return torch.cat([_gather(feature, rows, columns, (height, width), mode) for feature in features], dim=2)


def _gather(feature: Tensor, rows: Tensor, columns: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """One map's features [N, P, C_l] at target rows and columns [N, P]."""
    table = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    height, width = feature.shape[2:]
    image = torch.arange(feature.shape[0], device=feature.device)[:, None] * (height * width)
    total = None
    for row, row_share in _sources(height, size[0], rows, mode, feature.dtype):
        for column, column_share in _sources(width, size[1], columns, mode, feature.dtype):
            picked = table.index_select(0, (image + row * width + column).flatten()).unflatten(0, rows.shape)
            if row_share is not None:
                picked = picked * (row_share * column_share)[..., None]
            total = picked if total is None else total + picked
    return total


def _sources(
    length: int, target: int, positions: Tensor, mode: str, dtype: torch.dtype
) -> list[tuple[Tensor, Tensor | None]]:
    """Source indices along one axis and their shares (None: the whole) for target positions."""
    if mode == "nearest":
        # Asking torch which source it takes keeps its own rounding where the ratio is not whole.
        source = torch.arange(length, dtype=torch.float32, device=positions.device)[None, None]
        return [(F.interpolate(source, target, mode="nearest")[0, 0].long()[positions], None)]
    exact = torch.promote_types(dtype, torch.float32)  # half precision does not tell pixels apart
    centre = ((torch.arange(target, dtype=exact, device=positions.device) + 0.5) * (length / target) - 0.5).clamp(min=0)
    low = centre.floor().long().clamp(max=length - 1)
    share = (centre - low).to(dtype)[positions]
    return [(low[positions], 1 - share), ((low + 1).clamp(max=length - 1)[positions], share)]


def _resize(feature: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    if tuple(feature.shape[2:]) == size:
        return feature
    return F.interpolate(feature, size, mode=mode, align_corners=False if mode == "bilinear" else None)


def _height_width(size: Size) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if not (isinstance(height, int) and isinstance(width, int)):
        raise ValueError(f"size: {size!r}, expected whole numbers")
    if height < 1 or width < 1:
        raise ValueError(f"size: {height} x {width}, expected at least one pixel")
    return height, width


def _channels(features: Sequence[Tensor]) -> list[int]:
    return [feature.shape[1] for feature in features]


def _check(features: Sequence[Tensor], mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r} is not one of {', '.join(MODES)}")
    if not features or any(feature.ndim != 4 or feature.shape[0] != features[0].shape[0] for feature in features):
        shapes = [tuple(feature.shape) for feature in features]
        raise ValueError(f"features: expected maps [N, C, h, w] of one batch, found shapes {shapes}")
    if any(feature.numel() == 0 for feature in features):
        raise ValueError("features: a map is empty; expected at least one image, channel and pixel")
    for feature in features:
        check_floating(**{"features[0]": features[0], "features": feature})
