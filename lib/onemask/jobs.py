"""What every script of the workflow does around its work: log, threads, determinism, one-line errors."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from onemask.errors import one_line_errors

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # mallopt's parameters, malloc.h
GPU_LOCKS: list[int] = []  # files, open for as long as this process computes on the GPU


class Tee:
    """A text stream that writes to several; a progress bar's carriage returns become line ends in the log."""

    def __init__(self, terminal: TextIO, log: TextIO) -> None:
        self.terminal, self.log = terminal, log

    def write(self, text: str) -> int:
        """Write to both streams."""
        self.log.write(text.replace("\r", "\n"))
        return self.terminal.write(text)

    def flush(self) -> None:
        """Flush both streams."""
        self.terminal.flush()
        self.log.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run a script's body: stderr goes to the terminal and to the rule's log, an OnemaskError becomes one line of both.

    Scripts import what they need before; torch is set up only where it was imported.
    """
    with open(snakemake.log[0], "w", encoding="utf-8") as log:
        terminal, sys.stderr = sys.stderr, Tee(sys.stderr, log)
        try:
            if "torch" in sys.modules:
                set_up_torch(snakemake.threads, device(snakemake))
                if device(snakemake) == "cuda":
                    claim_gpus(snakemake.resources["gpu"])
            with one_line_errors():
                yield
        except Exception:
            traceback.print_exc(file=log)
            raise
        finally:
            sys.stderr = terminal


def set_up_torch(threads: int, where: str) -> None:
    """As many threads as the rule declares, and algorithms that give the same bits on every run.

    On a GPU an operation without such an algorithm (the gradient of grid_sample in ADA) warns instead of failing.
    Numbers below 1e-38 count as 0: a fitted head's gradients are full of them, and CPUs compute with them in microcode.
    TF32 is for convolutions alone (tests/stylegan2/test_tf32.py): projections and Sinkhorn stay in full float32.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # Not use_deterministic_algorithms, which imports torch._inductor as well: 2 s of a short job.
    torch.set_deterministic_debug_mode("warn" if where == "cuda" else "error")
    # Fresh tensors are written before they are read; filling them with NaN first would only cost time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False
    keep_freed_memory()


def claim_gpus(count: int = 1) -> None:
    """Compute on the first GPUs that no other job of this user has: a profile's `gpu=N` lets N jobs run at a time.

    The first of all where none is free. Of several this process uses the first, and processes that it starts
    (onemask.training.distributed) see those alone.
    """
    import fcntl

    import torch

    claimed: list[tuple[int, str]] = []
    for number in range(torch.cuda.device_count()):
        uuid = torch.cuda.get_device_properties(number).uuid
        name = f"onemask-{os.getuid()}-{uuid}.lock"
        try:
            lock = os.open(Path(tempfile.gettempdir()) / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        GPU_LOCKS.append(lock)
        claimed.append((number, f"GPU-{uuid}"))
        if len(claimed) == count:
            break
    if claimed:
        torch.cuda.set_device(claimed[0][0])
    if count > 1 and len(claimed) == count:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(uuid for _, uuid in claimed)


def keep_freed_memory() -> None:
    """Let the next tensor have the last one's memory: returned to the system, each of its pages would fault anew.

    A tenth of SwAV's time on a CPU. Only glibc has these options; other libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, 1 << 30)
        if not mallopt(MMAP_THRESHOLD, 1 << 30):
            mallopt(MMAP_THRESHOLD, 32 << 20)  # some glibc allow no more


def device(snakemake: Any) -> str:
    """`cuda` for a rule that was given a gpu (profiles/gpu), else `cpu`."""
    return "cuda" if snakemake.resources.get("gpu", 0) else "cpu"


def repository(snakemake: Any) -> Path:
    """Root of the repository, whatever `--directory` the workflow runs in: the scripts lie in its folder scripts/."""
    return Path(snakemake.scriptdir).parent
