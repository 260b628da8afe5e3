"""Where Triton's kernels run: on a GPU, with the package and a C compiler, which builds their launchers."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil

from torch import Tensor

WIDEST = 1 << 14  # numbers of a row that a program of onemask.kernels.fused holds: wider ones leave the registers


@functools.cache
def triton_works() -> bool:
    """Whether Triton can be imported and finds a compiler."""
    compilers = (os.environ.get("CC"), "cc", "gcc", "clang")
    return bool(importlib.util.find_spec("triton")) and any(name and shutil.which(name) for name in compilers)


def uses_triton(tensor: Tensor) -> bool:
    """Whether what is computed of this tensor goes by Triton, unless it is asked for otherwise."""
    return tensor.is_cuda and triton_works()
