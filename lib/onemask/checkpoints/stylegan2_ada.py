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
from onemask.checkpoints.torch_tensors import GLOBALS, is_tensor, tensor_of
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
    tensors = dict(_tensors(network, str(path)))
    return architecture(tensors, str(path)), tensors


def architecture(tensors: dict[str, Tensor], where: str) -> dict[str, int]:
    """Sizes of the generator that has these tensors; OnemaskError names what does not fit."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if "mapping.embed.weight" in shapes:
        raise OnemaskError(f"{where}: a conditional generator; those without classes are supported")
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shapes)
    blocks = (re.fullmatch(r"synthesis\.b(\d+)\.conv1\.weight", name) for name in shapes)
    sizes = sorted(int(found[1]) for found in blocks if found)
    if not layers or sizes != [2**i for i in range(2, 2 + len(sizes))] or len(sizes) < 2:
        raise OnemaskError(f"{where}: not the mapping and the synthesis network of StyleGAN2")
    if missing := [size for size in sizes if shapes.get(f"synthesis.b{size}.torgb.weight", (0,))[0] != 3]:
        raise OnemaskError(f"{where}: block {missing[0]} px makes no RGB image; the architecture must be `skip`")
    channels = {size: shapes[f"synthesis.b{size}.conv1.weight"][0] for size in sizes}
    widest, last = max(channels.values()), sizes[-1]
    base = channels[last] * last
    if any(min(base // size, widest) != found for size, found in channels.items()):
        raise OnemaskError(f"{where}: channels {list(channels.values())} follow no channel_base and channel_max")
    return {
        "z_dim": shapes["mapping.fc0.weight"][-1],
        "w_dim": shapes[f"mapping.fc{layers - 1}.weight"][0],
        "resolution": last,
        "channel_base": base,
        "channel_max": widest,
        "mapping_layers": layers,
    }


def _tensors(module: Any, where: str, prefix: str = "", depth: int = 0) -> list[tuple[str, Tensor]]:
    """Parameters and buffers of a module and of those within it, by their dotted names."""
    meta = module.arguments[0] if isinstance(module, Made) and len(module.arguments) == 1 else None
    state = meta.get("state") if isinstance(meta, dict) else _plain(meta).get("state")
    if not isinstance(state, dict) or depth > MAX_DEPTH:
        raise OnemaskError(f"{where}: {prefix or NETWORK} is no module with a state")
    own = {**_plain(state.get("_parameters")), **_plain(state.get("_buffers"))}
    found = [(f"{prefix}{name}", tensor_of(value, where)) for name, value in own.items() if is_tensor(value)]
    for name, inner in _plain(state.get("_modules")).items():
        found += _tensors(inner, where, f"{prefix}{name}.", depth + 1)
    return found


def _plain(value: Any) -> dict[str, Any]:
    """A dict, an OrderedDict or an EasyDict as a dict with keys of text; empty for anything else."""
    pairs = value.pairs if isinstance(value, Made) else value
    return {key: inner for key, inner in pairs.items() if isinstance(key, str)} if isinstance(pairs, dict) else {}
