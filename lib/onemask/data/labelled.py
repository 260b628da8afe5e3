"""A labelled data set on disk, written image by image: images/, label_maps/, COCO JSON with RLE, a preview, a card.

Records of finished images stand in records.jsonl, one line each, so that an interrupted run goes on behind the last
one; annotations.json is made of them at the end. A label map is a PNG whose palette holds the labels' colours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from onemask.data.colours import palette_image
from onemask.errors import OnemaskError
from onemask.files import atomic, read_json, write_json, write_text
from onemask.labels import LabelSet

IMAGES, LABEL_MAPS, RECORDS, SOURCE = "images", "label_maps", "records.jsonl", "source.json"


class LabelledWriter:
    """Appends pairs to the data set in `folder`; `source` says how they are made and must not change between runs."""

    def __init__(self, folder: str | Path, labels: LabelSet, source: dict[str, Any]) -> None:
        """OnemaskError when the folder holds a data set that was made otherwise."""
        self.folder, self.labels = Path(folder), labels
        source = {"labels": dict(zip(labels.names, labels.colours, strict=True)), **source}
        path = self.folder / SOURCE
        if path.is_file():
            old = read_json(path)
            if changed := [key for key in source | old if source.get(key) != old.get(key)]:
                raise OnemaskError(f"{self.folder}: holds a data set of another {changed[0]}; choose another folder")
        else:
            write_json(path, source)
        self.records = self._read_records()

    def _read_records(self) -> list[dict[str, Any]]:
        """Whole lines whose files are there: a run that was killed may have left a piece of the next one."""
        path = self.folder / RECORDS
        records: list[dict[str, Any]] = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                record = json.loads(line)
            except ValueError:
                break
            if not all((self.folder / part / record["file_name"]).is_file() for part in (IMAGES, LABEL_MAPS)):
                break
            records.append(record)
        write_text(path, "".join(json.dumps(record) + "\n" for record in records))
        return records

    def __len__(self) -> int:
        return len(self.records)

    def add(self, image: np.ndarray, label_map: np.ndarray, **more: Any) -> None:
        """Write an image uint8 [H, W, 3] and its label map uint8 [H, W]; `more` goes into the image's record."""
        number = len(self.records)
        name = f"{number:06d}.png"
        with atomic(self.folder / IMAGES / name) as temporary:
            Image.fromarray(image).save(temporary)
        with atomic(self.folder / LABEL_MAPS / name) as temporary:
            palette_image(label_map, self.labels).save(temporary)
        height, width = label_map.shape
        record = {"file_name": name, "height": height, "width": width, **more, "parts": list(parts(label_map))}
        with open(self.folder / RECORDS, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self.records.append(record)

    def finish(self) -> Path:
        """Write annotations.json, COCO with a category per label but the background; returns its path."""
        categories = [{"id": i, "name": name} for i, name in enumerate(self.labels.names) if i > 0]
        images, annotations = [], []
        for number, record in enumerate(self.records):
            images.append({"id": number, **{k: v for k, v in record.items() if k != "parts"}})
            for part in record["parts"]:
                annotations.append({"id": len(annotations) + 1, "image_id": number, "iscrowd": 0, **part})
        path = self.folder / "annotations.json"
        write_text(path, json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        return path


def parts(label_map: np.ndarray) -> Iterator[dict[str, Any]]:
    """A COCO annotation per label that the map [H, W] holds, without ids; segmentations are compressed RLE."""
    for label in np.unique(label_map):
        if label == 0:
            continue
        rle = encoded(label_map == label)
        yield {
            "category_id": int(label),
            "segmentation": rle,
            "area": int(coco_mask.area(rle)),
            "bbox": coco_mask.toBbox(rle).tolist(),
        }


def encoded(mask: np.ndarray) -> dict[str, Any]:
    """A mask [H, W] as COCO's compressed RLE, its counts as text, which JSON can hold and pycocotools reads."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}


def read_label_map(path: str | Path | BinaryIO, labels: LabelSet, size: int) -> np.ndarray:
    """A label map uint8 [size, size] from a PNG of grey or palette values; OnemaskError names what is wrong."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode not in ("L", "P", "1", "I;16"):
                raise OnemaskError(f"{path}: is {image.mode}, a label map has one channel (grey or palette)")
            if image.size != (size, size):  # before anything is decoded
                width, height = image.size
                raise OnemaskError(f"{path}: is {width} x {height}, the generator makes {size} x {size}")
            label_map = np.asarray(image).astype(np.int64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OnemaskError(f"{path}: not a readable image (a PNG is wanted: {error})") from None
    if (largest := int(label_map.max())) >= len(labels):
        raise OnemaskError(f"{path}: holds {largest}, but there are labels 0 to {len(labels) - 1}")
    if label_map.max() == 0:
        raise OnemaskError(f"{path}: holds nothing but background")
    return label_map.astype(np.uint8)
