"""NT-Xent, the contrastive loss of SimCLR (Chen, Kornblith, Norouzi and Hinton, 2020, Eq. 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from onemask.kernels.checks import check_finite, check_floating


def nt_xent(z_a: Tensor, z_b: Tensor, temperature: float) -> Tensor:
    """Mean over the 2B anchors of -log(exp(s_ij / T) / sum_{k != i} exp(s_ik / T)), in nats.

    Rows i of z_a and z_b [B, D] are two views of one pixel, of unit length (not checked): s = z . z' is their cosine,
    j is the other view of i's pixel and the other 2B - 2 rows of both views are negatives. ValueError names a shape
    that is not [B, D] with B >= 1, what is not finite, or a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: {temperature} is not positive")
    if z_a.ndim != 2 or len(z_a) == 0:
        raise ValueError(f"z_a: shape {tuple(z_a.shape)}, expected [B, D] with at least one pixel")
    if z_b.shape != z_a.shape:
        raise ValueError(f"z_b: shape {tuple(z_b.shape)}, expected {tuple(z_a.shape)} as of z_a")
    check_floating(z_a=z_a, z_b=z_b)
    check_finite(z_a=z_a, z_b=z_b)
    z = torch.cat([z_a, z_b])
    # The one 2B x 2B matrix: the temperature divides the smaller factor, and the diagonal is masked in place.
    similarities = ((z / temperature) @ z.T).fill_diagonal_(-torch.inf)
    positives = (z_a * z_b).sum(1) / temperature
    loss = torch.logsumexp(similarities, dim=1).mean() - positives.mean()
    if not torch.isfinite(loss.detach()):
        raise ValueError(f"temperature: {temperature} is too small for these vectors")
    return loss
