"""Any generator's file: onemask's safetensors, NVIDIA's pickles (PyTorch and TensorFlow), rosinality's checkpoints."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from onemask.checkpoints import rosinality, stylegan2_ada, stylegan2_tf
from onemask.checkpoints.architecture import architecture
from onemask.checkpoints.inert_pickle import read_pickle
from onemask.checkpoints.numpy_arrays import ArrayReader
from onemask.checkpoints.torch_files import ARCHIVE, read_torch_file
from onemask.checkpoints.torch_tensors import MAGIC, TensorReader
from onemask.errors import OnemaskError
from onemask.stylegan2.checkpoint import generator_of, load_generator
from onemask.stylegan2.generator import Generator

PICKLE = b"\x80"  # how one of protocol 2 or later begins
W_AVG, LATENTS = "mapping.w_avg", 10_000
KINDS = "onemask's safetensors, StyleGAN2-ADA's or StyleGAN2's pickle, or rosinality's checkpoint"


def read_generator(path: str | Path) -> Generator:
    """The generator of a file of any kind, float32, in evaluation mode; OnemaskError names what is wrong with it."""
    if _is_safetensors(Path(path)):
        return load_generator(path)
    tensors = read_tensors(Path(path))
    sizes = architecture(tensors, str(path))
    generator = generator_of(sizes, {W_AVG: torch.zeros(sizes["w_dim"]), **tensors}, path)
    if W_AVG not in tensors:
        generator.mapping.w_avg.copy_(mean_latent(generator))
    return generator


def _is_safetensors(path: Path) -> bool:
    """By its name, or by how one begins: the length of a JSON object in eight bytes, then the object."""
    if path.suffix == ".safetensors":
        return True
    with suppress(OSError), open(path, "rb") as stream:
        start = stream.read(9)
        return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size
    return False


def mean_latent(generator: Generator) -> Tensor:
    """The mean w over LATENTS latents of a fixed seed, for files that hold none."""
    z = torch.randn(LATENTS, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return generator.mapping(z)[:, 0].mean(dim=0)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The averaged generator's tensors under NVIDIA's PyTorch names. The kind follows from the content."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(len(ARCHIVE))
            if start == ARCHIVE:
                return _of_torch_file(path)
            if not start.startswith(PICKLE):
                raise OnemaskError(f"{path}: holds no generator; expected {KINDS}")
            stream.seek(0)
            content = read_pickle(stream, {*stylegan2_ada.ALLOWED, *stylegan2_tf.GLOBALS}, str(path))
        size = path.stat().st_size
    except OSError as error:
        raise OnemaskError(f"{path}: not readable ({error.strerror})") from None
    if type(content) is int and content == MAGIC:
        return _of_torch_file(path)
    if stylegan2_tf.is_tf(content):
        return stylegan2_tf.tf_tensors(content, ArrayReader(str(path), size))
    if stylegan2_ada.is_ada(content):
        return stylegan2_ada.ada_tensors(content, TensorReader(str(path), size))
    raise OnemaskError(f"{path}: holds no generator; expected {KINDS}")


def _of_torch_file(path: Path) -> dict[str, Tensor]:
    content, reader = read_torch_file(path, rosinality.GLOBALS)
    if not rosinality.is_rosinality(content):
        raise OnemaskError(f"{path}: holds no state dict g_ema of a StyleGAN2 generator; expected {KINDS}")
    return rosinality.rosinality_tensors(content, reader)
