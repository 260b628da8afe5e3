"""The annotations that the paper's authors released: latents and label maps, as torch.save wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onemask.checkpoints.inert_pickle import Made
from onemask.checkpoints.numpy_arrays import GLOBALS as NUMPY
from onemask.checkpoints.numpy_arrays import RECONSTRUCT, ArrayReader
from onemask.checkpoints.torch_files import read_torch_file
from onemask.checkpoints.torch_tensors import is_tensor
from onemask.data.annotated import AnnotatedSet
from onemask.data.parts import Layout, check_layout, to_square
from onemask.errors import OnemaskError
from onemask.labels import LabelSet

LATENTS, LABELS = "latents.pt", "labels.pt"
LAYOUT = Layout("the authors' release", (LATENTS, LABELS), "https://engineering.purdue.edu/RVL/ganecdotes/")
DEEPEST = 4  # lists in lists; one that holds itself has no end
SPLITS = ("exemplars", "tuning", "supervised", "test")


def annotated(
    root: str | Path,
    labels: LabelSet,
    latent: tuple[int, int],
    size: int,
    sizes: Mapping[str, Any],
    seed: int,
) -> AnnotatedSet:
    """The annotated set of a generator of `size` px and latents [num_ws, w_dim] (`latent`), split at random by `seed`.

    The release has no rare labels. OnemaskError names a file that holds something else, latents of another size, more
    or fewer label maps than latents, and splits that ask for more than there is (unless `allow_fewer`).
    """
    root = Path(root)
    check_layout(root, LAYOUT)
    ws, maps = _array(root / LATENTS), _array(root / LABELS)
    if ws.shape[1:] not in (latent, latent[1:]):
        expected = f"[n, {latent[0]}, {latent[1]}] or [n, {latent[1]}], as the generator has them"
        raise OnemaskError(f"{root / LATENTS}: latents are {list(ws.shape)}, expected {expected}")
    maps = maps[:, 0] if maps.ndim == 4 and maps.shape[1] == 1 else maps
    if maps.ndim != 3 or len(maps) != len(ws):
        raise OnemaskError(f"{root / LABELS}: label maps are {list(maps.shape)}, expected [{len(ws)}, H, W]")
    values = label_values(maps, len(labels), str(root / LABELS))
    order, splits = np.random.default_rng(seed).permutation(len(ws)), {}
    for name in SPLITS:
        chosen, order = order[: sizes[name]], order[sizes[name] :]
        if len(chosen) < sizes[name] and not sizes["allow_fewer"]:
            raise OnemaskError(f"{root}: {len(ws)} annotated images are too few; lower annotated_set.{name}")
        splits[name] = chosen.astype(np.int64)
    return AnnotatedSet(ws.astype(np.float32), np.stack([to_square(each, size) for each in values]), {}, splits)


def label_values(maps: np.ndarray, count: int, where: str) -> np.ndarray:
    """Label maps uint8 of values below `count`; the release may have divided them by 255 or by the last label."""
    for factor in (1, 255, count - 1):
        scaled = maps.astype(np.float64) * factor
        rounded = np.round(scaled)
        if np.abs(scaled - rounded).max() < 1e-3 and 0 <= rounded.min() <= rounded.max() < count:
            return rounded.astype(np.uint8)
    found = f"from {maps.min():g} to {maps.max():g}"
    raise OnemaskError(f"{where}: values are {found}, the class has labels 0 to {count - 1}")


def _array(path: Path) -> np.ndarray:
    """A tensor, an array, or the first of several."""
    content, reader = read_torch_file(path, NUMPY)
    for _ in range(DEEPEST):
        if isinstance(content, tuple | list) and content:
            content = content[0]
    if is_tensor(content):
        return reader.tensor(content).numpy()
    if isinstance(content, Made) and content.function.name in RECONSTRUCT:
        return ArrayReader(str(path), path.stat().st_size).array(content)
    raise OnemaskError(f"{path}: holds no tensor; expected what the authors released")
