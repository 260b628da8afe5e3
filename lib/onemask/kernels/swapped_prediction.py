"""The swapped-prediction loss of SwAV (Eq. 2 and 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def swapped_prediction_loss(
    scores_s: Tensor, scores_t: Tensor, codes_s: Tensor, codes_t: Tensor, temperature: float
) -> Tensor:
    """L = l(z_s, q_t) + l(z_t, q_s), l the cross-entropy of one view's codes with the other's prediction (Eq. 2, 3).

    scores [B, K] are the products z . c of two views of the same pixels, codes [B, K] their cluster assignments, rows
    summing to one. Returns the mean over pixels, in nats. Codes are targets: no gradient flows into them.
    ValueError names the argument whose shape differs from scores_s, or a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: {temperature} is not positive")
    for name, tensor in (("scores_t", scores_t), ("codes_s", codes_s), ("codes_t", codes_t)):
        if scores_s.ndim != 2 or tensor.shape != scores_s.shape:
            raise ValueError(f"{name}: shape {tuple(tensor.shape)}, expected {tuple(scores_s.shape)} as of scores_s")
    codes_s, codes_t = codes_s.detach(), codes_t.detach()
    return _cross_entropy(scores_s, codes_t, temperature) + _cross_entropy(scores_t, codes_s, temperature)


def _cross_entropy(scores: Tensor, codes: Tensor, temperature: float) -> Tensor:
    """Eq. 3, mean over pixels. One dot product: F.cross_entropy spends a third of its time on ignored classes."""
    log_p = F.log_softmax(scores / temperature, dim=1)
    return -torch.dot(codes.flatten(), log_p.flatten()) / len(scores)
