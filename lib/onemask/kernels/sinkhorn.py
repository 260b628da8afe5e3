"""Cluster assignment by optimal transport (Eq. 4, 5, A5 to A8) in a form that cannot overflow (decision 20).

The iteration is Sinkhorn-Knopp's: from Q = exp(scores / epsilon), scale the columns to the prototypes' marginal, then
the rows to the pixels' marginal, and so on; it ends on rows. exp(scores / epsilon) itself leaves single precision at
scores of 0.27 with epsilon .003, and subtracting one maximum underflows whole rows. Here

1. the first iteration is done in the log domain: every exponent is taken relative to its column's, then its row's
   maximum. After it each row of the matrix E has a 1, and column sums are at least c_k min_i r_i: nothing is lost.
   Scores within 60 epsilons of one another need no such care: one maximum is subtracted;
2. the others scale two vectors, Q = diag(u) E diag(v), two matrix-vector products each, made block by block of rows:
   u is local to a row, so both products of a block are done while it is in cache;
3. entries that exp flushed to zero were below exp(-87). While u and v cannot have raised any of them above 1e-7 the
   result stands; otherwise (checked on every call) the whole computation is repeated in the log domain in float64.

Single precision resolves scores to about 2^-24 of the largest, or of their range, an error of that over 2^24 epsilon in
the exponent; where it exceeds 2e-5 (scores beyond 335 epsilons) the matrix is made in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from onemask.kernels.backend import rows_of_block

EXPONENT_ERROR = 2e-5
LOST_MASS = 1e-7
NARROW = 60
Blocks = Sequence[Tensor]


def sinkhorn(
    scores: Tensor,
    epsilon: float,
    iterations: int,
    pixel_marginal: Tensor | None = None,
    prototype_marginal: Tensor | None = None,
    *,
    triton: bool = False,
) -> Tensor:
    """Codes Q* [B, K] of the scores z . c [B, K], each row summing to one; no gradient.

    `epsilon` weighs the entropy (20 / K is the paper's rule of thumb, Section 9.2). The marginals [B] and [K] are
    non-negative and need not be normalised; None is uniform (the equipartition of Eq. A2). `triton` iterates by
    onemask.kernels.fused. Beside the result it takes 2 (B + K) numbers an iteration. ValueError names the argument that
    is empty, of the wrong shape, not finite or out of range.
    """
    _check(scores, epsilon, iterations)
    count, prototypes = scores.shape
    with torch.no_grad():
        low, high = _range(scores)
        r = _marginal("pixel_marginal", pixel_marginal, count, scores.device)
        c = _marginal("prototype_marginal", prototype_marginal, prototypes, scores.device)
        codes = _scaling(scores, epsilon, iterations, r, c, low, high, triton)
        if codes is None:
            codes = _log_domain(scores, epsilon, iterations, r, c)
        return codes.to(scores.dtype)


def _scaling(
    scores: Tensor, epsilon: float, iterations: int, r: Tensor, c: Tensor, low: float, high: float, triton: bool
) -> Tensor | None:
    """Steps 1 to 3 above; None when underflow may have cost more than LOST_MASS. `low`, `high`: the scores' range."""
    one_iteration, last_one = _passes(triton)
    spread, largest = (high - low) / epsilon, max(abs(low), abs(high), high - low) / epsilon
    coarse = scores.dtype != torch.float64 and largest * 2.0**-24 <= EXPONENT_ERROR
    dtype = torch.float32 if coarse else torch.float64
    r, c = r.to(dtype), c.to(dtype)
    matrix = scores.new_empty(scores.shape, dtype=dtype)
    rows, us = r.new_empty(iterations, len(r)), r.new_empty(iterations - 1, len(r))
    parts = _blocks(scores, len(c)), _blocks(matrix, len(c))
    v = _wide_columns(*parts, epsilon, c) if spread > NARROW else _narrow_columns(*parts, epsilon, c, high)
    vs, columns = [v], []
    for row, u in zip(rows, us, strict=False):
        columns.append(one_iteration(matrix, vs[-1], r, row, u))
        vs.append(c / columns[-1])
    last_one(matrix, vs[-1], rows[-1])
    lost = _worst_ratio(torch.stack(vs), rows) * len(c)
    if columns:
        lost = torch.maximum(lost, _worst_ratio(us, torch.stack(columns)) * len(r))
    return matrix if bool(lost * torch.finfo(dtype).tiny < LOST_MASS) else None  # None for NaN too


def _worst_ratio(scales: Tensor, sums: Tensor) -> Tensor:
    """An iteration's largest scale over its smallest sum, in the worst of the rows, an iteration each."""
    return (scales.amax(1) / sums.amin(1)).max()


def _passes(triton: bool) -> tuple[Callable[..., Tensor], Callable[..., None]]:
    """`iterate` and `finish`: this module's or the fused ones."""
    if not triton:
        return iterate, finish
    from onemask.kernels import fused

    return fused.iterate, fused.finish


def iterate(matrix: Tensor, v: Tensor, r: Tensor, rows: Tensor, u: Tensor) -> Tensor:
    """One iteration on `matrix` E [B, K]: rows = E v and u = r / rows, in place; returns u E [K]."""
    columns = torch.zeros_like(v)
    blocks = zip(*(_blocks(tensor, len(v)) for tensor in (matrix, r, rows, u)), strict=True)
    for block, share, row, scale in blocks:  # both products while a block is in cache
        torch.mv(block, v, out=row)
        torch.div(share, row, out=scale)
        columns.addmv_(block.T, scale)
    return columns


def finish(matrix: Tensor, v: Tensor, rows: Tensor) -> None:
    """rows = E v; E becomes E diag(v), its rows scaled to sum to one. In place."""
    for block, row in zip(_blocks(matrix, len(v)), _blocks(rows, len(v)), strict=True):
        torch.mv(block, v, out=row)
        block.mul_(v).div_(row[:, None])


def _blocks(tensor: Tensor, columns: int) -> Blocks:
    """Rows of a matrix [B, columns], or numbers [B] that belong to them, block by block."""
    return tensor.split(rows_of_block(columns, tensor.device))


def _narrow_columns(scores: Blocks, matrix: Blocks, epsilon: float, c: Tensor, high: float) -> Tensor:
    """Fills E [B, K] = exp((s - max s) / epsilon); returns the v [K] that scales its columns to c."""
    highest = c.new_tensor(high)
    return c / _exponentials(scores, matrix, highest, epsilon, torch.zeros_like(c))


def _wide_columns(scores: Blocks, matrix: Blocks, epsilon: float, c: Tensor) -> Tensor:
    """Fills E [B, K] = exp((s_ik - g_k - f_i) / epsilon): columns scaled to c, rows to a maximum of one; v is one."""
    highest = torch.stack([s.amax(0) for s in scores]).amax(0).to(c)
    sums = _exponentials(scores, matrix, highest, epsilon, torch.zeros_like(c))
    shift = (c / sums).log() - highest / epsilon
    for s, block in zip(scores, matrix, strict=True):
        torch.add(shift, s.to(c), alpha=1 / epsilon, out=block)
        block.sub_(block.amax(1, keepdim=True)).exp_()
    return torch.ones_like(c)


def _exponentials(scores: Blocks, matrix: Blocks, highest: Tensor, epsilon: float, sums: Tensor) -> Tensor:
    """Fills exp((s - highest) / epsilon), and adds its columns to `sums` [K]."""
    shift = -highest / epsilon
    for s, block in zip(scores, matrix, strict=True):
        torch.add(shift, s.to(sums), alpha=1 / epsilon, out=block).exp_()
        sums.addmv_(block.T, sums.new_ones(len(block)))
    return sums


def _log_domain(scores: Tensor, epsilon: float, iterations: int, r: Tensor, c: Tensor) -> Tensor:
    """The same iteration on logarithms in float64: slower, and exact whatever the range of the scores."""
    exponent = scores.double() / epsilon
    f = torch.zeros_like(exponent[:, 0])
    for _ in range(iterations):
        g = c.double().log() - torch.logsumexp(exponent + f[:, None], dim=0)
        f = r.double().log() - torch.logsumexp(exponent + g, dim=1)
    return torch.softmax(exponent + g, dim=1)


def _range(scores: Tensor) -> tuple[float, float]:
    """Smallest and largest score; ValueError when one is not finite (NaN passes through both)."""
    low, high = (float(bound) for bound in torch.aminmax(scores))
    if not math.isfinite(high - low):
        raise ValueError("scores: expected finite numbers")
    return low, high


def _marginal(name: str, marginal: Tensor | None, length: int, device: torch.device) -> Tensor:
    """A marginal as float64 probabilities [length]."""
    if marginal is None:
        return torch.full((length,), 1 / length, dtype=torch.float64, device=device)
    marginal = marginal.detach().to(device, torch.float64)
    if marginal.shape != (length,):
        raise ValueError(f"{name}: shape {tuple(marginal.shape)}, expected [{length}]")
    total = float(marginal.sum())
    if not (math.isfinite(total) and total > 0 and float(marginal.min()) >= 0):
        raise ValueError(f"{name}: expected non-negative finite numbers with a positive sum")
    return marginal / total


def _check(scores: Tensor, epsilon: float, iterations: int) -> None:
    if scores.ndim != 2 or scores.numel() == 0:
        raise ValueError(f"scores: shape {tuple(scores.shape)}, expected [B, K] with at least one pixel and prototype")
    if not scores.is_floating_point():
        raise ValueError(f"scores: {scores.dtype}, expected floating-point numbers")
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon: {epsilon} is not a positive number")
    if iterations < 1:
        raise ValueError(f"iterations: {iterations} is not at least 1")
