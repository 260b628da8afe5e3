"""Images with instances of items: what a detector learns from, out of PIDRay's layout or of `onemask annotate`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from scipy import ndimage
from torch import Tensor

from onemask.data.pidray import BELT, Scan, crop_and_resize, decode, read_image
from onemask.errors import OnemaskError
from onemask.files import atomic, read_json, read_npz

PARTS = ("images", "bits", "owners", "labels")
LEAST_AREA = 12  # pixels; a smaller mask is a fault of the segmenter, or what a crop has left of an item


@dataclass(frozen=True)
class Instances:
    """images uint8 [n, 3, H, W]; of all instances the masks as bits, the number of the image and the label (from 1 on).

    bits: uint8 [m, H, ceil(W / 8)], an eighth of what masks take as bytes: at 512 px a mask is 32 KB.
    """

    images: np.ndarray
    bits: np.ndarray
    owners: np.ndarray
    labels: np.ndarray

    @classmethod
    def of_masks(cls, images: np.ndarray, masks: np.ndarray, owners: np.ndarray, labels: np.ndarray) -> Instances:
        """Of masks bool [m, H, W]."""
        return cls(images, np.packbits(masks, axis=-1), owners, labels)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def masks(self) -> np.ndarray:
        """Bool [m, H, W] of all instances at once."""
        return self._unpacked(self.bits)

    def of(self, image: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks bool [k, H, W] and labels [k] of one image."""
        own = self.owners == image
        return self._unpacked(self.bits[own]), self.labels[own]

    def first(self, count: int) -> Instances:
        """The first images with their instances; OnemaskError where there are fewer."""
        if count > len(self):
            raise OnemaskError(f"sdanet: {count} images are asked for, there are {len(self)}")
        kept = self.owners < count
        return Instances(self.images[:count], self.bits[kept], self.owners[kept], self.labels[kept])

    def _unpacked(self, bits: np.ndarray) -> np.ndarray:
        return np.unpackbits(bits, axis=-1, count=self.images.shape[-1]).astype(bool)


def joined(one: Instances, two: Instances) -> Instances:
    """The images of both."""
    owners = np.concatenate([one.owners, two.owners + len(one)])
    parts = ((getattr(one, name), getattr(two, name)) for name in ("images", "bits", "labels"))
    images, bits, labels = map(np.concatenate, parts)
    return Instances(images, bits, owners, labels)


def check_labels(instances: Instances, categories: Sequence[str], what: str) -> None:
    """OnemaskError for a category of which a training split has no instance."""
    if missing := [name for label, name in enumerate(categories, 1) if label not in instances.labels]:
        raise OnemaskError(f"{what}: no training scan holds a {missing[0]!r}; give more scans, or leave the item out")


def boxes_of(instance_masks: np.ndarray) -> np.ndarray:
    """float32 [k, 4] (x1, y1, x2, y2) around masks [k, H, W]; the far edges lie behind the last pixel."""
    boxes = np.zeros((len(instance_masks), 4), np.float32)
    for box, mask in zip(boxes, instance_masks, strict=True):
        rows, columns = np.where(mask.any(axis=1))[0], np.where(mask.any(axis=0))[0]
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def target_of(instances: Instances, image: int) -> dict[str, Tensor]:
    """Boxes, labels and masks of an image as torchvision's detectors take them."""
    own, labels = instances.of(image)
    return {
        "boxes": torch.from_numpy(boxes_of(own)),
        "labels": torch.from_numpy(labels.astype(np.int64)),
        "masks": torch.from_numpy(own.astype(np.uint8)),
    }


def from_scans(scans: Sequence[Scan], categories: Sequence[str], crop: int, size: int) -> Instances:
    """Scans with the items of these categories, cropped and resized as Appendix C.1 says."""

    def shown(scan: Scan, segmentation: Any) -> np.ndarray:
        mask = decode(segmentation, scan.height, scan.width).astype(np.uint8)
        return crop_and_resize(mask, crop, size, 0) > 0

    pairs = (
        (
            crop_and_resize(read_image(scan), crop, size, BELT).transpose(2, 0, 1),
            [(name, shown(scan, segmentation)) for name, segmentation in scan.items if name in categories],
        )
        for scan in scans
    )
    return _gathered(pairs, len(scans), categories)


def from_dataset(folder: str | Path, categories: Sequence[str]) -> Instances:
    """The data set that `onemask annotate` wrote to a folder; OnemaskError where it has none of the categories.

    It has one mask per label and image: what does not touch is an instance of its own, or a speck too small to be one.
    """
    folder = Path(folder)
    content = read_json(folder / "annotations.json")
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    if not set(categories) & set(names.values()):
        raise OnemaskError(f"{folder}: has no {' or '.join(categories)}; there are {', '.join(names.values())}")
    found: dict[int, list[tuple[str, Any]]] = {entry["id"]: [] for entry in content["images"]}
    for entry in content["annotations"]:
        if (name := names[entry["category_id"]]) in categories:
            found[entry["image_id"]].append((name, entry["segmentation"]))

    def read(file_name: str) -> np.ndarray:
        with Image.open(folder / "images" / file_name) as image:
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)

    pairs = (
        (
            read(entry["file_name"]),
            [(name, part) for name, rle in found[entry["id"]] for part in components(coco_mask.decode(rle))],
        )
        for entry in content["images"]
    )
    return _gathered(pairs, len(content["images"]), categories)


def components(mask: np.ndarray) -> list[np.ndarray]:
    """Bool masks of the parts of a mask [H, W] that do not touch each other, not even by a corner."""
    numbered, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [numbered == number for number in range(1, count + 1)]


def _gathered(
    pairs: Iterable[tuple[np.ndarray, Sequence[tuple[str, np.ndarray]]]], count: int, categories: Sequence[str]
) -> Instances:
    """Of `count` (image [3, H, W], its (category, mask) pairs), one at a time; masks below LEAST_AREA are left out."""
    images: np.ndarray | None = None
    bits, owners, labels = [], [], []
    for number, (image, found) in enumerate(pairs):
        images = np.empty((count, *image.shape), np.uint8) if images is None else images
        images[number] = image
        for name, mask in found:
            if mask.sum() >= LEAST_AREA:
                bits.append(np.packbits(mask, axis=-1))
                owners.append(number)
                labels.append(categories.index(name) + 1)
    if images is None:
        raise OnemaskError("sdanet: no image with instances; ask for one at least")
    none = np.zeros((0, images.shape[2], -(-images.shape[3] // 8)), np.uint8)
    return Instances(images, np.stack(bits) if bits else none, np.array(owners, np.int64), np.array(labels, np.int64))


def annotation_quality(predicted: np.ndarray, truth: np.ndarray, items: Sequence[str]) -> list[dict[str, Any]]:
    """How well bool masks [items, n, H, W] annotate n scans: a row per item.

    Columns: item, scans, holding (scans that show the item), found (scans in which it was found), and iou over the
    pixels of all scans, NaN where there is the item in none of either.
    """
    rows = []
    for item, found, there in zip(items, predicted, truth, strict=True):
        union = (found | there).sum()
        rows.append(
            {
                "item": item,
                "scans": len(there),
                "holding": int(there.any((1, 2)).sum()),
                "found": int(found.any((1, 2)).sum()),
                "iou": float((found & there).sum() / union) if union else math.nan,
            }
        )
    return rows


def write_instances(path: str | Path, splits: Mapping[str, Instances]) -> None:
    """Write instances by the name of their split as one compressed npz, atomically."""
    arrays = {}
    for name, each in splits.items():
        arrays |= {f"{name}/{part}": getattr(each, part) for part in PARTS}
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_instances(path: str | Path, *names: str) -> list[Instances]:
    """The instances of each split; OnemaskError names a file that lacks one."""
    keys = [f"{name}/{part}" for name in names for part in PARTS]
    arrays = read_npz(path, keys, "images with instances", "run the rule that makes it again")
    return [Instances(*(arrays[f"{name}/{part}"] for part in PARTS)) for name in names]
