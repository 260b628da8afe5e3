"""Checkpoints of the widespread PyTorch port of StyleGAN2 by rosinality: weights under NVIDIA's names.

Such a file is torch.save's, {"g_ema": state dict, "latent_avg": the mean w, ...}. Both ports compute the same; they
differ in names and in axes of length one.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from onemask.checkpoints.architecture import convolution
from onemask.checkpoints.inert_pickle import mapping_of
from onemask.checkpoints.torch_tensors import TensorReader, is_tensor

GLOBALS = ("argparse.Namespace",)  # the training's options
NETWORK, MEAN = "g_ema", "latent_avg"
STYLE = re.compile(r"style\.(\d{1,3})\.(weight|bias)")
# layer k of `convs` and of `to_rgbs`: two convolutions and one image per block above 4 px
LAYER = re.compile(r"(conv1|to_rgb1|convs\.(\d{1,2})|to_rgbs\.(\d{1,2}))\.(.+)")
CONV = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
NOISE = re.compile(r"noises\.noise_(\d{1,2})")


def is_rosinality(content: Any) -> bool:
    """Whether a file holds a state dict of such a generator."""
    return "input.input" in mapping_of(mapping_of(content).get(NETWORK))


def rosinality_tensors(content: Any, reader: TensorReader) -> dict[str, Tensor]:
    """The averaged generator's tensors by NVIDIA's names; without `mapping.w_avg` where the file has no mean w."""
    outer = mapping_of(content)
    state = mapping_of(outer[NETWORK])
    records = {ported: state[name] for name in state if (ported := port(name)) and is_tensor(state[name])}
    if is_tensor(outer.get(MEAN)):
        records["mapping.w_avg"] = outer[MEAN]
    return {name: _shaped(name, reader.tensor(record)) for name, record in records.items()}


def port(name: str) -> str | None:
    """NVIDIA's name of a weight, None for constants of the network."""
    if name == "input.input":
        return "synthesis.b4.const"
    if found := STYLE.fullmatch(name):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}"  # the first module is the normalisation
    if found := NOISE.fullmatch(name):
        return f"{convolution(int(found[1]))}.noise_const"
    if not (found := LAYER.fullmatch(name)) or found[4] not in CONV:
        return None
    if found[1] == "to_rgb1":
        place = "synthesis.b4.torgb"
    elif found[3] is not None:
        place = f"synthesis.b{2 ** (int(found[3]) + 3)}.torgb"
    else:
        place = convolution(0 if found[1] == "conv1" else int(found[2]) + 1)
    return f"{place}.{CONV[found[4]]}"


def _shaped(name: str, tensor: Tensor) -> Tensor:
    """Without the axes of length one that NVIDIA's weights lack; shapes that do not fit are left for the generator."""
    if name.endswith("noise_strength"):
        return tensor.reshape(()) if tensor.numel() == 1 else tensor
    if name.endswith("noise_const"):
        return tensor.flatten(0, -3)[0] if tensor.dim() == 4 else tensor
    if name.endswith(("const", ".weight")) and tensor.dim() in (4, 5) and len(tensor) == 1:
        return tensor[0] if name.endswith("const") or tensor.dim() == 5 else tensor
    if name.endswith("w_avg") or ".bias" in name:
        return tensor.flatten()
    return tensor
