"""PIDRay, the X-ray benchmark of prohibited items, as its authors' archives lay it out.

Version 1 has annotations/xray_train.json and xray_test_{easy,hard,hidden}.json with folders train, easy, hard, hidden;
version 2 annotations/{train,test}.json with folders train and test. The files are COCO JSON with polygons or RLE. Ids
start again in every file, so a scan is known by the stem of its file, a category by its name in lower case.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from onemask.errors import OnemaskError

BELT = 255  # the scanner's empty belt: what lies outside of a scan
TRAIN, TEST = "train", "test"
# version -> split -> (annotation file, folder of its images)
LAYOUTS: dict[str, dict[str, list[tuple[str, str]]]] = {
    "v1": {
        TRAIN: [("xray_train.json", "train")],
        TEST: [(f"xray_test_{kind}.json", kind) for kind in ("easy", "hard", "hidden")],
    },
    "v2": {TRAIN: [("train.json", "train")], TEST: [("test.json", "test")]},
}
REMEDY = "unpack PIDRay's archive there (links: its authors' page), with annotations/ and the folders of images"


@dataclass(frozen=True)
class Scan:
    """One image: its file, height and width in pixels, and (category, COCO segmentation) of each annotated item."""

    stem: str
    file: Path
    height: int
    width: int
    items: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class PIDRay:
    """Both splits in the order of the files; `left_out` counts what was skipped, by reason."""

    categories: tuple[str, ...]
    splits: Mapping[str, tuple[Scan, ...]]
    left_out: Mapping[str, int] = field(default_factory=dict)


class Problems:
    """Bad records: each is one line, or, where the study says so, left out and counted by its kind."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.counts: Counter[str] = Counter()

    def report(self, kind: str, line: str, count: int = 1) -> None:
        """OnemaskError, unless bad records, `count` of them here, are skipped."""
        if not self.skip:
            raise OnemaskError(f"{line}; correct it, or let the study skip bad records")
        self.counts[kind] += count


def read_pidray(root: str | Path, skip_bad: bool = False, needed: Sequence[str] = ()) -> PIDRay:
    """Read both splits. OnemaskError lists everything that the archive lacks, categories that are `needed` included.

    Bad records are an image without file, an annotation that is empty, of an unknown category or image, or of another
    size than its image, and two files of one name: with `skip_bad` they are left out and counted.
    """
    root, problems = Path(root), Problems(skip_bad)
    categories: dict[str, None] = {}
    splits: dict[str, tuple[Scan, ...]] = {}
    seen: dict[str, Path] = {}
    for split, parts in LAYOUTS[find_layout(root)].items():
        scans = []
        for name, folder in parts:
            path = root / "annotations" / name
            content = _read_json(path)
            names = {entry["id"]: str(entry["name"]).lower() for entry in content["categories"]}
            categories |= dict.fromkeys(names.values())
            for scan in _annotated(path, content, _images(path, root / folder, content, problems), names, problems):
                if scan.stem in seen:
                    problems.report("clashing names", f"{path}: {scan.file} and {seen[scan.stem]} have one name")
                    continue
                seen[scan.stem] = scan.file
                scans.append(scan)
        if not scans:
            raise OnemaskError(f"{root}: the split {split} has no image; {REMEDY}")
        splits[split] = tuple(scans)
    if lacking := [name for name in needed if name not in categories]:
        there = ", ".join(categories)
        raise OnemaskError(f"{root}/annotations: no category {', '.join(lacking)}; there are {there}; {REMEDY}")
    return PIDRay(tuple(categories), splits, dict(problems.counts))


def readable(scans: Iterable[Scan]) -> Iterator[Scan]:
    """Those whose files are images of the size that their annotation says; of each other one a line on stderr."""
    for scan in scans:
        try:
            read_image(scan)
        except OnemaskError as error:
            print(f"left out: {error}", file=sys.stderr)
        else:
            yield scan


def find_layout(root: Path) -> str:
    """The version whose files are all there; OnemaskError lists what the nearest one lacks."""
    missing = {
        version: [path for path in _paths(layout) if not (root / path).exists()] for version, layout in LAYOUTS.items()
    }
    for version, paths in missing.items():
        if not paths:
            return version
    if nested := [path.parent for path in sorted(root.glob("*/annotations")) if path.is_dir()]:
        raise OnemaskError(f"{root}: PIDRay lies one folder too deep, in {nested[0]}; state that folder")
    version, paths = min(missing.items(), key=lambda entry: len(entry[1]) / len(_paths(LAYOUTS[entry[0]])))
    raise OnemaskError(f"{root}: of PIDRay {version} there is no {', '.join(paths)}; {REMEDY}")


def _paths(layout: Mapping[str, list[tuple[str, str]]]) -> list[str]:
    parts = [part for split in layout.values() for part in split]
    return [path for name, folder in parts for path in (f"annotations/{name}", f"{folder}/")]


def masks(scan: Scan, categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Category -> bool [height, width], all of its items together; those that the scan lacks are left out."""
    found: dict[str, np.ndarray] = {}
    for name, segmentation in scan.items:
        if name in categories:
            mask = decode(segmentation, scan.height, scan.width)
            found[name] = found[name] | mask if name in found else mask
    return found


def decode(segmentation: Any, height: int, width: int) -> np.ndarray:
    """A COCO segmentation (polygons, or RLE compressed or not) as bool [height, width]."""
    if isinstance(segmentation, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = coco_mask.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    return coco_mask.decode(rle).astype(bool)


def read_image(scan: Scan) -> np.ndarray:
    """uint8 [height, width, 3]; OnemaskError for a file that is no such image."""
    try:
        with Image.open(scan.file) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OnemaskError(f"{scan.file}: not a readable image ({error}); unpack it again") from None
    height, width = pixels.shape[:2]
    if (height, width) != (scan.height, scan.width):
        raise OnemaskError(
            f"{scan.file}: is {width} x {height}, its annotation says {scan.width} x {scan.height}; unpack it again"
        )
    return pixels


def crop_and_resize(array: np.ndarray, crop: int, size: int, fill: int) -> np.ndarray:
    """The middle `crop` x `crop` pixels, padded with `fill` where there are fewer, as size x size (Appendix C.1).

    Images uint8 [H, W, 3] are resized smoothly, masks and label maps [H, W] by the nearest pixel; nothing is squashed.
    """
    height, width = array.shape[:2]
    padded = np.full((crop, crop, *array.shape[2:]), fill, array.dtype)
    rows, columns = _overlap(height, crop), _overlap(width, crop)
    padded[rows[1], columns[1]] = array[rows[0], columns[0]]
    if crop == size:
        return padded
    method = Image.Resampling.BICUBIC if array.ndim == 3 else Image.Resampling.NEAREST
    resized = Image.fromarray(padded.astype(np.uint8)).resize((size, size), method)
    return np.asarray(resized).astype(array.dtype)


def _overlap(length: int, crop: int) -> tuple[slice, slice]:
    """Where the source is read and where it lands in the crop, along one axis."""
    start = (length - crop) // 2
    low, high = max(start, 0), min(start + crop, length)
    return slice(low, high), slice(low - start, high - start)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        keys = {"images": ("id", "file_name", "height", "width"), "categories": ("id", "name")}
        keys["annotations"] = ("image_id", "category_id", "segmentation")
        for part, needed in keys.items():
            for entry in content[part]:
                if missing := [key for key in needed if key not in entry]:
                    raise ValueError(f"one of {part} has no {missing[0]}")
        for entry in content["images"]:
            if not all(isinstance(entry[side], int) and entry[side] > 0 for side in ("height", "width")):
                raise ValueError(f"{entry['file_name']} is {entry['width']} x {entry['height']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OnemaskError(f"{path}: not COCO JSON ({error}); unpack it again") from None
    return content


def _images(path: Path, folder: Path, content: Mapping[str, Any], problems: Problems) -> dict[int, Scan]:
    """The images of one file by their id, without their items."""
    scans: dict[int, Scan] = {}
    numbers, lost = Counter(entry["id"] for entry in content["images"]), []
    for entry in content["images"]:
        name = Path(str(entry["file_name"])).name
        if numbers[entry["id"]] > 1:  # whose are its annotations? all of its images go
            problems.report("clashing ids", f"{path}: {name} has the id {entry['id']}, and so has another image")
        elif not (folder / name).is_file():
            lost.append(name)
        else:
            scans[entry["id"]] = Scan(Path(name).stem, folder / name, int(entry["height"]), int(entry["width"]))
    if lost:
        some = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
        of = f"{len(lost)} of {len(content['images'])} images are"
        problems.report("images without file", f"{path}: {of} not in {folder}: {some}", len(lost))
    return scans


def _annotated(
    path: Path, content: Mapping[str, Any], scans: Mapping[int, Scan], names: Mapping[int, str], problems: Problems
) -> list[Scan]:
    """The images of one file with their items."""
    items: dict[int, list[tuple[str, Any]]] = {key: [] for key in scans}
    for entry in content["annotations"]:
        scan = scans.get(entry["image_id"])
        if fault := _fault(entry, scan, names):
            problems.report(fault[0], f"{path}: annotation {entry.get('id', 'without id')} {fault[1]}")
        else:
            items[entry["image_id"]].append((names[entry["category_id"]], entry["segmentation"]))
    return [replace(scan, items=tuple(items[key])) for key, scan in scans.items()]


def _fault(entry: Mapping[str, Any], scan: Scan | None, names: Mapping[int, str]) -> tuple[str, str] | None:
    """Kind and description of what is wrong with an annotation."""
    segmentation = entry["segmentation"]
    rle = isinstance(segmentation, dict)
    if scan is None:
        return "annotations without image", f"is of image {entry['image_id']}, which is not there"
    if entry["category_id"] not in names:
        return "unknown categories", f"of {scan.file.name}: there is no category {entry['category_id']}"
    if not (segmentation.get("counts") if rle else segmentation):
        return "empty annotations", f"of {scan.file.name} is empty"
    if rle and segmentation.get("size") != [scan.height, scan.width]:
        size = f"{segmentation.get('size')}, the image is [{scan.height}, {scan.width}]"
        return "masks of another size", f"of {scan.file.name}: its mask is {size}"
    if rle:
        counts = run_lengths(segmentation["counts"])
        if not _fills(counts, scan.height * scan.width):
            return "broken masks", f"of {scan.file.name}: its run lengths do not fill the image"
        if not any(counts[1::2]):
            return "empty annotations", f"of {scan.file.name} is empty"
    elif not isinstance(segmentation, list) or not all(map(_is_polygon, segmentation)):
        return "broken polygons", f"of {scan.file.name}: a polygon is no list of x, y pairs of three corners or more"
    return None


def run_lengths(counts: Any) -> list[Any]:
    """Run lengths of an RLE, background first: a list as it is, COCO's compressed string expanded, else none.

    In the string a number is written in pieces of five bits, the lowest first, as characters from `0` on, bit 6 saying
    that more follow; from the fourth run on numbers are differences to the run before the last.
    """
    if not isinstance(counts, str):
        return counts if isinstance(counts, list) else []
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        piece = ord(character) - 48
        value |= (piece & 31) << shift
        shift += 5
        if piece & 32:
            continue
        if piece & 16:  # the sign
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs


def _fills(counts: Sequence[Any], pixels: int) -> bool:
    """Whether these are run lengths of an image of so many pixels."""
    return all(isinstance(count, int) and count >= 0 for count in counts) and sum(counts) == pixels


def _is_polygon(corners: Any) -> bool:
    """Whether these are x, y pairs of three corners or more."""
    numbers = isinstance(corners, list) and all(isinstance(value, int | float) for value in corners)
    return numbers and len(corners) >= 6 and len(corners) % 2 == 0
