"""Images of your own with label maps beside them: images/<name>.png (or .jpg) and label_maps/<name>.png.

A label map's values are the parts' names in config/datasets/folder.<class>.yaml ("0": background, "1": ...). Images
that lie in images/test/ are tested on alone.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from onemask.data.parts import Layout, PartImage, Parts, check_layout, read_rgb
from onemask.errors import OnemaskError

IMAGES, LABEL_MAPS = "images", "label_maps"
SUFFIXES = (".png", ".jpg", ".jpeg")
LAYOUT = Layout("a folder of images with label maps", (IMAGES, LABEL_MAPS), "docs/your-own.md")


def read(root: str | Path, name: str = "") -> list[PartImage]:
    """Every image that has a label map; OnemaskError names a label map without an image, or a folder without any."""
    root = Path(root)
    check_layout(root, LAYOUT)
    images = {path.stem: path for path in sorted((root / IMAGES).rglob("*")) if path.suffix.lower() in SUFFIXES}
    label_maps = sorted((root / LABEL_MAPS).glob("*.png"))
    if not label_maps:
        raise OnemaskError(f"{root / LABEL_MAPS}: holds no png; a label map has the name of its image")
    found = []
    for path in label_maps:
        if path.stem not in images:
            raise OnemaskError(f"{path}: no image {path.stem} in {root / IMAGES}; a label map has its image's name")
        image = images[path.stem]
        split = "test" if image.parent.name == "test" else "train"
        found.append(PartImage(path.stem, split, partial(_load, image, path)))
    return found


def _load(image: Path, label_map: Path) -> tuple[np.ndarray, Parts]:
    pixels = read_rgb(image)
    try:
        with Image.open(label_map) as opened:
            values = np.asarray(opened)
    except (OSError, ValueError, SyntaxError) as error:
        raise OnemaskError(f"{label_map}: not a readable image ({error}); save it as png again") from None
    if values.ndim != 2 or values.dtype != np.uint8:
        raise OnemaskError(f"{label_map}: expected one channel of 8 bits, whose values are labels; found {opened.mode}")
    if values.shape != pixels.shape[:2]:
        sizes = f"{values.shape[1]} x {values.shape[0]}, its image {pixels.shape[1]} x {pixels.shape[0]}"
        raise OnemaskError(f"{label_map}: is {sizes}; draw it on the image itself")
    return pixels, [(str(value), values == value) for value in np.unique(values)]
