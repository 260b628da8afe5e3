"""One block's latents perturbed and what becomes of the image: samples for Figs. 6 and 7 (Section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from onemask.clustering.augmentation import Method, matching_sigma, perturb
from onemask.clustering.pixels import draw_seeds
from onemask.clustering.views import SIGMA_BANK
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import FeatureGenerator

METHODS = get_args(Method)


@torch.no_grad()
def sample_perturbations(
    generator: FeatureGenerator, strengths: Sequence[float], identities: int, samples: int, truncation: float, seed: int
) -> dict[str, np.ndarray]:
    """Images of `identities` latents, each perturbed at every block, strength and by both methods, `samples` times.

    `originals` uint8 [I, R, R, 3]; `images` uint8 [I, M, B, P, S, R, R, 3] by identity, method, block, strength and
    sample; their coordinates `methods` [M], `resolutions` [B] (of the blocks' maps), `strengths` [P]; `sigmas` [P], the
    noise that moves w as far as interpolation does (decision 12). Sample s has the same random latent, and the same
    noise but for its length, at every block and strength and for every identity.
    """
    rng = torch.Generator().manual_seed(seed)
    counts = (identities, samples, SIGMA_BANK)
    ws, ws_random, bank = (generator.sample_ws(draw_seeds(count, rng), truncation) for count in counts)
    sigmas = [matching_sigma(bank, strength) for strength in strengths]
    size, blocks = generator.resolution, len(generator.block_ws)

    def image(w: Tensor, method: Method, block: int, strength: float, sigma: float) -> np.ndarray:
        noise = torch.Generator().manual_seed(seed)
        many = w.expand(samples, -1, -1)
        moved = perturb(many, ws_random, generator.block_ws, block, strength, method, sigma, noise)
        return to_pixels(generator.synthesize(moved), size)

    amounts = list(zip(strengths, sigmas, strict=True))
    images = [image(*which, *amount) for *which, amount in product(ws, METHODS, range(blocks), amounts)]
    owners = zip(generator.feature_blocks, generator.features(ws[:1])[1], strict=True)
    resolutions = {block: features.shape[-1] for block, features in owners}
    shape = (identities, len(METHODS), blocks, len(strengths), samples, size, size, 3)
    return {
        "originals": to_pixels(generator.synthesize(ws), size),
        "images": np.stack(images).reshape(shape),
        "methods": np.array(METHODS),
        "resolutions": np.array([resolutions[block] for block in range(blocks)]),
        "strengths": np.array(strengths, np.float64),
        "sigmas": np.array(sigmas),
    }
