"""PASCAL-Part: PASCAL VOC 2010's images with the parts of their objects, cut out one object an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from onemask.data.parts import Layout, PartImage, Parts, check_layout, read_rgb
from onemask.errors import OnemaskError

ANNOTATIONS, IMAGES = "Annotations_Part", "JPEGImages"
LAYOUT = Layout("PASCAL-Part", (ANNOTATIONS, IMAGES), "http://roozbehm.info/pascal-parts/pascal-parts.html")
MARGIN = 0.1  # of the longer side, around an object's box
LEAST_SIDE, LEAST_SHARE = 32, 0.01  # pixels of an object's box, and of the crop that its parts cover
RIDDEN, RIDER = "horse", "person"  # the data set has no rider


@dataclass(frozen=True)
class Box:
    """Rows top to bottom and columns left to right, the last ones excluded."""

    top: int
    left: int
    bottom: int
    right: int


def read(root: str | Path, name: str) -> list[PartImage]:
    """Crops of the objects of class `name` (`car`, `cat`, `horse`), named <image>_<number of the object>.

    Left out are objects whose box overlaps another of the class, is narrower than 32 px, or whose parts cover less than
    a hundredth of the crop. The persons of an image are painted over the crops of its horses as the part `person`.
    """
    root = Path(root)
    check_layout(root, LAYOUT)
    found = []
    for path in sorted((root / ANNOTATIONS).glob("*.mat")):
        objects = _objects(path)
        own = [each for each in objects if each[0] == name]
        boxes = [_box(mask) for _, mask, _ in own]
        for number, (_, mask, parts) in enumerate(own):
            others = [box for other, box in enumerate(boxes) if other != number and box]
            crop = _crop(boxes[number], others, mask.shape)
            covered = crop is not None and np.any([_cut(part, crop) for _, part in parts] or [False], axis=0)
            if crop is None or np.mean(covered) < LEAST_SHARE:
                continue
            load = partial(_load, root, path, name, number, crop)
            found.append(PartImage(f"{path.stem}_{number}", None, load))
    if not found:
        raise OnemaskError(f"{root / ANNOTATIONS}: no {name} that is whole and large enough")
    return found


def _objects(path: Path) -> list[tuple[str, np.ndarray, Parts]]:
    """(class, mask, parts in the file's order) of every object."""
    from scipy.io import loadmat

    try:
        objects = np.atleast_1d(np.squeeze(loadmat(path)["anno"][0, 0]["objects"]))
        return [(_text(entry["class"]), _mask(entry["mask"]), _parts(entry["parts"])) for entry in objects]
    except Exception as error:  # scipy raises a dozen kinds on damaged bytes
        raise OnemaskError(f"{path}: not an annotation of PASCAL-Part ({error}); unpack the archive again") from None


def _parts(entry: Any) -> list[tuple[str, np.ndarray]]:
    listed = np.atleast_1d(np.squeeze(entry)) if np.size(entry) else []
    return [(_text(part["part_name"]), _mask(part["mask"])) for part in listed]


def _text(entry: Any) -> str:
    return str(np.squeeze(entry))


def _mask(entry: Any) -> np.ndarray:
    while entry.dtype == object:  # MATLAB's cells within cells
        entry = entry.item()
    return np.asarray(entry) > 0


def _box(mask: np.ndarray) -> Box | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1) if len(rows) else None


def _crop(box: Box | None, others: Sequence[Box], shape: tuple[int, int]) -> Box | None:
    """The box with its margin, inside of the image; None for one that is too narrow or not alone."""
    if box is None or min(box.bottom - box.top, box.right - box.left) < LEAST_SIDE:
        return None
    if any(
        box.top < other.bottom and other.top < box.bottom and box.left < other.right and other.left < box.right
        for other in others
    ):
        return None
    margin = round(MARGIN * max(box.bottom - box.top, box.right - box.left))
    return Box(
        max(0, box.top - margin),
        max(0, box.left - margin),
        min(shape[0], box.bottom + margin),
        min(shape[1], box.right + margin),
    )


def _cut(pixels: np.ndarray, box: Box) -> np.ndarray:
    return pixels[box.top : box.bottom, box.left : box.right]


def _load(root: Path, path: Path, name: str, number: int, crop: Box) -> tuple[np.ndarray, Parts]:
    objects = _objects(path)
    parts = [entry for entry in objects if entry[0] == name][number][2]
    people = [(RIDER, mask) for kind, mask, _ in objects if kind == RIDER and name == RIDDEN]
    image = read_rgb(root / IMAGES / f"{path.stem}.jpg")
    if parts[0][1].shape != image.shape[:2]:
        raise OnemaskError(f"{path}: masks are {list(parts[0][1].shape)}, the image {list(image.shape[:2])}")
    return _cut(image, crop), [(part, _cut(mask, crop)) for part, mask in (*parts, *people)]
