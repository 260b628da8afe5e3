"""Generators as safetensors: weights, and the architecture in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.stylegan2.generator import Generator


def save_generator(
    path: str | Path,
    generator: Generator,
    metadata: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the weights in `dtype` (float16 for the zoo) with the architecture and `metadata` beside them.

    Resampling filters are constants of the network and are left out.
    """
    tensors = {k: v.to(dtype) for k, v in generator.state_dict().items() if not k.endswith("resample_filter")}
    write_safetensors(path, tensors, {"architecture": generator.architecture, **(metadata or {})})


def load_generator(path: str | Path, device: torch.device | str = "cpu") -> Generator:
    """The generator of a safetensors file, float32, in evaluation mode, without gradients."""
    tensors, metadata = read_safetensors(path)
    if "architecture" not in metadata:
        raise OnemaskError(f"{path}: no architecture in its metadata; convert the checkpoint to onemask's safetensors")
    return generator_of(metadata["architecture"], tensors, path, device)


def generator_of(
    architecture: Mapping[str, int], tensors: Mapping[str, Tensor], path: str | Path, device: torch.device | str = "cpu"
) -> Generator:
    """The generator of these weights, read from `path`; OnemaskError where they are not those of its architecture."""
    try:
        with torch.device("meta"):  # names and shapes alone: a small file must not allocate a huge network
            known = Generator(**architecture).state_dict()
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise OnemaskError(f"{path}: StyleGAN2 has no such architecture ({error}); fetch it again") from None
    missing = [name for name in known if name not in tensors and not name.endswith("resample_filter")]
    other = [name for name in tensors if name not in known or tensors[name].shape != known[name].shape]
    if missing or other:
        first = (missing + other)[0]
        raise OnemaskError(f"{path}: weights do not match its architecture, e.g. {first!r}; fetch it again")
    generator = Generator(**architecture)
    generator.load_state_dict({**generator.state_dict(), **{name: tensor.float() for name, tensor in tensors.items()}})
    return generator.to(device).eval().requires_grad_(False)
