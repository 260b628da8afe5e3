"""Frechet distance between two sets of images over named features (Dowson & Landau 1982; Heusel et al. 2017, Eq. 6).

The feature network is EfficientNet-Lite0, so the score is called `frechet_efficientnet_lite0`. It is not the FID, which
is defined over the standard Inception network, and the two scales cannot be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.errors import OnemaskError
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.protocol import synthesize_all
from onemask.training.image_features import resize_for_features

SCORE_NAME = "frechet_efficientnet_lite0"
BATCH = 50  # images at a time


class FeatureStatistics:
    """Mean and covariance of features that arrive in batches, accumulated in float64.

    Sums are taken around the first batch's mean: without that shift the covariance would lose digits to a large mean.
    """

    def __init__(self, num_features: int) -> None:
        self.count = 0
        self.shift = np.zeros(num_features)
        self.sums = np.zeros(num_features)
        self.products = np.zeros((num_features, num_features))

    def add(self, features: Tensor | np.ndarray) -> FeatureStatistics:
        """Add features [N, num_features]."""
        batch = np.asarray(features.detach().cpu() if isinstance(features, Tensor) else features, dtype=np.float64)
        if self.count == 0:
            self.shift = batch.mean(axis=0)
        centred = batch - self.shift
        self.count += len(centred)
        self.sums += centred.sum(axis=0)
        self.products += centred.T @ centred
        return self

    def mean(self) -> np.ndarray:
        """float64 [num_features]."""
        return self.shift + self.sums / self._enough()

    def covariance(self) -> np.ndarray:
        """Unbiased covariance, float64 [num_features, num_features]."""
        offset = self.sums / self._enough()
        return (self.products - self.count * np.outer(offset, offset)) / (self.count - 1)

    def _enough(self) -> int:
        if self.count < 2:
            raise OnemaskError(f"feature statistics need at least 2 images, found {self.count}; raise the image count")
        return self.count


def frechet_distance(mu1: np.ndarray, cov1: np.ndarray, mu2: np.ndarray, cov2: np.ndarray) -> float:
    """|mu1 - mu2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)), in float64.

    tr (cov1 cov2)^(1/2) is the sum of the square roots of the eigenvalues of cov1^(1/2) cov2 cov1^(1/2), which is
    symmetric: real and stable even where fewer images than features make the covariances singular.
    """
    root = _symmetric_root(cov1)
    eigenvalues = np.linalg.eigvalsh(root @ np.asarray(cov2, dtype=np.float64) @ root)
    cross = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    difference = np.asarray(mu1, dtype=np.float64) - np.asarray(mu2, dtype=np.float64)
    return float(max(difference @ difference + np.trace(cov1) + np.trace(cov2) - 2 * cross, 0.0))


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.asarray(matrix, dtype=np.float64))
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


@torch.no_grad()
def image_statistics(
    batches: Iterable[Tensor], network: torch.nn.Module, size: int = 128, num_features: int = 1280
) -> FeatureStatistics:
    """Feature statistics of batches of images [N, 3, H, W], uint8 or float in [-1, 1], resized to `size` pixels."""
    statistics = FeatureStatistics(num_features)
    device = next(network.parameters()).device
    for images in batches:
        statistics.add(network(resize_for_features(images.to(device), size)))
    return statistics


def frechet_score(real: FeatureStatistics, generated: FeatureStatistics) -> float:
    """The Frechet distance of two accumulated sets; lower is better, 0 for equal statistics."""
    return frechet_distance(real.mean(), real.covariance(), generated.mean(), generated.covariance())


def sample_batches(sample: Callable[[list[int]], Tensor], seeds: range, batch: int) -> Iterable[Tensor]:
    """Batches of `sample(seeds)` over consecutive seeds: images of a renderer or of a generator."""
    for start in range(0, len(seeds), batch):
        yield sample(list(seeds[start : start + batch]))


def generate(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """Images [N, 3, R, R] of `seeds`, not truncated."""
    return synthesize_all(generator, generator.sample_ws(seeds, 1.0))


def milestone_scores(
    folder: Path, images: np.ndarray, network: torch.nn.Module, count: int, seed: int, num_features: int = 1280
) -> list[dict[str, float]]:
    """The score of each generator that a training kept, `folder`/<images seen>.safetensors, in that order: CSV rows.

    images: uint8 [M, 3, R, R], what it is trained on: `count` of them, chosen by `seed`, against as many samples at
    psi 1. OnemaskError where there is no generator or too few images.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise OnemaskError(f"{folder}: no milestone; train with generator_training.milestone_kimg above 0")
    if len(images) < count:
        raise OnemaskError(f"{len(images)} training images, the score asks for {count}; render or unpack more")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    parts = np.split(chosen, range(BATCH, count, BATCH))
    real = image_statistics((torch.from_numpy(images[part]) for part in parts), network, num_features=num_features)
    rows = []
    for path in tqdm(paths, desc="milestones"):
        samples = sample_batches(partial(generate, load_generator(path)), range(count), BATCH)
        generated = image_statistics(samples, network, num_features=num_features)
        rows.append({"kimg": int(path.stem) / 1000, SCORE_NAME: frechet_score(real, generated)})
    return rows
