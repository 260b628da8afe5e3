"""What the kernels refuse: a number that is none would spread without a word."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_finite(**tensors: Tensor | Sequence[Tensor]) -> None:
    """ValueError names the first argument that holds NaN or an infinity, as `all_finite` finds them."""
    given = {name: [part] if isinstance(part, Tensor) else part for name, part in tensors.items()}
    named = [(name, part) for name, parts in given.items() for part in parts]
    for (name, _), finite in zip(named, _finite([part for _, part in named]), strict=True):
        if not finite:
            raise ValueError(f"{name}: expected finite numbers")


def all_finite(*tensors: Tensor) -> bool:
    """Whether there is no NaN and no infinity. One pass; a second where a sum overflows, a copy in half precision.

    On a GPU the host waits for the answer; while a CUDA graph is captured it cannot, and takes all for finite.
    """
    return all(_finite(tensors))


def _finite(tensors: Sequence[Tensor]) -> list[bool]:
    """Of each of them; on a GPU the host waits once."""
    if not tensors or (tensors[0].is_cuda and torch.cuda.is_current_stream_capturing()):
        return [True] * len(tensors)
    ordered = [_in_memory_order(tensor.detach()) for tensor in tensors]
    sums = [tensor.sum(dtype=torch.promote_types(tensor.dtype, torch.float32)).isfinite() for tensor in ordered]
    # A sum is finite only where all its terms are, and is made faster than bounds; one that is not may have overflowed.
    return [
        finite or all(bound.isfinite() for bound in torch.aminmax(tensor))
        for tensor, finite in zip(ordered, torch.stack(sums).tolist(), strict=True)
    ]


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
