"""Which real images a downstream training sees, and which it is validated and tested on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from onemask.data.parts import PartImage
from onemask.errors import OnemaskError

TEST = "test"


def choose_images(
    images: Sequence[PartImage], counts: Mapping[str, int], used: Collection[str], seed: int
) -> dict[str, list[PartImage]]:
    """`counts` images of each split at random, none twice and none of those whose names are `used`.

    Where the data set has a split `test`, test images are of it and the others are not. OnemaskError where it is short.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    free = [images[index] for index in order if images[index].name not in used]
    own = any(image.split == TEST for image in images)
    splits: dict[str, list[PartImage]] = {}
    for name, count in counts.items():
        pool = [image for image in free if not own or (image.split == TEST) == (name == TEST)]
        if len(pool) < count:
            raise OnemaskError(f"downstream.{name}: {count} images asked for, the data set has {len(pool)} left")
        splits[name] = pool[:count]
        free = [image for image in free if image not in splits[name]]
    return splits
