"""CelebAMask-HQ: 30,000 faces of 1024 px with 18 parts, each a file of 512 px where it is visible."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from onemask.data.parts import Layout, PartImage, Parts, check_layout, read_grey, read_lines, read_rgb
from onemask.errors import OnemaskError

IMAGES, MASKS, MAPPING = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", "CelebA-HQ-to-CelebA-mapping.txt"
LAYOUT = Layout("CelebAMask-HQ", (IMAGES, MASKS, MAPPING), "https://github.com/switchablenorms/CelebAMask-HQ")
PER_FOLDER = 2000
# in the order of the data set's own indices: later ones cover earlier ones
ORDER = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip"),
    *("hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
VALIDATION, TEST = 162_771, 182_638  # first CelebA ids of these splits


def read(root: str | Path, name: str = "face") -> list[PartImage]:
    """All images in the order of the mapping list, with CelebA's official splits.

    OnemaskError lists what the folder lacks, or names the line of the list that is none.
    """
    root = Path(root)
    check_layout(root, LAYOUT)
    images = []
    for number, words in enumerate(read_lines(root / MAPPING)):
        if number == 0 and not words[0].isdigit():  # the heading
            continue
        if len(words) < 2 or not (words[0].isdigit() and words[1].isdigit()):
            raise OnemaskError(f"{root / MAPPING}: line {number + 1} is {' '.join(words)!r}, not an index and an id")
        index, original = int(words[0]), int(words[1])
        split = "train" if original < VALIDATION else "validation" if original < TEST else "test"
        images.append(PartImage(f"{index:05d}", split, partial(_load, root, index)))
    return images


def _load(root: Path, index: int) -> tuple[np.ndarray, Parts]:
    folder = root / MASKS / str(index // PER_FOLDER)
    files = [(part, folder / f"{index:05d}_{part}.png") for part in ORDER]
    parts = [(part, read_grey(path) > 0) for part, path in files if path.is_file()]
    return read_rgb(root / IMAGES / f"{index}.jpg"), parts
