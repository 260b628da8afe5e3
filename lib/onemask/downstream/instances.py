"""Images with instances of items: what a detector learns from, out of PIDRay's layout or of `onemask annotate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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

LEAST_AREA = 12  # pixels; a smaller mask is a fault of the segmenter, or what a crop has left of an item


@dataclass(frozen=True)
class Instances:
    """images uint8 [n, 3, H, W]; masks bool [m, H, W] of all instances, the image and the label (from 1 on) of each."""

    images: np.ndarray
    masks: np.ndarray
    owners: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def of(self, image: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks [k, H, W] and labels [k] of one image."""
        own = self.owners == image
        return self.masks[own], self.labels[own]

    def first(self, count: int) -> Instances:
        """The first images with their instances; OnemaskError where there are fewer."""
        if count > len(self):
            raise OnemaskError(f"sdanet: {count} images are asked for, there are {len(self)}")
        kept = self.owners < count
        return Instances(self.images[:count], self.masks[kept], self.owners[kept], self.labels[kept])


def joined(one: Instances, two: Instances) -> Instances:
    """The images of both."""
    owners = np.concatenate([one.owners, two.owners + len(one)])
    parts = ((getattr(one, name), getattr(two, name)) for name in ("images", "masks", "labels"))
    images, masks_of_both, labels = map(np.concatenate, parts)
    return Instances(images, masks_of_both, owners, labels)


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
    images = [crop_and_resize(read_image(scan), crop, size, BELT).transpose(2, 0, 1) for scan in scans]
    found = [
        [
            (name, crop_and_resize(decode(segmentation, scan.height, scan.width).astype(np.uint8), crop, size, 0) > 0)
            for name, segmentation in scan.items
            if name in categories
        ]
        for scan in scans
    ]
    return _gathered(images, found, categories)


def from_dataset(folder: str | Path, categories: Sequence[str]) -> Instances:
    """The data set that `onemask annotate` wrote to a folder; OnemaskError where it has none of the categories.

    It has one mask per label and image: what does not touch is an instance of its own, or a speck too small to be one.
    """
    folder = Path(folder)
    content = read_json(folder / "annotations.json")
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    if not set(categories) & set(names.values()):
        raise OnemaskError(f"{folder}: has no {' or '.join(categories)}; there are {', '.join(names.values())}")
    found: dict[int, list[tuple[str, np.ndarray]]] = {entry["id"]: [] for entry in content["images"]}
    for entry in content["annotations"]:
        if (name := names[entry["category_id"]]) in categories:
            mask = coco_mask.decode(entry["segmentation"])
            found[entry["image_id"]] += [(name, component) for component in components(mask)]
    images = []
    for entry in content["images"]:
        with Image.open(folder / "images" / entry["file_name"]) as image:
            images.append(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    return _gathered(images, list(found.values()), categories)


def components(mask: np.ndarray) -> list[np.ndarray]:
    """Bool masks of the parts of a mask [H, W] that do not touch each other, not even by a corner."""
    numbered, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [numbered == number for number in range(1, count + 1)]


def _gathered(
    images: Sequence[np.ndarray], found: Sequence[Sequence[tuple[str, np.ndarray]]], categories: Sequence[str]
) -> Instances:
    """Instances of each image's (category, mask) pairs, those below LEAST_AREA left out."""
    kept = [
        (number, categories.index(name) + 1, mask)
        for number, pairs in enumerate(found)
        for name, mask in pairs
        if mask.sum() >= LEAST_AREA
    ]
    stacked = np.stack(images)
    shape = (0, *stacked.shape[2:])
    return Instances(
        stacked,
        np.stack([mask for *_, mask in kept]) if kept else np.zeros(shape, bool),
        np.array([number for number, *_ in kept], np.int64),
        np.array([label for _, label, _ in kept], np.int64),
    )


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
    """Write instances by the name of their split as one compressed npz, atomically; masks as bits."""
    arrays = {}
    for name, each in splits.items():
        arrays |= {f"{name}/{part}": getattr(each, part) for part in ("images", "owners", "labels")}
        arrays[f"{name}/masks"] = np.packbits(each.masks, axis=-1)
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_instances(path: str | Path, *names: str) -> list[Instances]:
    """The instances of each split; OnemaskError names a file that lacks one."""
    parts = ("images", "masks", "owners", "labels")
    keys = [f"{name}/{part}" for name in names for part in parts]
    arrays = read_npz(path, keys, "images with instances", "run the rule that makes it again")
    read = []
    for name in names:
        images, bits, owners, labels = (arrays[f"{name}/{part}"] for part in parts)
        unpacked = np.unpackbits(bits, axis=-1, count=images.shape[-1]).astype(bool)
        read.append(Instances(images, unpacked, owners, labels))
    return read
