"""The demo worlds by name, and the seed ranges that keep their uses apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from onemask.demo.canvas import Rendered
from onemask.errors import OnemaskError

# Images are drawn in batches of exactly this many (the last one padded): the vectorised and the scalar version of a
# function such as sin differ in the last bit, so the bytes of an image would depend on its place in an odd-sized batch.
BATCH = 32

SPLITS = ("generator", "annotator", "downstream_train", "validation", "test", "downstream_validation")
SEEDS_PER_SPLIT = 100_000_000


def _render_world(module: str, seeds: Tensor, size: int, device: torch.device, **options: Any) -> Rendered:
    """One batch of a world; its module is imported on first use."""
    return import_module(f"onemask.demo.{module}").render(seeds, size, device, **options)


WORLDS: dict[str, Callable[..., Rendered]] = {
    name: partial(_render_world, name) for name in ("face", "cat", "car", "horse", "baggage")
}


def seed_range(split: str) -> range:
    """The image seeds of a split; ranges of different splits are disjoint. OnemaskError for an unknown split."""
    if split not in SPLITS:
        raise OnemaskError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    start = SPLITS.index(split) * SEEDS_PER_SPLIT
    return range(start, start + SEEDS_PER_SPLIT)


def render(
    world: str, seeds: Sequence[int] | Tensor, size: int = 64, device: torch.device | str = "cpu", **options: Any
) -> Rendered:
    """Draw the images of `seeds` (N integers); an image depends on its own seed, the size and the world's `options`.

    Returns images uint8 [N, 3, size, size], label maps uint8 [N, size, size] and rare masks bool [N, size, size], on
    `device`. OnemaskError for an unknown world or no seeds.
    """
    if world not in WORLDS:
        raise OnemaskError(f"world {world!r} is not one of {', '.join(WORLDS)}")
    if len(seeds) == 0:
        raise OnemaskError(f"world {world!r}: no seeds to render; give at least one")
    seeds = torch.as_tensor(seeds, dtype=torch.int64).to(device)
    batches = [_render_padded(world, part, size, torch.device(device), options) for part in seeds.split(BATCH)]
    return Rendered(
        torch.cat([batch.images for batch in batches]),
        torch.cat([batch.label_maps for batch in batches]),
        {name: torch.cat([batch.rare[name] for batch in batches]) for name in batches[0].rare},
    )


def _render_padded(world: str, seeds: Tensor, size: int, device: torch.device, options: Mapping[str, Any]) -> Rendered:
    count = len(seeds)
    padded = torch.cat([seeds, seeds[-1:].expand(BATCH - count)])
    batch = WORLDS[world](padded, size, device, **options)
    rare = {name: mask[:count] for name, mask in batch.rare.items()}
    return Rendered(batch.images[:count], batch.label_maps[:count], rare)
