"""Memory for large results: on Linux in huge pages, which cost a few hundred faults instead of tens of thousands."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

HUGE, MADV_HUGEPAGE = 1 << 21, 14  # bytes of such a page; Linux's number for the advice, <sys/mman.h>


def fresh(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised contiguous tensor. Advice that a system does not take changes nothing."""
    made = torch.empty(shape, dtype=dtype, device=device)
    start = -(-made.data_ptr() // HUGE) * HUGE
    length = (made.data_ptr() + made.nbytes - start) // HUGE * HUGE
    if made.device.type == "cpu" and length > 0 and (advise := _madvise()):
        advise(ctypes.c_void_p(start), ctypes.c_size_t(length), MADV_HUGEPAGE)
    return made


@cache
def _madvise() -> Any:
    return getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
