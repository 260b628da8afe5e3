"""A picture of one annotated image and of unseen images with their predicted label maps. Draws; knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from onemask.data.colours import overlay
from onemask.files import atomic, read_npz
from onemask.labels import LabelSet

Picture = tuple[np.ndarray, np.ndarray]
MARGIN, GAP, LINE = 16, 6, 22
INK = "#202020"


def load_pictures(path: str | Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs (image, label map) of what onemask.evaluation.pictures wrote; OnemaskError if it is something else."""
    names = ("images", "label_maps")
    content = read_npz(path, names, "file of pictures", "run the rule that makes it again")
    return list(zip(*(content[name] for name in names), strict=True))


def draw_gallery(
    exemplar: Picture,
    unseen: Sequence[Picture],
    labels: LabelSet,
    columns: int,
    tile: int,
    opacity: float,
    source: str = "",
) -> Image.Image:
    """RGB picture: at the left the exemplar above its annotation, at the right pairs of image and prediction.

    A picture is an image uint8 [H, W, 3] with its label map uint8 [h, w]; `tile` is the side of an unseen image,
    `source` the study and method that the title names.
    """
    rows = -(-len(unseen) // columns)
    step = tile + GAP
    large = rows * step - GAP // 2  # two of these and the gap between them are as high as all rows of pairs
    left, top = 2 * MARGIN + large, MARGIN + LINE
    width, height = left + columns * step - GAP + MARGIN, top + 2 * rows * step - GAP + 2 * MARGIN + LINE
    canvas = Image.new("RGB", (width, height), "white")
    _paste_pair(canvas, exemplar, labels, opacity, large, (MARGIN, top))
    for number, picture in enumerate(unseen):
        row, column = divmod(number, columns)
        _paste_pair(canvas, picture, labels, opacity, tile, (left + column * step, top + 2 * row * step))
    pen = ImageDraw.Draw(canvas)
    long, short = "the one annotated image", "annotated"  # the latter beside a single row
    fits = pen.textlength(long, _font(17)) < left - MARGIN
    pen.text((MARGIN, top - 5), long if fits else short, INK, _font(17), anchor="ls")
    pen.text((left, top - 5), "unseen images and their predicted labels", INK, _font(17), anchor="ls")
    pen.text((width - MARGIN, top - 5), source, INK, _font(17), anchor="rs")
    _draw_legend(pen, labels, (MARGIN, height - MARGIN - LINE // 2), width - 2 * MARGIN)
    return canvas


def save_gallery(path: str | Path, gallery: Image.Image, labels: LabelSet, opacity: float) -> None:
    """Write a PNG of 256 colours, dithered: a third of the size of one with all colours."""
    with atomic(path) as temporary:
        palette = _palette(gallery, labels, opacity)
        gallery.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(temporary, optimize=True)


def _palette(gallery: Image.Image, labels: LabelSet, opacity: float) -> Image.Image:
    """Each label's colour, alone and over four greys, and the commonest others: small labels keep theirs."""
    colours = np.array([ImageColor.getrgb(colour) for colour in labels.colours], dtype=np.float64)
    over = [(1 - opacity) * grey + opacity * colours for grey in (40, 100, 160, 220)]
    own = np.rint(np.concatenate([colours, *over])).astype(np.uint8)
    others = gallery.quantize(256 - len(own)).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*own.ravel().tolist(), *others])
    return palette


def _paste_pair(
    canvas: Image.Image, picture: Picture, labels: LabelSet, opacity: float, side: int, corner: tuple[int, int]
) -> None:
    """The image and, below it, the same image under its labels."""
    image, label_map = picture
    x, y = corner
    for offset, pixels in ((0, image), (side + GAP, overlay(image, label_map, labels, opacity))):
        canvas.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS), (x, y + offset))


def _draw_legend(pen: ImageDraw.ImageDraw, labels: LabelSet, start: tuple[int, int], width: int) -> None:
    """A swatch and a name per label in one line, with equal gaps over `width`."""
    x, y = start
    lengths = [32 + pen.textlength(name, _font(17)) for name in labels.names]
    gap = (width - sum(lengths)) / max(len(lengths) - 1, 1)
    for name, colour, length in zip(labels.names, labels.colours, lengths, strict=True):
        pen.rectangle((x, y - 8, x + 24, y + 8), fill=colour, outline=INK)
        pen.text((x + 32, y), name, INK, _font(17), anchor="lm")
        x += length + gap


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
