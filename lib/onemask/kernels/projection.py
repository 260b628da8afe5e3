"""Hidden features without the giant map (Eq. 8, decision 13).

The paper upsamples every feature map to the image size and concatenates them: at 256 px that is 5376 x 256 x 256
numbers per image. A linear map commutes with both steps, W concat(U(H_l)) = sum_l U(W_l H_l), so the projection is
applied to each map at its native size; and where only some pixels are needed, only those are gathered, before the
projection or after it, whichever is less to multiply.

Arguments that do not fit, or that hold NaN or an infinity that result or gradient would meet, are a ValueError that
names them.

`size` is the target height and width (one int for a square); `mode` is "nearest" or "bilinear", the latter from each
map directly to the target size with align_corners=False. Maps larger than the target are sampled by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.kernels.checks import all_finite, check_finite, check_floating

Size = int | tuple[int, int]
Sources = Sequence[tuple[Tensor, Tensor | None]]  # indices into a map's pixels, and their shares (None: the whole)
MODES = ("nearest", "bilinear")
BANDS = {"cpu": 64, "cuda": 256}  # rows and columns of an enlarged map that are made at a time


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
    """Linear projection of the concatenated features: weight [D, C] -> [N, D, H, W], channels last (decision 13).

    Equals einsum("dc,nchw->ndhw", weight, concatenate_features(features, size, mode)) up to rounding. Maps in half
    precision are added in single precision. ValueError where the projection overflows.
    """
    _check(features, mode)
    check_floating(features=features[0], weight=weight)
    height_width = _height_width(size)
    *coarse, (own, z) = _project_native(features, split_weight(weight, _channels(features)), height_width, mode)
    z = _enlarge(z, own, height_width, mode)
    for own, part in coarse:
        _add_enlarged(z, part, own, height_width, mode)
    z = z.to(weight.dtype)
    # What is not finite shows in the result, of which there is less to read where labels are few.
    if not all_finite(z):
        check_finite(weight=weight, features=features)
        raise ValueError(f"features: their projection is too large for {weight.dtype}")
    return z.unflatten(1, height_width).permute(0, 3, 1, 2)


def project_pixels(
    features: Sequence[Tensor], weight: Tensor, pixels: Tensor, size: Size, mode: str = "nearest"
) -> Tensor:
    """Linear projection of some pixels' features: weight [D, C] -> [N, P, D], differentiable in weight and features.

    Equals F.linear(gather_pixels(features, pixels, size, mode), weight) up to rounding: a map of no more than P pixels
    is projected before they are picked, since several of them share one of the map's. ValueError where the projection
    overflows.
    """
    height_width = _check_pixels(features, pixels, size, mode)
    check_floating(features=features[0], weight=weight)
    places = pixels // height_width[1], pixels % height_width[1]
    maps = list(zip(features, split_weight(weight, _channels(features)), strict=True))
    small = [(feature, part) for feature, part in maps if feature[0, 0].numel() <= pixels.shape[1]]
    large = [(feature, part) for feature, part in maps if feature[0, 0].numel() > pixels.shape[1]]
    z, projected = None, _project_native(*zip(*small, strict=True), height_width, mode) if small else []
    for own, native in projected:
        picked = _pick(native, _sources(own, height_width, places, mode, native))
        z = picked if z is None else z.add_(picked)
    for feature, part in large:
        sources = _sources(feature.shape[2:], height_width, places, mode, feature)
        z = _add_product(z, _pick(_rows(feature), sources), part)
    z = z.to(weight.dtype)
    # What is not finite shows in what is computed of it, of which there is less to read. What no pixel takes from a
    # small map counts as well: the weight's gradient would multiply it by zero.
    if not all_finite(z, *(native for _, native in projected)):
        check_finite(weight=weight, features=features)
        raise ValueError(f"features: their projection is too large for {weight.dtype}")
    return z


def _project_native(
    features: Sequence[Tensor], parts: Sequence[Tensor], size: tuple[int, int], mode: str
) -> list[tuple[tuple[int, int], Tensor]]:
    """Sizes (h, w) and projections [N, h w, D]; enlarged and added, they are the projection of all maps.

    A single one where every size divides the next. In single precision at least.
    """
    sizes = sorted({(feature.shape[2], feature.shape[3]) for feature in features})
    # Nearest, from map to map: each pixel is added to the pixels that stem from it.
    nested = mode == "nearest" and all(_divides(*pair) for pair in pairwise([*sizes, size]))
    sums: list[tuple[tuple[int, int], Tensor]] = []
    for own in sizes:
        z = None
        if nested and sums:
            smaller, z = sums.pop()
            z = _enlarge(z, smaller, own, mode)
        for feature, part in zip(features, parts, strict=True):
            if (feature.shape[2], feature.shape[3]) == own:
                z = _add_product(z, _rows(feature), part)
        sums.append((own, z))
    return sums


def _rows(feature: Tensor) -> Tensor:
    """A map [N, C, h, w] as [N, h w, C], without a copy."""
    return feature.flatten(2).transpose(1, 2)


def _add_product(z: Tensor | None, rows: Tensor, part: Tensor) -> Tensor:
    """z [N, P, D] + the projection of rows [N, P, C] by part [D, C], in place of z where there is one."""
    # A matrix product takes both as they lie, and adds to what is there: nothing is copied.
    part = part.T.expand(len(rows), -1, -1)
    if z is None:
        z = torch.bmm(rows, part)
        return z.to(torch.promote_types(z.dtype, torch.float32))
    return z.baddbmm_(rows, part) if z.dtype == rows.dtype else z.add_(torch.bmm(rows, part))


def _divides(small: tuple[int, int], large: tuple[int, int]) -> bool:
    return large[0] % small[0] == 0 and large[1] % small[1] == 0


def _enlarge(z: Tensor, own: tuple[int, int], size: tuple[int, int], mode: str) -> Tensor:
    """z [N, h w, D] at another size: itself at its own, new memory otherwise."""
    if own == size:
        return z
    if mode == "nearest" and _divides(own, size):
        down, across = size[0] // own[0], size[1] // own[1]
        z = z.unflatten(1, own)
        if z.requires_grad:  # axis by axis, since torch sums gradients along one axis faster
            wide = z[:, :, :, None].expand(-1, -1, -1, across, -1).reshape(len(z), own[0], 1, -1)
            return wide.expand(-1, -1, down, -1).reshape(len(z), size[0] * size[1], -1)
        enlarged = z.new_empty(len(z), size[0] * size[1], z.shape[3])
        enlarged.view(len(z), own[0], down, own[1], across, -1).copy_(z[:, :, None, :, None])
        return enlarged
    return _add_enlarged(z.new_zeros(len(z), size[0] * size[1], z.shape[2]), z, own, size, mode)


def _add_enlarged(total: Tensor, z: Tensor, own: tuple[int, int], size: tuple[int, int], mode: str) -> Tensor:
    """total [N, H W, D], contiguous, += z [N, h w, D] enlarged: linear along each axis, it is two matrix products.

    They are made band by band: of such a matrix's row all but two numbers are zero, and those of near rows are near.
    """
    down, across = (_resampling(*axis, mode, z) for axis in zip(own, size, strict=True))
    total, z = total.unflatten(1, size), z.unflatten(1, own)
    band = BANDS.get(z.device.type, BANDS["cpu"])
    for rows, from_rows in _bands(own[0], size[0], band):
        for columns, from_columns in _bands(own[1], size[1], band):
            wide = torch.matmul(across[columns, from_columns], z[:, from_rows, from_columns])
            shares = down[rows, from_rows].expand(len(z), -1, -1)
            block = total[:, rows, columns]
            block.view(*block.shape[:2], -1).baddbmm_(shares, wide.flatten(2))
    return total.flatten(1, 2)


def _bands(length: int, target: int, band: int) -> list[tuple[slice, slice]]:
    """Parts of an enlarged axis, `band` pixels each, and the parts of the axis that they stem from."""
    ends = [(start, min(start + band, target)) for start in range(0, target, band)]
    sources = [(max(0, start * length // target - 1), -(-stop * length // target) + 1) for start, stop in ends]
    return [(slice(*end), slice(*source)) for end, source in zip(ends, sources, strict=True)]


def _resampling(length: int, target: int, mode: str, like: Tensor) -> Tensor:
    """The matrix [target, length] by which torch resizes an axis."""
    eye = torch.eye(length, dtype=like.dtype, device=like.device)[None]
    if mode == "nearest":
        return F.interpolate(eye, target, mode="nearest")[0].T
    return F.interpolate(eye, target, mode="linear", align_corners=False)[0].T


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
    height_width = _check_pixels(features, pixels, size, mode)
    check_finite(features=features)
    places, picked = (pixels // height_width[1], pixels % height_width[1]), []
    for feature in features:
        sources = _sources(feature.shape[2:], height_width, places, mode, feature)
        picked.append(_pick(_rows(feature), sources))
    return torch.cat(picked, dim=2)


def _pick(feature: Tensor, sources: Sources) -> Tensor:
    """Pixels [N, P, C] of a map [N, h w, C]; a view of one whose channels lie side by side costs no copy."""
    first = torch.arange(len(feature), device=feature.device)[:, None] * feature.shape[1]
    table = feature.flatten(0, 1)
    total = None
    for index, share in sources:
        picked = F.embedding(first + index, table)
        if share is not None:
            picked = picked * share[:, :, None]
        total = picked if total is None else total + picked
    return total


def _sources(
    own: Sequence[int], size: tuple[int, int], places: tuple[Tensor, Tensor], mode: str, like: Tensor
) -> Sources:
    """Pixels [N, P] of a map of h x w that make those at target rows and columns [N, P]."""
    rows, columns = (_axis_sources(*axis, mode, like.dtype) for axis in zip(own, size, places, strict=True))
    return [
        (row * own[1] + column, None if row_share is None else row_share * column_share)
        for row, row_share in rows
        for column, column_share in columns
    ]


def _axis_sources(length: int, target: int, positions: Tensor, mode: str, dtype: torch.dtype) -> Sources:
    """Source indices along one axis, and their shares, for target positions."""
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


def _check_pixels(features: Sequence[Tensor], pixels: Tensor, size: Size, mode: str) -> tuple[int, int]:
    """Height and width; ValueError unless `pixels` [N, P] are indices into them."""
    _check(features, mode)
    height, width = _height_width(size)
    count = features[0].shape[0]
    if pixels.ndim != 2 or pixels.shape[0] != count or pixels.dtype != torch.int64:
        raise ValueError(f"pixels: {pixels.dtype} of shape {tuple(pixels.shape)}, expected int64 [{count}, P]")
    if pixels.numel() and (int(pixels.min()) < 0 or int(pixels.max()) >= height * width):
        raise ValueError(f"pixels: an index lies outside the {height} x {width} image")
    return height, width


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
