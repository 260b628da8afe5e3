"""Label maps in their labels' colours: over an image, and as an image with a palette."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor

from onemask.labels import LabelSet


def overlay(image: np.ndarray, label_map: np.ndarray, labels: LabelSet, opacity: float) -> np.ndarray:
    """uint8 [H, W, 3]: the labels' colours over the image. The label map [h, w] is enlarged without interpolation."""
    colours = np.array([ImageColor.getrgb(colour) for colour in labels.colours], dtype=np.float64)
    height, width = image.shape[:2]
    sized = np.asarray(Image.fromarray(label_map).resize((width, height), Image.Resampling.NEAREST))
    return np.rint((1 - opacity) * image + opacity * colours[sized]).astype(np.uint8)


def palette_image(label_map: np.ndarray, labels: LabelSet) -> Image.Image:
    """A label map uint8 [H, W] as an image whose pixels are the labels' values, shown in their colours."""
    image = Image.fromarray(label_map)
    image.putpalette([channel for colour in labels.colours for channel in ImageColor.getrgb(colour)[:3]])
    return image
