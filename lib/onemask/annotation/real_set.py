"""The annotated set of a class from real annotated images: each inverted into W+ (decisions 5 and 8).

An image whose reconstruction is too far from it is left out, and counted: its label map would not be that of what the
generator makes of its latents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from onemask.data.annotated import AnnotatedSet
from onemask.data.parts import Labelled, PartImage, PartMapping, labelled
from onemask.errors import OnemaskError
from onemask.labels import LabelSet
from onemask.stylegan2.images import from_pixels
from onemask.stylegan2.inversion import Inversion

TEST = "test"
FITTED = ("exemplars", "tuning", "supervised")  # splits that take images of the data set's other splits
Invert = Callable[[Tensor], Inversion]


@dataclass(frozen=True)
class RealSetSettings:
    """Sizes of the splits, as onemask.demo.annotating has them, and when an inversion is good enough.

    `min_psnr` in dB; a rare label's mask counts from `rare_min_pixels` on. With `allow_fewer` a split takes what there
    is, otherwise too few images are an error. `batch` images are inverted at once.
    """

    exemplars: int
    tuning: int
    supervised: int
    test: int
    rare_exemplars: int
    rare_test_positives: int
    min_psnr: float
    rare_min_pixels: int
    allow_fewer: bool
    batch: int


@dataclass(frozen=True)
class Inverted:
    """A labelled image, its W+ latent [num_ws, w_dim], and how near the latent's image is to it.

    psnr in dB; feature_distance is that of the inversion's loss, None where that had no feature network.
    """

    labelled: Labelled
    ws: np.ndarray
    psnr: float
    feature_distance: float | None


@dataclass
class Pool:
    """Images in a random order, inverted as they are asked for; what was inverted is kept, good or not."""

    images: Sequence[PartImage]
    label: Callable[[PartImage], Labelled]
    invert: Invert
    settings: RealSetSettings
    inverted: dict[str, Inverted] = field(default_factory=dict)

    def good(self, wanted: Callable[[Labelled], bool] = lambda _: True) -> Iterator[str]:
        """Names of the images that are `wanted` and whose inversion is good enough, in order, one after the other."""
        chosen = (each for each in map(self.label, self.images) if wanted(each))
        while batch := list(islice(chosen, self.settings.batch)):
            self._invert([each for each in batch if each.name not in self.inverted])
            for each in batch:
                if self.inverted[each.name].psnr >= self.settings.min_psnr:
                    yield each.name

    def _invert(self, batch: Sequence[Labelled]) -> None:
        if not batch:
            return
        pixels = torch.from_numpy(np.stack([each.image for each in batch]).transpose(0, 3, 1, 2).copy())
        found = self.invert(from_pixels(pixels))
        apart = [None] * len(batch) if found.feature_distance is None else found.feature_distance.tolist()
        for each, *rest in zip(batch, found.ws.cpu().numpy(), found.psnr.tolist(), apart, strict=True):
            self.inverted[each.name] = Inverted(each, *rest)


def make_real_set(
    images: Sequence[PartImage],
    mapping: PartMapping,
    labels: LabelSet,
    invert: Invert,
    size: int,
    settings: RealSetSettings,
    seed: int,
) -> AnnotatedSet:
    """The annotated set of a generator of `size` px, whose `invert` takes images [N, 3, size, size] in [-1, 1].

    Test images are of the data set's split `test`, the others of its other splits; without splits all are of one. The
    order is random by `seed` alone. A rare label's exemplars are the first images that hold it, its test split is the
    test split, extended until it has its positives. `metadata` hold counts, the inversions' quality and the images'
    names.
    """
    label = partial(labelled, mapping=mapping, labels=labels, size=size)
    order = np.random.default_rng(seed).permutation(len(images))
    shuffled = [images[index] for index in order]
    own = any(image.split == TEST for image in images)
    fitting = Pool([i for i in shuffled if not own or i.split != TEST], label, invert, settings)
    testing = Pool([i for i in shuffled if i.split == TEST], label, invert, settings) if own else fitting
    splits: dict[str, list[str]] = {}
    supply = fitting.good()
    for name in FITTED:
        splits[name] = _take(supply, getattr(settings, name), name, settings)
    if not splits["exemplars"]:
        best = max((each.psnr for each in fitting.inverted.values()), default=0.0)
        raise OnemaskError(
            f"annotated_set: of {len(fitting.inverted)} images none has an inversion of {settings.min_psnr:g} dB"
            f" (the best: {best:.1f}); lower real.min_psnr, or give it more real.steps"
        )
    splits[TEST] = _take(testing.good() if own else supply, settings.test, TEST, settings)
    _add_rare_splits(splits, mapping.rare, fitting, testing)
    return _assemble(splits, fitting.inverted | testing.inverted, settings)


def _add_rare_splits(splits: dict[str, list[str]], rare: Iterable[str], fitting: Pool, testing: Pool) -> None:
    """Of each rare label exemplars that no test split has, and a test split that adds to the parts' own."""
    settings = fitting.settings

    def holds(name: str) -> Callable[[Labelled], bool]:
        return lambda each: int(each.rare[name].sum()) >= settings.rare_min_pixels

    for name in rare:
        free = (found for found in fitting.good(holds(name)) if found not in splits[TEST])
        splits[f"rare_exemplars/{name}"] = _take(free, settings.rare_exemplars, f"exemplars of {name}", settings)
    taken = {name for names in splits.values() for name in names}
    for name in rare:
        positives = [found for found in splits[TEST] if holds(name)(testing.inverted[found].labelled)]
        more = (found for found in testing.good(holds(name)) if found not in taken)
        missing = max(0, settings.rare_test_positives - len(positives))
        extension = _take(more, missing, f"test images with {name}", settings)
        splits[f"rare_test/{name}"] = [*splits[TEST], *extension]


def _take(supply: Iterator[str], count: int, what: str, settings: RealSetSettings) -> list[str]:
    found = list(islice(supply, count))
    if len(found) < count and not settings.allow_fewer:
        raise OnemaskError(
            f"annotated_set: {len(found)} of {count} {what} with an inversion of {settings.min_psnr:g} dB;"
            " ask for fewer, lower real.min_psnr, or set annotated_set.allow_fewer"
        )
    return found


def _assemble(
    splits: Mapping[str, Sequence[str]],
    inverted: Mapping[str, Inverted],
    settings: RealSetSettings,
) -> AnnotatedSet:
    used = list(dict.fromkeys(name for names in splits.values() for name in names))
    place = {name: number for number, name in enumerate(used)}
    made = [inverted[name].labelled for name in used]
    psnr = np.array([each.psnr for each in inverted.values()])
    apart = [each.feature_distance for each in inverted.values() if each.feature_distance is not None]
    return AnnotatedSet(
        np.stack([inverted[name].ws for name in used]).astype(np.float32),
        np.stack([each.label_map for each in made]),
        {name: np.stack([each.rare[name] for each in made]) for name in made[0].rare},
        {name: np.array([place[found] for found in names], np.int64) for name, names in splits.items()},
        metadata={
            "images": used,
            "inversion": {
                "inverted": len(psnr),
                "left_out": int((psnr < settings.min_psnr).sum()),
                "min_psnr": settings.min_psnr,
                "psnr_quartiles": _quartiles(psnr),
                "psnr": [round(inverted[name].psnr, 3) for name in used],
                "feature_distance_quartiles": _quartiles(apart) if apart else None,
                "feature_distance": [inverted[name].feature_distance for name in used] if apart else None,
            },
        },
    )


def _quartiles(values: Sequence[float] | np.ndarray) -> list[float]:
    return [float(f"{quartile:.4g}") for quartile in np.percentile(values, (25, 50, 75))]
