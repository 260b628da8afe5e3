"""One or several training processes (torchrun; gloo on CPU, nccl on GPU) behind a few small functions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from onemask.errors import OnemaskError


@contextmanager
def joined(where: str) -> Iterator[tuple[int, int, torch.device]]:
    """(rank, world size, device) of this process inside the group that torchrun announces in the environment."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device(where)  # for one process the current GPU, which its job has claimed
    if world > 1:
        if where == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)  # else every process keeps a context on the first one
        dist.init_process_group("nccl" if where == "cuda" else "gloo")
    try:
        yield rank, world, device
    finally:
        if world > 1:
            dist.destroy_process_group()


def launch(processes: int, module: str, arguments: Sequence[str]) -> None:
    """Run `python -m module arguments` in that many processes of this machine; OnemaskError when one of them fails."""
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    command = [sys.executable, "-m", *torchrun, module, *arguments]
    if (status := subprocess.run(command, check=False).returncode) != 0:
        raise OnemaskError(f"{module}: a process ended with status {status}; its messages stand above")


def average_(tensors: Iterable[Tensor], world: int) -> None:
    """Replace tensors by their mean over processes, in one message."""
    tensors = list(tensors)
    if world == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= world
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def average_gradients(module: nn.Module, world: int) -> None:
    """Average the gradients of a module's parameters over processes."""
    average_((p.grad for p in module.parameters() if p.grad is not None), world)
