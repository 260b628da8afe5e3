"""Image augmentation in W+: the latents of one block are moved, the others stay (Section 4.1, decisions 9 to 12)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Method = Literal["interpolation", "noise"]


def perturb(
    ws: Tensor,
    ws_random: Tensor,
    block_ws: Sequence[Sequence[int]],
    block: int,
    strength: float,
    method: Method = "interpolation",
    sigma: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """ws' [N, L, w_dim]: a copy of ws in which only the w indices block_ws[block] differ.

    interpolation: w' = (1 - p) w + p w_random with p = strength, the weight of the random latent (Eq. 7, decision 9);
    noise: w' = w + N(0, sigma^2 I), drawn on the CPU from `generator` (Eq. 6); see `matching_sigma`.
    """
    index = torch.as_tensor(block_ws[block], device=ws.device)
    chosen = ws[:, index]
    if method == "interpolation":
        moved = torch.lerp(chosen, ws_random[:, index], strength)
    elif method == "noise" and sigma is not None:
        moved = chosen + sigma * torch.randn(chosen.shape, generator=generator).to(chosen)
    else:
        raise ValueError(f"method: {method!r} with sigma {sigma}; expected interpolation, or noise with a sigma")
    return ws.index_copy(1, index, moved)


def matching_sigma(ws_bank: Tensor, strength: float) -> float:
    """The sigma at which noise moves a latent as far, on average, as interpolation does (decision 12).

    ws_bank [M, L, w_dim], M >= 2 independent samples. Interpolation moves w by p |w - w_random|; noise in d dimensions
    by sigma sqrt(2) Gamma((d + 1) / 2) / Gamma(d / 2).
    """
    count, _, dim = ws_bank.shape
    latents = ws_bank.double().transpose(0, 1)
    between = torch.cdist(latents, latents).sum((1, 2)).mean() / (count * (count - 1))
    unit = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
    return strength * float(between) / unit
