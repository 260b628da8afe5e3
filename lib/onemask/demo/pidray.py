"""The baggage world written as PIDRay's authors lay out theirs: the demo's data set, read by the same reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from tqdm import tqdm

from onemask.data.labelled import encoded
from onemask.data.pidray import LAYOUTS
from onemask.demo.baggage import DEMO_ITEMS
from onemask.demo.canvas import Rendered
from onemask.demo.worlds import render
from onemask.files import save_image, write_text
from onemask.seeds import derive_seed

CHUNK = 512
BELT = 255


def write_pidray(root: str | Path, seeds: Mapping[str, Sequence[int]], size: int, packing: str = "easy") -> None:
    """Render the images of `seeds` (by split: train, test), `size` pixels high, in the layout of version 2.

    Like PIDRay's, images have widths of their own: belt on both sides, up to a quarter of the height each. Masks are
    exact, as compressed RLE, each item whole whatever lies on it.
    """
    root = Path(root)
    categories = [{"id": number, "name": item.capitalize()} for number, item in enumerate(DEMO_ITEMS, start=1)]
    for split, ((annotation_file, folder),) in LAYOUTS["v2"].items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        with tqdm(total=len(seeds[split]), desc=split, unit="img", mininterval=1) as bar:
            for start in range(0, len(seeds[split]), CHUNK):
                part = seeds[split][start : start + CHUNK]
                rendered = render("baggage", part, size, packing=packing)
                for i, seed in enumerate(part):
                    columns = derive_seed(seed, "belt") % (size // 4 + 1)
                    pixels = _widened(rendered.images[i].permute(1, 2, 0).numpy(), columns, BELT)
                    image = {"id": start + i, "file_name": f"{split}_{start + i:06d}.png"}
                    image |= {"height": pixels.shape[0], "width": pixels.shape[1]}
                    save_image(root / folder / image["file_name"], pixels)
                    images.append(image)
                    for entry in _annotations(rendered, i, columns):
                        annotations.append(entry | {"id": len(annotations), "image_id": start + i})
                bar.update(len(part))
        content = {"images": images, "annotations": annotations, "categories": categories}
        write_text(root / "annotations" / annotation_file, json.dumps(content))


def _annotations(rendered: Rendered, index: int, columns: int) -> list[dict[str, Any]]:
    """COCO annotations of one image of a batch, without ids."""
    found = []
    for category, item in enumerate(DEMO_ITEMS, start=1):
        mask = rendered.rare[item][index].numpy()
        if not mask.any():
            continue
        rle = encoded(_widened(mask, columns, 0))
        area, box = int(coco_mask.area(rle)), coco_mask.toBbox(rle).tolist()
        entry = {"category_id": category, "iscrowd": 0, "area": area, "bbox": box}
        found.append(entry | {"segmentation": rle})
    return found


def _widened(array: np.ndarray, columns: int, fill: int) -> np.ndarray:
    """Columns of `fill` on both sides of [H, W] or [H, W, 3]."""
    sides = [(0, 0), (columns, columns), *[(0, 0)] * (array.ndim - 2)]
    return np.pad(array, sides, constant_values=fill)
