"""Figures made of pictures: tiles on a raster, text and legends as vectors above it. Draws; knows no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from PIL import Image

from onemask.data.colours import overlay
from onemask.labels import LabelSet
from onemask.paper.curves import save_figure
from onemask.paper.gallery import INK

DPI = 200  # that of save_figure: one pixel of a sheet is one pixel of the PNG
TILE = 128  # 0.64 inch; images of 64 px are enlarged by two
GAP, STEP = 4, TILE + 4
MARGIN = 12
FONT = 7.0  # points


def line_height(font: float = FONT) -> int:
    """Pixels from one line of text of `font` points to the next."""
    return round(1.25 * font * DPI / 72)


LINE = line_height()
Tiles = Sequence[Sequence[np.ndarray | None]]


class Sheet:
    """A figure of `width` x `height` pixels; positions are pixels from the upper left corner."""

    def __init__(self, width: int, height: int, font: float = FONT) -> None:
        self.font = font
        self.figure = Figure(figsize=(width / DPI, height / DPI))
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()
        self.raster = np.full((height, width, 3), 255, np.uint8)

    def grid(self, x: int, y: int, rows: Tiles) -> None:
        """Rows of square tiles of TILE pixels, the first at (x, y); None leaves a place empty."""
        for row, tiles in enumerate(rows):
            for column, tile in enumerate(tiles):
                if tile is not None:
                    top, left = y + row * STEP, x + column * STEP
                    self.raster[top : top + TILE, left : left + TILE] = tile

    def text(self, x: float, y: float, text: str, anchor: str = "left baseline", **style: object) -> None:
        """Text whose `anchor` (horizontal and vertical alignment) lies at (x, y)."""
        horizontal, vertical = anchor.split()
        style = {"fontsize": self.font, "color": INK, "linespacing": 1.1} | style
        self.axes.text(x, y, text, ha=horizontal, va=vertical, **style)

    def heading(self, x: float, y: float, text: str) -> None:
        """Lines of text of which the last has the baseline y."""
        for number, line in enumerate(reversed(text.split("\n"))):
            self.text(x, y - number * line_height(self.font), line)

    def swatch(self, x: float, y: float, colour: str, name: str) -> float:
        """A key of a legend with its name on the baseline y; returns the x behind the name."""
        side = 0.8 * self.font * DPI / 72
        self.axes.add_patch(Rectangle((x, y - 0.9 * side), 1.3 * side, side, fc=colour, ec=INK, lw=0.4))
        self.text(x + 1.8 * side, y, name)
        return x + 1.8 * side + text_width(name, self.font)

    def legend(self, x: float, y: float, entries: Mapping[str, str]) -> None:
        """Names with their colours in one line, on the baseline y."""
        for name, colour in entries.items():
            x = self.swatch(x, y, colour, name) + 2 * self.font * DPI / 72

    def save(self, outputs: Mapping[str, str]) -> None:
        """Write the sheet to each of the paths of `outputs`, by its ending."""
        height, width = self.raster.shape[:2]
        self.axes.imshow(self.raster, extent=(0, width, height, 0), interpolation="none", zorder=0)
        for path in outputs.values():
            save_figure(path, self.figure)


def headed_sheet(
    text: str, heads: Sequence[str], starts: Sequence[int], below: int, font: float, width: float = 0
) -> tuple[Sheet, int]:
    """A sheet with a line of text and the headings, wrapped, of columns at the x `starts`; and the y of their tiles.

    `below` pixels and a margin follow from there. It is as wide as the columns, the text and `width` need.
    """
    tall, heads = line_height(font), [wrapped(head, font) for head in heads]
    top = MARGIN + tall + max(head.count("\n") + 1 for head in heads) * tall + 3 * GAP
    right = max(starts[-1] + span(1), MARGIN + round(max(text_width(text, font), width)))
    sheet = Sheet(right + MARGIN, top + below + MARGIN, font)
    sheet.text(MARGIN, MARGIN, text, "left top")
    for x, head in zip(starts, heads, strict=True):
        sheet.heading(x, top - 2 * GAP, head)
    return sheet, top


def enlarged(image: np.ndarray) -> np.ndarray:
    """An image uint8 [H, W, 3] as a tile (Lanczos)."""
    return np.asarray(Image.fromarray(image).resize((TILE, TILE), Image.Resampling.LANCZOS))


def labelled(image: np.ndarray, label_map: np.ndarray, labels: LabelSet, opacity: float) -> np.ndarray:
    """An image as a tile under the colours of its label map, whose pixels stay squares."""
    return overlay(enlarged(image), label_map, labels, opacity)


def squares(label_map: np.ndarray) -> np.ndarray:
    """A label map [H, W] of the size of a tile, whose pixels stay squares."""
    return np.asarray(Image.fromarray(label_map).resize((TILE, TILE), Image.Resampling.NEAREST))


def label_entries(labels: LabelSet) -> dict[str, str]:
    """A legend of the class's labels."""
    return dict(zip(labels.names, labels.colours, strict=True))


def span(tiles: int) -> int:
    """Pixels that a row or column of so many tiles takes."""
    return tiles * STEP - GAP


def text_width(text: str, font: float = FONT) -> float:
    """Width in pixels of one line of text of `font` points."""
    return TextPath((0, 0), text, prop=FontProperties(size=font)).get_extents().width * DPI / 72


def legend_width(entries: Mapping[str, str], font: float = FONT) -> float:
    """Width in pixels of what Sheet.legend draws."""
    return sum(text_width(name, font) for name in entries) + len(entries) * (1.8 * 0.8 + 2) * font * DPI / 72


def wrapped(text: str, font: float = FONT, width: float = TILE - 2 * GAP) -> str:
    """Text in lines of at most `width` pixels where its words allow it; a longer word breaks before its capitals."""
    lines: list[str] = []
    for word in text.split():
        whole = text_width(word, font) <= width
        first, *others = [word] if whole else re.split(r"(?<=[a-z])(?=[A-Z])", word)
        if lines and text_width(f"{lines[-1]} {first}", font) <= width:
            lines[-1] += f" {first}"
        else:
            lines.append(first)
        lines += others
    return "\n".join(lines)
