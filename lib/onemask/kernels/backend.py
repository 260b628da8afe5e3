"""What a device asks for: rows at a time, and Triton on a GPU where a first launch succeeds.

ONEMASK_TRITON=0 keeps all to torch.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys

import torch
from torch import Tensor

# Numbers of a block of rows: on a CPU 512 KB, which a core's cache holds; on a GPU a launch costs more than its cache
# saves.
BLOCKS = {"cpu": 1 << 17, "cuda": 1 << 28}
WIDEST = 1 << 14  # numbers of a row that a program of onemask.kernels.fused holds: wider ones leave the registers


def rows_of_block(columns: int, device: torch.device) -> int:
    """Rows of a matrix that are computed at a time."""
    return max(1, BLOCKS.get(device.type, BLOCKS["cpu"]) // columns)


@functools.cache
def triton_works() -> bool:
    """Whether Triton compiles and runs here: it needs a C compiler, Python's headers and a GPU that it knows.

    Where it is installed and does not, a line says why.
    """
    if os.environ.get("ONEMASK_TRITON") == "0" or importlib.util.find_spec("triton") is None:
        return False
    try:
        _first_launch()
    except Exception as error:  # of Triton's many, none may stop a job that torch can do
        print(f"without Triton's kernels, which do not run here: {error}", file=sys.stderr)
        return False
    return True


def uses_triton(tensor: Tensor) -> bool:
    """Whether what is computed of this tensor goes by Triton, unless it is asked for otherwise."""
    return tensor.is_cuda and triton_works()


def _first_launch() -> None:
    from onemask.kernels import fused_convolution

    one = torch.ones(1, 1, 1, 1, device="cuda")
    fused_convolution.scaled(one, one[:, :, 0, 0])
    torch.cuda.synchronize()
