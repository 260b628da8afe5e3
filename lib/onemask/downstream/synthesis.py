"""Generated images with label maps, as training pairs (Fig. 10)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.downstream.pairs import Pairs
from onemask.seeds import SYNTHETIC_SEEDS
from onemask.segmenters.base import Features
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import FeatureGenerator, images_at_once

Annotate = Callable[[Tensor, Features], Tensor]


@torch.no_grad()
def synthesise(
    generator: FeatureGenerator, annotate: Annotate, count: int, truncation: float, seed: int, batch: int = 8
) -> Pairs:
    """`count` pairs, image i of the latent seed `seed` + i, so that fewer of them are the first of more.

    `annotate` takes images [N, 3, H, W] in [-1, 1] and their feature maps and gives label maps uint8 [N, H, W].
    """
    first, batch = seed % SYNTHETIC_SEEDS, images_at_once(generator, batch)
    images, label_maps = [], []
    for start in tqdm(range(0, count, batch), desc="annotate", unit="batch", mininterval=1):
        ws = generator.sample_ws(range(first + start, first + min(start + batch, count)), truncation)
        made, features = generator.features(ws)
        images.append(to_pixels(made, generator.resolution).transpose(0, 3, 1, 2))
        label_maps.append(annotate(made, features).cpu().numpy())
    return Pairs(np.concatenate(images), np.concatenate(label_maps))
