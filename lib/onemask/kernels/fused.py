"""Sinkhorn's iteration and the swapped prediction in Triton (extra `triton`): one pass over memory each, on a GPU.

Both are bound by the bytes that they move. torch's operations read and write a matrix several times where its blocks
are no longer in cache; here a program holds rows of it in registers. Sums over rows are made per program, then by
torch, so that equal inputs give equal bits: nothing is added atomically. TRITON_INTERPRET=1, set before the import,
runs the same code without a GPU, slowly.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

from onemask.kernels.backend import WIDEST

PROGRAMS, WARPS = 2, 8  # per multiprocessor, where rows are many, and per program: docs/performance.md
KINDS = {torch.float32: tl.float32, torch.float64: tl.float64}
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def iterate(matrix: Tensor, v: Tensor, r: Tensor, rows: Tensor, u: Tensor) -> Tensor:
    """rows = E v and u = r / rows for `matrix` E [B, K]; returns u E [K]. See onemask.kernels.sinkhorn.iterate."""
    count, columns = matrix.shape
    block = _block(matrix)
    each = triton.cdiv(count, min(count, _programs(matrix.device)))
    partial = matrix.new_empty(triton.cdiv(count, each), columns)
    with on(matrix.device):
        launch = _iterate[(len(partial),)]
        launch(matrix, v, r, rows, u, partial, count, columns, each, BLOCK=block, num_warps=WARPS)
    return partial.sum(0)


def finish(matrix: Tensor, v: Tensor, rows: Tensor) -> None:
    """rows = E v; E becomes E diag(v), its rows scaled to sum to one."""
    count, columns = matrix.shape
    block = _block(matrix)
    with on(matrix.device):
        _finish[(count,)](matrix, v, rows, columns, BLOCK=block, num_warps=WARPS)


def cross_entropy_and_gradient(scores: Tensor, codes: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """As onemask.kernels.swapped_prediction.cross_entropy_and_gradient, each matrix read or written once."""
    count, columns = scores.shape
    exact = torch.promote_types(scores.dtype, torch.float32)
    scores, codes = scores.contiguous(), codes.contiguous()
    losses, gradient = scores.new_empty(count, dtype=exact), torch.empty_like(scores)
    warmth = scores.new_full((1,), temperature, dtype=exact)  # as an argument it would be in single precision
    block = _block(scores)
    with on(scores.device):
        launch = _cross_entropy[(count,)]
        arguments = (scores, codes, gradient, losses, columns, warmth, count)
        launch(*arguments, BLOCK=block, EXACT=KINDS[exact], num_warps=WARPS)
    return losses.mean().to(scores.dtype), gradient


def _block(matrix: Tensor) -> int:
    """The power of two that holds a row; ValueError where no program can, or where there is no GPU."""
    if not (matrix.is_cuda or INTERPRETED):
        raise ValueError(f"triton: the matrix is on {matrix.device}, expected a GPU")
    if matrix.shape[1] > WIDEST:
        raise ValueError(f"triton: {matrix.shape[1]} prototypes, expected at most {WIDEST}; do without")
    return triton.next_power_of_2(matrix.shape[1])


def on(device: torch.device) -> AbstractContextManager:
    """Triton launches on the current GPU, wherever its arguments are."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _programs(device: torch.device) -> int:
    """As many as keep a GPU busy; any number of them in the interpreter."""
    if device.type != "cuda":
        return PROGRAMS
    return PROGRAMS * torch.cuda.get_device_properties(device).multi_processor_count


@triton.jit
def _iterate(matrix, v, r, rows, u, partial, count, columns, each, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    offsets = tl.arange(0, BLOCK)
    inside = offsets < columns
    scale = tl.load(v + offsets, mask=inside, other=0.0)
    summed = tl.zeros_like(scale)
    place = matrix + program.to(tl.int64) * each * columns + offsets
    for row in tl.range(program * each, tl.minimum(count, (program + 1) * each)):
        line = tl.load(place, mask=inside, other=0.0)
        total = tl.sum(line * scale, 0)
        factor = tl.load(r + row) / total
        tl.store(rows + row, total)
        tl.store(u + row, factor)
        summed += factor * line
        place += columns
    tl.store(partial + program.to(tl.int64) * columns + offsets, summed, mask=inside)


@triton.jit
def _finish(matrix, v, rows, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offsets = tl.arange(0, BLOCK)
    inside = offsets < columns
    place = matrix + row.to(tl.int64) * columns + offsets
    line = tl.load(place, mask=inside, other=0.0) * tl.load(v + offsets, mask=inside, other=0.0)
    total = tl.sum(line, 0)
    tl.store(rows + row, total)
    tl.store(place, line / total, mask=inside)


@triton.jit
def _cross_entropy(
    scores, codes, gradient, losses, columns, temperature, count, BLOCK: tl.constexpr, EXACT: tl.constexpr
):
    row = tl.program_id(0)
    offsets = tl.arange(0, BLOCK)
    inside = offsets < columns
    place = row.to(tl.int64) * columns + offsets
    warmth = tl.load(temperature)
    s = tl.load(scores + place, mask=inside, other=float("-inf")).to(EXACT) / warmth
    q = tl.load(codes + place, mask=inside, other=0.0).to(EXACT)
    s -= tl.max(s, 0)
    e = tl.exp(s)
    total, weight = tl.sum(e, 0), tl.sum(q, 0)
    tl.store(losses + row, weight * tl.log(total) - tl.sum(tl.where(inside, q * s, 0.0), 0))
    tl.store(gradient + place, (e * (weight / total) - q) / (warmth * count), mask=inside)
