"""A hand-drawn annotation: polygons per label in a small JSON file, rasterised to a label map.

{"image_size": 1024, "seed": 99, "truncation": 0.7,
 "polygons": {"hair": [[[x, y], [x, y], ...], ...], "skin": [...], ...}}

Coordinates are pixels of the image as drawn on, x to the right, y down. Labels are painted in the file's order, a
later one over the earlier ones, on background; "background" may appear too, to cut a hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from onemask.errors import OnemaskError
from onemask.files import read_json
from onemask.labels import LabelSet

Polygon = Sequence[Sequence[float]]


@dataclass(frozen=True)
class PolygonAnnotation:
    """Polygons by label, in painting order, over a square image of `image_size` pixels made from `seed`."""

    image_size: int
    seed: int
    truncation: float
    polygons: Mapping[str, Sequence[Polygon]]


def read_polygons(path: str | Path, labels: LabelSet) -> PolygonAnnotation:
    """Read and check an annotation; OnemaskError names the file, the label and what is wrong with it."""
    content = read_json(path)
    try:
        annotation = PolygonAnnotation(
            int(content["image_size"]), int(content["seed"]), float(content["truncation"]), dict(content["polygons"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OnemaskError(f"{path}: not a polygon annotation ({error!r}); see onemask.data.polygons") from None
    for label, polygons in annotation.polygons.items():
        if label not in labels.names:
            raise OnemaskError(f"{path}: label {label!r} is not one of {', '.join(labels.names)}")
        for polygon in polygons:
            _check(path, label, polygon, annotation.image_size)
    return annotation


def _check(path: str | Path, label: str, polygon: Polygon, image_size: int) -> None:
    points = np.asarray(polygon, dtype=object)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise OnemaskError(f"{path}: a polygon of {label!r} is not a list of at least three [x, y] points")
    if not all(isinstance(value, int | float) and 0 <= value <= image_size for value in points.flat):
        raise OnemaskError(f"{path}: a polygon of {label!r} leaves the image, 0 to {image_size}; draw it again")


def rasterise(annotation: PolygonAnnotation, labels: LabelSet, size: int) -> np.ndarray:
    """Label map uint8 [size, size]: painted at the drawn size, then each pixel takes the commonest label under it.

    `size` must divide the drawn size. A tie goes to the smaller label value.
    """
    drawn, factor = annotation.image_size, annotation.image_size // size
    if size < 1 or factor * size != drawn:
        raise OnemaskError(f"resolution {size}: does not divide the annotation's image_size {drawn}; use a divisor")
    canvas = Image.new("L", (drawn, drawn))
    pen = ImageDraw.Draw(canvas)
    for label, polygons in annotation.polygons.items():
        for polygon in polygons:
            pen.polygon([tuple(point) for point in polygon], fill=labels.index(label))
    blocks = np.asarray(canvas).reshape(size, factor, size, factor)
    votes = [(blocks == value).sum((1, 3), dtype=np.int32) for value in range(len(labels))]
    return np.argmax(votes, axis=0).astype(np.uint8)
