"""Annotated images as arrays, and training sets mixed of real and synthetic ones (Fig. 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onemask.errors import OnemaskError
from onemask.files import atomic, read_npz


@dataclass(frozen=True)
class Pairs:
    """images uint8 [n, 3, H, W] with label maps uint8 [n, H, W]."""

    images: np.ndarray
    label_maps: np.ndarray

    def __post_init__(self) -> None:
        if self.images.shape[0] != len(self.label_maps) or self.images.shape[2:] != self.label_maps.shape[1:]:
            raise ValueError(f"pairs: images {self.images.shape}, label maps {self.label_maps.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice) -> Pairs:
        return Pairs(self.images[index], self.label_maps[index])


def mixed(real: Pairs, synthetic: Pairs | None, ratio: int) -> Pairs:
    """All real pairs, and `ratio` times as many of the first synthetic ones; OnemaskError where there are fewer."""
    if synthetic is None or ratio == 0:
        return real
    if (wanted := ratio * len(real)) > len(synthetic):
        raise OnemaskError(
            f"downstream.ratios: {ratio} synthetic images per real one are {wanted}, there are {len(synthetic)}"
        )
    chosen = synthetic[:wanted]
    return Pairs(np.concatenate([real.images, chosen.images]), np.concatenate([real.label_maps, chosen.label_maps]))


def check_labels(training: Pairs, scored: Sequence[Pairs], labels: tuple[str, ...], what: str) -> None:
    """OnemaskError for a value without a label, and for a label of a `scored` split that none to train on holds.

    A label that is in neither is one that the data set does not annotate.
    """
    there, *others = (set(np.unique(pairs.label_maps).tolist()) for pairs in (training, *scored))
    wanted = set().union(*others)
    if (largest := max(there | wanted, default=0)) >= len(labels):
        raise OnemaskError(f"{what}: a label map holds {largest}, there are labels 0 to {len(labels) - 1}")
    if missing := sorted(wanted - there):
        raise OnemaskError(f"{what}: no image to train on holds {labels[missing[0]]!r}; give more images")


def write_splits(path: str | Path, splits: Mapping[str, Pairs]) -> None:
    """Write pairs by the name of their split as one compressed npz, atomically."""
    arrays = {f"{name}/images": pairs.images for name, pairs in splits.items()}
    arrays |= {f"{name}/label_maps": pairs.label_maps for name, pairs in splits.items()}
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_splits(path: str | Path, *names: str) -> list[Pairs]:
    """The pairs of each split; OnemaskError names a file that lacks one."""
    keys = [f"{name}/{part}" for name in names for part in ("images", "label_maps")]
    arrays = read_npz(path, keys, "annotated images", "run the rule that makes it again")
    return [Pairs(arrays[f"{name}/images"], arrays[f"{name}/label_maps"]) for name in names]
