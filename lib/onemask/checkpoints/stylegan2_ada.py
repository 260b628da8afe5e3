"""NVIDIA's StyleGAN2-ADA pickles (PyTorch): the averaged generator's weights, read without running the code they embed.

Such a file is {"G", "D", "G_ema", ...} of objects that unpickle by compiling the source text stored beside them. We
take the tensors of G_ema alone; its architecture follows from their names and shapes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from onemask.checkpoints.inert_pickle import Made, read_pickle
from onemask.checkpoints.torch_tensors import GLOBALS, TensorReader, is_tensor
from onemask.errors import OnemaskError

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
ALLOWED = (
    *GLOBALS,
    PERSISTENT,
    "dnnlib.util.EasyDict",
    *("numpy.dtype", "numpy.ndarray", "builtins.set", "__builtin__.set"),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
)
MAX_DEPTH = 8  # of modules within modules
NETWORK = "G_ema"


def read_stylegan2_ada(path: str | Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """(architecture as onemask.stylegan2.generator.Generator takes it, tensors by name) of a .pkl file.

    OnemaskError for a file that is no such pickle, names anything else than what such a pickle needs, or holds a
    network of another kind (conditional, or without the skip architecture).
    """
    try:
        with open(path, "rb") as stream:
            content = read_pickle(stream, ALLOWED, str(path))
    except OSError as error:
        raise OnemaskError(f"{path}: not readable ({error.strerror})") from None
    network = content.get(NETWORK) if isinstance(content, dict) else None
    if not (isinstance(network, Made) and network.function.name == PERSISTENT):
        raise OnemaskError(f"{path}: holds no network {NETWORK!r}; expected a pickle of StyleGAN2-ADA for PyTorch")
    reader = TensorReader(str(path), Path(path).stat().st_size)
    tensors = dict(_tensors(network, reader, set()))
    return architecture(tensors, str(path)), tensors


def architecture(tensors: dict[str, Tensor], where: str) -> dict[str, int]:
    """Sizes of the generator that has these tensors; OnemaskError names what does not fit."""
    if "mapping.embed.weight" in tensors:
        raise OnemaskError(f"{where}: a conditional generator; those without classes are supported")
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d{1,3}\.weight", name)) for name in tensors)
    blocks = (re.fullmatch(r"synthesis\.b(\d{1,5})\.conv1\.weight", name) for name in tensors)
    sizes = sorted(int(found[1]) for found in blocks if found)
    if not layers or sizes != [2**i for i in range(2, 2 + len(sizes))] or len(sizes) < 2:
        raise OnemaskError(f"{where}: not the mapping and the synthesis network of StyleGAN2")
    first, last = (_shape(tensors, f"mapping.fc{number}.weight", 2, where) for number in (0, layers - 1))
    if missing := [size for size in sizes if f"synthesis.b{size}.torgb.weight" not in tensors]:
        raise OnemaskError(f"{where}: block {missing[0]} px makes no RGB image; the architecture must be `skip`")
    channels = {size: _shape(tensors, f"synthesis.b{size}.conv1.weight", 4, where)[0] for size in sizes}
    base, widest = channels[sizes[-1]] * sizes[-1], max(channels.values())
    if any(min(base // size, widest) != found for size, found in channels.items()):
        raise OnemaskError(f"{where}: channels {list(channels.values())} follow no channel_base and channel_max")
    return {
        "z_dim": first[1],
        "w_dim": last[0],
        "resolution": sizes[-1],
        "channel_base": base,
        "channel_max": widest,
        "mapping_layers": layers,
    }


def _shape(tensors: dict[str, Tensor], name: str, rank: int, where: str) -> tuple[int, ...]:
    if name not in tensors or tensors[name].dim() != rank:
        raise OnemaskError(f"{where}: {name} is missing, or not of {rank} dimensions")
    return tuple(tensors[name].shape)


def _tensors(
    module: Any, reader: TensorReader, seen: set[int], prefix: str = "", depth: int = 0
) -> list[tuple[str, Tensor]]:
    """Parameters and buffers of a module and of those within it, by their dotted names."""
    meta = module.arguments[0] if isinstance(module, Made) and len(module.arguments) == 1 else None
    state = _plain(meta).get("state")
    if not isinstance(state, dict) or depth > MAX_DEPTH or id(module) in seen:
        raise reader.error(f"{prefix.rstrip('.') or NETWORK} is no module with a state and a place of its own")
    seen.add(id(module))
    own = {**_plain(state.get("_parameters")), **_plain(state.get("_buffers"))}
    found = [(f"{prefix}{name}", reader.tensor(value)) for name, value in own.items() if is_tensor(value)]
    for name, inner in _plain(state.get("_modules")).items():
        found += _tensors(inner, reader, seen, f"{prefix}{name}.", depth + 1)
    return found


def _plain(value: Any) -> dict[str, Any]:
    """A dict, an OrderedDict or an EasyDict as a dict with keys of text; empty for anything else."""
    pairs = value.pairs if isinstance(value, Made) else value
    return {key: inner for key, inner in pairs.items() if isinstance(key, str)} if isinstance(pairs, dict) else {}
