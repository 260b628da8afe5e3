"""Generators as safetensors: weights, and the architecture in the metadata. NVIDIA's pickles are read as well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onemask.checkpoints.stylegan2_ada import read_stylegan2_ada
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
    """The generator of a safetensors file or a StyleGAN2-ADA .pkl, float32, in evaluation mode, without gradients."""
    architecture, tensors = read_stylegan2_ada(path) if Path(path).suffix == ".pkl" else _read_own(path)
    generator = Generator(**architecture)
    known = generator.state_dict()
    missing = [name for name in known if name not in tensors and not name.endswith("resample_filter")]
    other = [name for name in tensors if name not in known or tensors[name].shape != known[name].shape]
    if missing or other:
        first = (missing + other)[0]
        raise OnemaskError(f"{path}: weights do not match its architecture, e.g. {first!r}; fetch it again")
    generator.load_state_dict({**known, **{name: tensor.float() for name, tensor in tensors.items()}})
    return generator.to(device).eval().requires_grad_(False)


def _read_own(path: str | Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    tensors, metadata = read_safetensors(path)
    if "architecture" not in metadata:
        raise OnemaskError(f"{path}: no architecture in its metadata; convert the checkpoint to onemask's safetensors")
    return metadata["architecture"], tensors
