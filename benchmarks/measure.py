"""Seconds and bytes of two computations in one process, and what the machine can do at most."""

from __future__ import annotations

import ctypes
import functools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from onemask.evaluation.speed import hardware

Run = Callable[[], object]
MB = 2**20


def synchronise(device: str) -> None:
    """Wait for what was asked of a GPU."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(run: Run, device: str) -> float:
    """Of one call."""
    synchronise(device)
    start = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - start


def interleaved(runs: list[Run], rounds: int, device: str, warm: bool = False) -> np.ndarray:
    """Seconds [rounds, runs]. What disturbs the machine hits all alike. Unless they are `warm`, all run once before."""
    for run in [] if warm else runs:
        run()
    return np.array([[seconds(run, device) for run in runs] for _ in range(rounds)])


def kernel_seconds(run: Run) -> float:
    """Of a GPU's kernels alone in one call, without the gaps in which it waits for the next launch."""
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        run()
        torch.cuda.synchronize()
    return 1e-6 * sum(event.self_device_time_total for event in recorded.key_averages())


def peak_bytes(run: Run, device: str) -> int:
    """Bytes that a call needs at most beyond what is there before: on a GPU torch's, else the process's pages."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high-water mark becomes what is resident
    before = _resident("VmRSS")
    run()
    return max(0, _resident("VmHWM") - before)


def _resident(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M)[1])


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Convolutions and matrix products on a GPU in TF32, or in full float32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@functools.cache
def matrix_rate(device: str, precision: str, rounds: int = 5) -> float:
    """FLOP per second of a product of large square matrices; `precision` float32, tf32 or bfloat16."""
    size, dtype = 8192 if device == "cuda" else 2048, torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    with tf32(precision == "tf32"):
        return 2 * size**3 / float(np.median(interleaved([lambda: a @ b], rounds, device)))


def copy_bandwidth(device: str, rounds: int = 5) -> float:
    """Bytes per second, read and written, of a copy far larger than any cache."""
    source = torch.randn((1024 if device == "cuda" else 256) * MB // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / np.median(interleaved([lambda: target.copy_(source)], rounds, device))


def machine(device: str) -> str:
    """One line: what the numbers were measured on."""
    threads = "" if device == "cuda" else f", threads: {torch.get_num_threads()}"
    return f"{hardware(device)}{threads}, torch {torch.__version__}"
