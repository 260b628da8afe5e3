"""Images and label maps as pictures to look at: a segmenter's view of generated images, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.files import atomic
from onemask.segmenters.base import Segmenter
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import FeatureGenerator


@torch.no_grad()
def segment_images(
    generator: FeatureGenerator, segmenter: Segmenter, ws: Tensor, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """ws [N, L, w_dim] -> images uint8 [N, size, size, 3] and predicted label maps uint8 [N, H, W], one at a time."""
    images, label_maps = [], []
    for one in tqdm(ws.split(1), desc="segment", unit="image", mininterval=1):
        image, features = generator.features(one)
        images.append(to_pixels(image, size))
        label_maps.append(segmenter.predict(features).cpu().numpy())
    return np.concatenate(images), np.concatenate(label_maps)


def save_pictures(path: str | Path, images: Sequence[np.ndarray], label_maps: Sequence[np.ndarray]) -> None:
    """Write images [n, S, S, 3] with their label maps [n, H, W] as one npz."""
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, images=np.stack(images), label_maps=np.stack(label_maps))
