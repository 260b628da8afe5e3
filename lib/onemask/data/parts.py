"""Real images with their data set's own parts, and how these become a class's labels (config/datasets/).

A data set is a list of `PartImage`s; its mapping file names the label of each part. Parts are painted in the data set's
order, so that later ones cover earlier ones; a rare label is a mask of its own (decision 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onemask.errors import OnemaskError
from onemask.files import read_yaml
from onemask.labels import LabelSet

Parts = Sequence[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class PartImage:
    """An image of a data set: `load` gives uint8 [H, W, 3] and (part, bool [h, w]) in painting order.

    Masks are of one size with each other, not always with the image. `split` is the data set's own, None without.
    """

    name: str
    split: str | None
    load: Callable[[], tuple[np.ndarray, Parts]]


@dataclass(frozen=True)
class PartMapping:
    """parts: a part to its label; rare: a rare label to the parts that are it. `path` is the file, for errors."""

    path: str
    parts: dict[str, str]
    rare: dict[str, tuple[str, ...]]


def read_mapping(path: str | Path, labels: LabelSet) -> PartMapping:
    """Read config/datasets/<data set>.<class>.yaml; OnemaskError names a label that the class does not have."""

    def parse(content: Any) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        parts = {str(part): str(label) for part, label in content["parts"].items()}
        return parts, {str(label): tuple(map(str, names)) for label, names in (content.get("rare") or {}).items()}

    parts, rare = read_yaml(path, "a mapping of parts", parse)
    if unknown := [name for name in (*parts.values(), *rare) if name not in (*labels.names, *labels.rare)]:
        raise OnemaskError(f"{path}: {unknown[0]!r} is no label of the class; it has {', '.join(labels.names)}")
    return PartMapping(str(path), parts, rare)


def paint(parts: Parts, mapping: PartMapping, labels: LabelSet) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Label map uint8 [h, w], and a bool [h, w] of each of the mapping's rare labels.

    Numbers at the end of a part's name (`door_2`) do not count. OnemaskError for a part that the mapping does not name
    and for no part at all.
    """
    if not parts:
        raise OnemaskError("has no part")
    shape = parts[0][1].shape
    label_map = np.zeros(shape, np.uint8)
    rare = {label: np.zeros(shape, bool) for label in mapping.rare}
    for numbered, mask in parts:
        part = re.sub(r"_\d+$", "", numbered)
        if mask.shape != shape:
            raise OnemaskError(f"the mask of {numbered} is {list(mask.shape)}, others are {list(shape)}")
        if part not in mapping.parts:
            raise OnemaskError(f"the part {part!r} is not in {mapping.path}; give it a label, or `background`")
        label_map[mask] = labels.index(mapping.parts[part])
        for label, members in mapping.rare.items():
            if part in members:
                rare[label] |= mask
    return label_map, rare


@dataclass(frozen=True)
class Labelled:
    """An image as a generator of R px would make it: uint8 [R, R, 3], its label map uint8 [R, R], bool rare masks."""

    name: str
    image: np.ndarray
    label_map: np.ndarray
    rare: dict[str, np.ndarray]


def labelled(image: PartImage, mapping: PartMapping, labels: LabelSet, size: int) -> Labelled:
    """The image and its labels at `size` px; OnemaskError names an image that cannot be painted.

    Masks may be larger or smaller than their image, not longer or wider: they would lie elsewhere.
    """
    pixels, parts = image.load()
    try:
        label_map, rare = paint(parts, mapping, labels)
    except OnemaskError as error:
        raise OnemaskError(f"image {image.name}: {error}") from None
    (height, width), (rows, columns) = pixels.shape[:2], label_map.shape
    if abs(height * columns - width * rows) > max(height, width):  # a pixel more or less comes of rounding
        sizes = f"{columns} x {rows}, the image {width} x {height}"
        raise OnemaskError(f"image {image.name}: its masks are {sizes}, of another shape; unpack both again")
    masks = {name: to_square(mask, size) for name, mask in rare.items()}
    return Labelled(image.name, to_square(pixels, size), to_square(label_map, size), masks)


def to_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H, W, 3], or a label map or mask [H, W], padded with zeros to a square around it and scaled to `size`."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padding = [(top, side - height - top), (left, side - width - left), *[(0, 0)] * (pixels.ndim - 2)]
    image = Image.fromarray(np.pad(pixels, padding).astype(np.uint8))
    scaled = image.resize((size, size), Image.Resampling.LANCZOS if pixels.ndim == 3 else Image.Resampling.NEAREST)
    return np.asarray(scaled).astype(pixels.dtype)


def read_rgb(path: Path) -> np.ndarray:
    """uint8 [H, W, 3]; OnemaskError names a file that is missing or no image."""
    return _read(path, "RGB")


def read_grey(path: Path) -> np.ndarray:
    """uint8 [H, W]; OnemaskError names a file that is missing or no image."""
    return _read(path, "L")


def _read(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert(mode))
    except (OSError, ValueError, SyntaxError) as error:
        raise OnemaskError(f"{path}: not a readable image ({error}); unpack the archive again") from None


def read_lines(path: Path) -> list[list[str]]:
    """The words of each line that has any; byte-order marks and Windows' line ends do not matter."""
    try:
        return [words for line in path.read_text("utf-8-sig").splitlines() if (words := line.split())]
    except (OSError, UnicodeDecodeError) as error:
        raise OnemaskError(f"{path}: not a readable list ({error}); unpack the archive again") from None


@dataclass(frozen=True)
class Layout:
    """What a data set's folder must hold, its name, and the page where its owners hand it out."""

    name: str
    needed: tuple[str, ...]
    page: str


def check_layout(root: Path, layout: Layout) -> None:
    """OnemaskError that lists what `root` lacks of a data set, or says that it lies one folder too deep."""
    needed, name = layout.needed, layout.name
    missing = [path for path in needed if not (root / path).exists()]
    if not missing:
        return
    nested = [path for path in sorted(root.glob("*/")) if all((path / part).exists() for part in needed)]
    if nested:
        raise OnemaskError(f"{root}: {name} lies one folder too deep, in {nested[0]}; state that folder")
    raise OnemaskError(f"{root}: {name} is not there: no {', '.join(missing)}; unpack its archive ({layout.page})")
