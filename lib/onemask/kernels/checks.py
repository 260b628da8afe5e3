"""What the kernels refuse: a number that is none would spread without a word."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_finite(**tensors: Tensor | Sequence[Tensor]) -> None:
    """ValueError names the first argument that holds NaN or an infinity. One pass over each, no memory.

    On a GPU the host waits once for all of them; while a CUDA graph is captured it cannot wait, and checks nothing.
    """
    given = {name: [part] if isinstance(part, Tensor) else part for name, part in tensors.items()}
    named = [(name, part) for name, parts in given.items() for part in parts if part.numel()]
    if not named or (named[0][1].is_cuda and torch.cuda.is_current_stream_capturing()):
        return
    ranges = (torch.aminmax(_in_memory_order(part.detach())) for _, part in named)  # NaN passes through
    bounds = [bound.isfinite() for both in ranges for bound in both]
    for (name, _), finite in zip(named, torch.stack(bounds).view(-1, 2).all(1).tolist(), strict=True):
        if not finite:
            raise ValueError(f"{name}: expected finite numbers")


def _in_memory_order(tensor: Tensor) -> Tensor:
    """Its dimensions by stride: torch reads a tensor in another order several times slower."""
    return tensor.permute(sorted(range(tensor.ndim), key=tensor.stride, reverse=True))


def check_floating(**tensors: Tensor) -> None:
    """ValueError names the first argument that is not floating-point, or not of the first one's type and device."""
    first_name, first = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{name}: {tensor.dtype}, expected floating-point numbers")
        if tensor.dtype != first.dtype or tensor.device != first.device:
            found = f"{tensor.dtype} on {tensor.device}"
            raise ValueError(f"{name}: {found}, expected {first.dtype} on {first.device} as of {first_name}")
