"""What a reader of a labelled data set looks at first: a preview and a data card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onemask.data.colours import overlay
from onemask.data.labelled import IMAGES, LABEL_MAPS, LabelledWriter
from onemask.files import save_image, write_text
from onemask.labels import LabelSet

COLUMNS, ROWS, OPACITY = 8, 4, 0.75


def write_preview(folder: Path, writer: LabelledWriter, labels: LabelSet) -> None:
    """preview.png: the first images, each above its label map."""
    columns = []
    for record in writer.records[: COLUMNS * ROWS]:
        image, label_map = (
            np.asarray(Image.open(folder / part / record["file_name"])) for part in (IMAGES, LABEL_MAPS)
        )
        columns.append(np.concatenate([image, overlay(image, label_map, labels, OPACITY)]))
    columns += [np.full_like(columns[0], 255)] * (-len(columns) % COLUMNS)
    rows = [np.concatenate(columns[i : i + COLUMNS], axis=1) for i in range(0, len(columns), COLUMNS)]
    save_image(folder / "preview.png", np.concatenate(rows))


def write_card(folder: Path, writer: LabelledWriter, labels: LabelSet, source: Mapping[str, Any]) -> None:
    """README.md: what the data are, how they were made, and how often each label occurs."""
    holding: Counter[int] = Counter()
    area: Counter[int] = Counter()
    pixels = 0
    for record in writer.records:
        pixels += record["height"] * record["width"]
        for part in record["parts"]:
            holding[part["category_id"]] += 1
            area[part["category_id"]] += part["area"]
    count = len(writer)
    rows = "".join(
        f"| {number} | {name} | {colour} | {holding[number] / count:.1%} | {area[number] / pixels:.1%} |\n"
        for number, (name, colour) in enumerate(zip(labels.names, labels.colours, strict=True))
        if number
    )
    made = "".join(f"- {name.replace('_', ' ')}: {value}\n" for name, value in source.items() if value is not None)
    text = (
        f"# A labelled data set of {count} generated images\n\n"
        "Made by `onemask annotate`: the images are a generator's samples, the labels a prediction learnt from one\n"
        "annotated image. Nobody has corrected them.\n\n"
        f"{made}\n"
        "- `images/`: PNG, RGB\n"
        "- `label_maps/`: PNG of the same names, pixel values are labels, the palette holds their colours\n"
        "- `annotations.json`: COCO, one annotation per label of an image, compressed RLE; `seed` of every image\n"
        "- `labeller/`: what labelled them, for `onemask annotate --labeller`\n\n"
        "| value | label | colour | images that hold it | share of pixels |\n|---|---|---|---|---|\n"
        f"{rows}"
    )
    write_text(folder / "README.md", text)
