"""NVIDIA's StyleGAN2-ADA pickles (PyTorch): the averaged generator's weights, read without running the code they embed.

Such a file is {"G", "D", "G_ema", ...} of objects that unpickle by compiling the source text stored beside them. We
take the tensors of G_ema alone; its architecture follows from their names and shapes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from onemask.checkpoints.inert_pickle import Made, mapping_of
from onemask.checkpoints.numpy_arrays import GLOBALS as NUMPY
from onemask.checkpoints.torch_tensors import GLOBALS, TensorReader, is_tensor

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
ALLOWED = (
    *GLOBALS,
    PERSISTENT,
    "dnnlib.util.EasyDict",
    *NUMPY,
    *("builtins.set", "__builtin__.set"),
)
MAX_DEPTH = 8  # of modules within modules
NETWORK = "G_ema"


def is_ada(content: Any) -> bool:
    """Whether a pickle holds networks of StyleGAN2-ADA."""
    network = content.get(NETWORK) if isinstance(content, dict) else None
    return isinstance(network, Made) and network.function.name == PERSISTENT


def ada_tensors(content: Any, reader: TensorReader) -> dict[str, Tensor]:
    """The tensors of G_ema by their names; OnemaskError for modules that no such network has."""
    return dict(_tensors(content[NETWORK], reader, set()))


def _tensors(
    module: Any, reader: TensorReader, seen: set[int], prefix: str = "", depth: int = 0
) -> list[tuple[str, Tensor]]:
    """Parameters and buffers of a module and of those within it, by their dotted names."""
    meta = module.arguments[0] if isinstance(module, Made) and len(module.arguments) == 1 else None
    state = mapping_of(meta).get("state")
    if not isinstance(state, dict) or depth > MAX_DEPTH or id(module) in seen:
        raise reader.error(f"{prefix.rstrip('.') or NETWORK} is no module with a state and a place of its own")
    seen.add(id(module))
    own = {**mapping_of(state.get("_parameters")), **mapping_of(state.get("_buffers"))}
    found = [(f"{prefix}{name}", reader.tensor(value)) for name, value in own.items() if is_tensor(value)]
    for name, inner in mapping_of(state.get("_modules")).items():
        found += _tensors(inner, reader, seen, f"{prefix}{name}.", depth + 1)
    return found
