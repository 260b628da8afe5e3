"""NVIDIA's StyleGAN2 pickles (TensorFlow): the averaged generator's variables under the names of their PyTorch port.

Such a file is (G, D, Gs) of networks that unpickle by compiling the source text stored beside their variables. We take
the arrays of Gs alone. TensorFlow holds a dense layer's weight as [in, out], a convolution's as [h, w, in, out] and a
style's bias without the one that is added to it; up-convolutions are flipped against PyTorch's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onemask.checkpoints.architecture import convolution
from onemask.checkpoints.inert_pickle import ENCODE, Made, mapping_of
from onemask.checkpoints.numpy_arrays import GLOBALS as NUMPY
from onemask.checkpoints.numpy_arrays import ArrayReader

NETWORK = "dnnlib.tflib.network.Network"
GLOBALS = (*NUMPY, NETWORK, "dnnlib.util.EasyDict", "collections.OrderedDict", ENCODE)
MAPPING = re.compile(r"Dense(\d{1,3})/(weight|bias)")
SYNTHESIS = re.compile(r"(\d{1,5})x\1/(Conv|Conv0_up|Conv1|ToRGB)/(weight|bias|mod_weight|mod_bias|noise_strength)")
NOISE = re.compile(r"noise(\d{1,2})")
LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}
PARTS = {"mod_weight": "affine.weight", "mod_bias": "affine.bias"}


def is_tf(content: Any) -> bool:
    """Whether a pickle holds (G, D, Gs)."""
    networks = content if isinstance(content, tuple) and len(content) == 3 else ()
    return bool(networks) and all(isinstance(each, Made) and each.function.name == NETWORK for each in networks)


def tf_tensors(content: Any, reader: ArrayReader) -> dict[str, Tensor]:
    """The tensors of Gs by NVIDIA's PyTorch names; OnemaskError for variables that are no arrays of numbers."""
    state = mapping_of(content[2].state)
    components = mapping_of(state.get("components"))
    found = {}
    for name, record in [
        *_variables(state),
        *_variables(mapping_of(getattr(components.get("mapping"), "state", None))),
        *_variables(mapping_of(getattr(components.get("synthesis"), "state", None))),
    ]:
        if ported := port(name):
            found[ported] = torch.from_numpy(ported_array(name, reader.array(record)))
    return found


def _variables(state: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Pairs of a network's own variables; others have none of the right form."""
    pairs = state.get("variables")
    pairs = pairs if isinstance(pairs, list) else []
    return [pair for pair in pairs if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)]


def port(name: str) -> str | None:
    """PyTorch's name of a variable, None for one that the generator does not need (`lod`)."""
    if name == "dlatent_avg":
        return "mapping.w_avg"
    if name == "4x4/Const/const":
        return "synthesis.b4.const"
    if found := MAPPING.fullmatch(name):
        return f"mapping.fc{found[1]}.{found[2]}"
    if found := SYNTHESIS.fullmatch(name):
        return f"synthesis.b{found[1]}.{LAYERS[found[2]]}.{PARTS.get(found[3], found[3])}"
    if found := NOISE.fullmatch(name):
        return f"{convolution(int(found[1]))}.noise_const"
    return None


def ported_array(name: str, array: np.ndarray) -> np.ndarray:
    """A variable's value as PyTorch's port lays it out, float32; shapes that do not fit are left for the generator."""
    array = array.astype(np.float32)
    if name.endswith("mod_bias"):
        array = array + 1
    elif name.endswith("weight") and array.ndim == 2:
        array = array.T
    elif name.endswith("weight") and array.ndim == 4:
        array = (array[::-1, ::-1] if "Conv0_up" in name else array).transpose(3, 2, 0, 1)
    elif name.endswith("const") or NOISE.fullmatch(name):
        array = array.reshape(array.shape[1:] if name.endswith("const") else array.shape[2:])
    return np.ascontiguousarray(array).reshape(array.shape)
