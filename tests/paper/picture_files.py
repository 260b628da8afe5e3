"""What the tests of figures made of pictures share: tiny files of pictures, and finding a colour's tile in a PNG."""

from pathlib import Path

import numpy as np
from PIL import Image

LABELS = str(Path(__file__).parents[2] / "config/labels/face.yaml")
SIZE = 8


def plain(value):
    """An image of (value, 0, 0): no text and no label has such a colour."""
    return np.full((SIZE, SIZE, 3), [value, 0, 0], np.uint8)


def label_map(value):
    return np.full((SIZE, SIZE), value, np.uint8)


def write_pictures(path, values, labels, **arrays):
    """Images of these red values with label maps of one label each; returns the path."""
    images, maps = np.stack([plain(value) for value in values]), np.stack([label_map(label) for label in labels])
    np.savez(path, images=images, label_maps=maps, **arrays)
    return str(path)


def outputs_in(folder, name="figure"):
    return {ending: str(folder / f"{name}.{ending}") for ending in ("pdf", "png")}


def drawn(outputs):
    """The PNG's pixels; the PDF must be there as well."""
    assert Path(outputs["pdf"]).read_bytes().startswith(b"%PDF")
    return np.asarray(Image.open(outputs["png"]).convert("RGB")).astype(int)


def corner(pixels, colour):
    """[row, column] of the upper left pixel of a colour."""
    places = np.argwhere((pixels == colour).all(2))
    assert len(places), f"no pixel of {colour}"
    return places.min(0)
