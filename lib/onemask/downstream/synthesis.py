"""Generated images with the label maps that a one-shot segmenter predicts, as training pairs (Fig. 10)."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from onemask.downstream.pairs import Pairs
from onemask.segmenters.base import Segmenter
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import FeatureGenerator

MOST_SEEDS = 2**40


@torch.no_grad()
def synthesise(
    generator: FeatureGenerator, segmenter: Segmenter, count: int, truncation: float, seed: int, batch: int = 8
) -> Pairs:
    """`count` pairs, image i of the latent seed `seed` + i, so that fewer of them are the first of more."""
    first = seed % MOST_SEEDS
    images, label_maps = [], []
    for start in tqdm(range(0, count, batch), desc="annotate", unit="batch", mininterval=1):
        ws = generator.sample_ws(range(first + start, first + min(start + batch, count)), truncation)
        made, features = generator.features(ws)
        images.append(to_pixels(made, generator.resolution).transpose(0, 3, 1, 2))
        label_maps.append(segmenter.predict(features).cpu().numpy())
    return Pairs(np.concatenate(images), np.concatenate(label_maps))
