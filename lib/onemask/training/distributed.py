"""One or several training processes (torchrun; gloo on CPU, nccl on GPU) behind three small functions."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def start() -> tuple[int, int, torch.device]:
    """(rank, world size, device) of this process; joins the group that torchrun announces in the environment."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if gpu else torch.device("cpu")
    if world > 1:
        dist.init_process_group("nccl" if gpu else "gloo")
    return rank, world, device


def stop(world: int) -> None:
    """Leave the process group."""
    if world > 1:
        dist.destroy_process_group()


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
