"""The annotated set of a class: W+ latents with label maps, split by seed alone (decisions 5-7).

Stored as one compressed npz without pickles. Keys: `ws`, `label_maps`, `second_label_maps` (optional: the test split
labelled by the second annotator), `rare/<label>` (binary masks, packed bits), `split/<name>` (indices into the first
axis), and `metadata`, a JSON string: fingerprint of the generator, label names, the annotators' held-out quality.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from onemask.errors import OnemaskError
from onemask.files import atomic, read_npz
from onemask.labels import LabelSet

REMEDY = "fetch or make the annotated set again"


class LatentShape(Protocol):
    """What an annotated set must agree with: the generator's resolution, latents and weights."""

    resolution: int
    w_dim: int
    num_ws: int

    def fingerprint(self) -> str:
        """Digest of the weights."""
        ...


@dataclass
class AnnotatedSet:
    """ws float32 [n, w_dim] or [n, num_ws, w_dim]; label_maps uint8 [n, H, W]; rare: bool [n, H, W] by label.

    `splits` holds int64 indices: exemplars, test, tuning, supervised, rare_exemplars/<label>, rare_test/<label>.
    """

    ws: np.ndarray
    label_maps: np.ndarray
    rare: dict[str, np.ndarray]
    splits: dict[str, np.ndarray]
    second_label_maps: np.ndarray | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def indices(self, name: str) -> np.ndarray:
        """Indices of a split; OnemaskError names the splits that there are."""
        if name not in self.splits:
            raise OnemaskError(f"annotated set: no split {name!r}; it has {', '.join(sorted(self.splits))}")
        return self.splits[name]

    def with_rare(self, names: Iterable[str]) -> AnnotatedSet:
        """The set with rare labels that nobody annotated, too: on no sample, and without exemplars or test samples."""
        missing = [name for name in names if name not in self.rare]
        nowhere, none = np.zeros(self.label_maps.shape, bool), np.zeros(0, np.int64)
        empty = {f"{split}/{name}": none for name in missing for split in ("rare_exemplars", "rare_test")}
        return replace(self, rare=self.rare | dict.fromkeys(missing, nowhere), splits=self.splits | empty)

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """ws and label maps of a split."""
        indices = self.indices(name)
        return self.ws[indices], self.label_maps[indices]


def write_annotated(path: str | Path, annotated: AnnotatedSet) -> None:
    """Write the npz atomically; equal sets give equal bytes.

    Masks are stored as bits, latents in half precision where that is exact.
    """
    arrays: dict[str, np.ndarray] = {
        "ws": _halved(annotated.ws.astype(np.float32)),
        "label_maps": annotated.label_maps.astype(np.uint8),
        "metadata": np.array(json.dumps(annotated.metadata, sort_keys=True)),
    }
    arrays |= {f"rare/{name}": np.packbits(mask, axis=-1) for name, mask in annotated.rare.items()}
    arrays |= {f"split/{name}": indices.astype(np.int64) for name, indices in annotated.splits.items()}
    if annotated.second_label_maps is not None:
        arrays["second_label_maps"] = annotated.second_label_maps.astype(np.uint8)
    with atomic(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def _halved(ws: np.ndarray) -> np.ndarray:
    half = ws.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), ws) else ws


def read_annotated(path: str | Path, labels: LabelSet, generator: LatentShape | None = None) -> AnnotatedSet:
    """Read and check an annotated set.

    OnemaskError names the file when it is missing or damaged, when sizes disagree with each other or with `generator`,
    when a label map holds a value without a label, when a split points outside, or when the set says that it was made
    on another generator or with other labels.
    """
    arrays = _read_arrays(path)
    ws, width = arrays["ws"], arrays["label_maps"].shape[-1] if arrays["label_maps"].ndim else 0
    annotated = AnnotatedSet(
        ws.astype(np.float32) if ws.dtype == np.float16 else ws,
        arrays["label_maps"],
        {
            name: np.unpackbits(bits, axis=-1, count=width).astype(bool)
            for name, bits in _group(arrays, "rare/").items()
        },
        _group(arrays, "split/"),
        arrays.get("second_label_maps"),
        arrays["metadata"],
    )
    _check(path, annotated, labels)
    if generator is not None:
        _check_generator(path, annotated, generator)
    return annotated


def read_metadata(path: str | Path) -> dict[str, Any]:
    """A set's metadata alone: its maps, gigabytes of large images, are not unpacked."""
    return _metadata(path, read_npz(path, ["metadata"], "annotated set", REMEDY, others=False)["metadata"])


def _metadata(path: str | Path, stored: Any) -> dict[str, Any]:
    try:
        metadata = json.loads(str(stored))
    except ValueError as error:
        raise OnemaskError(f"{path}: metadata are no JSON ({error}); {REMEDY}") from None
    if not isinstance(metadata, dict):
        raise OnemaskError(f"{path}: metadata are no JSON object; {REMEDY}")
    return metadata


def _read_arrays(path: str | Path) -> dict[str, Any]:
    arrays: dict[str, Any] = dict(read_npz(path, ["ws", "label_maps"], "annotated set", REMEDY))
    arrays["metadata"] = _metadata(path, arrays.get("metadata", "{}"))
    _check_kinds(path, arrays)
    return arrays


def _check_kinds(path: str | Path, arrays: dict[str, Any]) -> None:
    """OnemaskError where splits are no list of integers, or rare masks no bits of rows of label_maps' width."""
    width = -(-arrays["label_maps"].shape[-1] // 8) if arrays["label_maps"].ndim else 0
    for name, array in arrays.items():
        kind = name.split("/")[0]
        if kind == "split" and not (array.ndim == 1 and np.issubdtype(array.dtype, np.integer)):
            expected = "integers [n]"
        elif kind == "rare" and width and not (array.dtype == np.uint8 and array.shape[2:] == (width,)):
            expected = f"packed bits, uint8 [n, H, {width}]"
        else:
            continue
        raise OnemaskError(f"{path}: {name} is {array.dtype} {list(array.shape)}, expected {expected}; {REMEDY}")


def _group(arrays: dict[str, Any], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _check(path: str | Path, annotated: AnnotatedSet, labels: LabelSet) -> None:
    ws, label_maps = annotated.ws, annotated.label_maps
    if ws.dtype != np.float32 or ws.ndim not in (2, 3):
        raise OnemaskError(f"{path}: ws are {ws.dtype} {list(ws.shape)}, expected float32 [n, w_dim] or [n, L, w_dim]")
    if label_maps.dtype != np.uint8 or label_maps.ndim != 3 or len(label_maps) != len(ws):
        raise OnemaskError(
            f"{path}: label maps are {label_maps.dtype} {list(label_maps.shape)}, expected uint8 [{len(ws)}, H, W]"
        )
    for name, mask in annotated.rare.items():
        if name not in labels.rare:
            raise OnemaskError(f"{path}: mask of {name!r}, which is no rare label of the class; {REMEDY}")
        if mask.shape != label_maps.shape:
            raise OnemaskError(f"{path}: masks of {name} are {list(mask.shape)}, expected {list(label_maps.shape)}")
    second = annotated.second_label_maps
    if second is not None and (second.dtype, second.shape[1:]) != (np.uint8, label_maps.shape[1:]):
        found = f"{second.dtype} {list(second.shape)}"
        raise OnemaskError(f"{path}: second_label_maps are {found}, not like label_maps; {REMEDY}")
    if (names := annotated.metadata.get("labels")) and names != list(labels.names):
        raise OnemaskError(f"{path}: was labelled with {names}; config/labels has {list(labels.names)}")
    for name, indices in annotated.splits.items():
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(ws):
            raise OnemaskError(f"{path}: split {name} points outside the {len(ws)} samples; {REMEDY}")
    _check_values(path, annotated, len(labels))


def _check_values(path: str | Path, annotated: AnnotatedSet, num_labels: int) -> None:
    for label_maps in (annotated.label_maps, annotated.second_label_maps):
        if label_maps is not None and (largest := int(label_maps.max(initial=0))) >= num_labels:
            raise OnemaskError(
                f"{path}: a label map holds {largest}, but the class has labels 0 to {num_labels - 1}; "
                "correct config/labels or the annotation"
            )


def _check_generator(path: str | Path, annotated: AnnotatedSet, generator: LatentShape) -> None:
    latent, expected = annotated.ws.shape[1:], (generator.num_ws, generator.w_dim)
    if latent not in (expected, expected[1:]):
        raise OnemaskError(
            f"{path}: latents are {list(latent)}, the generator takes {list(expected)} or {list(expected[1:])}; "
            "it was annotated on another generator"
        )
    if (stated := annotated.metadata.get("generator")) and stated != generator.fingerprint():
        raise OnemaskError(f"{path}: was annotated on another generator, of other weights; {REMEDY}")
    if (size := annotated.label_maps.shape[1:]) != (generator.resolution,) * 2:
        raise OnemaskError(
            f"{path}: label maps are {list(size)}, the generator makes {generator.resolution} px images; "
            "it was annotated on another generator"
        )
