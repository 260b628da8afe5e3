"""DatasetGAN's annotated cats: images with a label map of sixteen values each, as npy."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from onemask.data.parts import Layout, PartImage, Parts, check_layout, read_rgb
from onemask.errors import OnemaskError

FOLDERS = {"train": "annotation/training_data/cat_processed", "test": "annotation/testing_data/cat_16_class"}
PAGE = "https://github.com/nv-tlabs/datasetGAN_release"
LAYOUT = Layout("DatasetGAN's annotation", tuple(FOLDERS.values()), PAGE)
# value -> part
NAMES = (
    *("background", "limbus", "back", "belly", "chest", "leg", "paw", "head", "ear", "eye", "mouth", "tongue", "nose"),
    *("tail", "whiskers", "neck"),
)


def read(root: str | Path, name: str = "cat") -> list[PartImage]:
    """Both folders' images, with the label map of the same number; OnemaskError names a map without an image."""
    root = Path(root)
    check_layout(root, LAYOUT)
    found = []
    for split, folder in FOLDERS.items():
        files = sorted((root / folder).iterdir())
        images = {_number(path): path for path in files if path.suffix in (".jpg", ".jpeg", ".png")}
        for path in sorted((path for path in files if path.suffix == ".npy"), key=_number):
            if (number := _number(path)) not in images:
                raise OnemaskError(f"{path}: there is no image of its number beside it; unpack the archive again")
            found.append(PartImage(f"{split}{number}", split, partial(_load, images[number], path)))
    return found


def _number(path: Path) -> int:
    """The last number of a file's name."""
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found else -1


def _load(image: Path, mask: Path) -> tuple[np.ndarray, Parts]:
    try:
        values = np.load(mask, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{mask}: not a readable label map ({error}); unpack the archive again") from None
    if values.ndim != 2 or values.dtype.kind not in "iu" or not 0 <= values.min() <= values.max() < len(NAMES):
        raise OnemaskError(f"{mask}: expected whole numbers [H, W] below {len(NAMES)}")
    return read_rgb(image), [(NAMES[value], values == value) for value in range(len(NAMES))]
