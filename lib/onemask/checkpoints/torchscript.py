"""The tensors of a TorchScript module, torch.jit.save's archive: its code is neither run nor looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from onemask.checkpoints.inert_pickle import Made
from onemask.checkpoints.torch_files import read_torch_file
from onemask.checkpoints.torch_tensors import TensorReader, is_tensor
from onemask.errors import OnemaskError

DEEPEST = 64  # modules in modules
MODULES = "__torch__."  # the module that TorchScript's own classes are said to be of
TYPED = tuple(
    f"torch.jit._pickle.{name}"
    for name in ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag")
)


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """Parameters and buffers by dotted name, in the order in which the module defines them; OnemaskError."""
    content, reader = read_torch_file(path, TYPED, prefixes=(MODULES,))
    if not _is_module(content):
        raise OnemaskError(f"{path}: no TorchScript module, which torch.jit.save writes")
    found: dict[str, Tensor] = {}
    _collect(content, "", reader, found, set(), path)
    return found


def _is_module(record: Any) -> bool:
    return isinstance(record, Made) and record.function.name.startswith(MODULES) and isinstance(record.state, dict)


def _collect(
    module: Made, prefix: str, reader: TensorReader, found: dict[str, Tensor], seen: set[int], path: str | Path
) -> None:
    if prefix.count(".") > DEEPEST:
        raise OnemaskError(f"{path}: modules are nested {DEEPEST} deep and more; no network of ours is")
    seen.add(id(module))
    for name, value in module.state.items():
        if is_tensor(value):
            found[f"{prefix}{name}"] = reader.tensor(value)
        elif _is_module(value) and id(value) not in seen:  # a module that holds itself ends here
            _collect(value, f"{prefix}{name}.", reader, found, seen, path)
