"""What the kernels refuse: a number that is none would spread without a word."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_finite(**tensors: Tensor) -> None:
    """ValueError names the first argument that holds NaN or an infinity. One pass over each, no memory."""
    for name, tensor in tensors.items():
        if tensor.numel() and not (tensor.is_cuda and torch.cuda.is_current_stream_capturing()):
            low, high = torch.aminmax(tensor.detach())  # NaN passes through both
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ValueError(f"{name}: expected finite numbers")


def check_floating(**tensors: Tensor) -> None:
    """ValueError names the first argument that is not floating-point, or not of the first one's type and device."""
    first_name, first = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{name}: {tensor.dtype}, expected floating-point numbers")
        if tensor.dtype != first.dtype or tensor.device != first.device:
            found = f"{tensor.dtype} on {tensor.device}"
            raise ValueError(f"{name}: {found}, expected {first.dtype} on {first.device} as of {first_name}")
