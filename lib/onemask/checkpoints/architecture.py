"""A generator's architecture from the names and shapes of its weights, named as in NVIDIA's PyTorch generator."""

from __future__ import annotations

import re

from torch import Tensor

from onemask.errors import OnemaskError

MOST_LAYERS, MOST_BLOCKS = 16, 9  # of the mapping; up to 1024 px


def architecture(tensors: dict[str, Tensor], where: str) -> dict[str, int]:
    """Sizes of the generator that has these tensors; OnemaskError names what does not fit.

    What is allocated for these sizes is not much larger than the tensors: a small file cannot ask for a huge network.
    """
    if "mapping.embed.weight" in tensors:
        raise OnemaskError(f"{where}: a conditional generator; those without classes are supported")
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d{1,3}\.weight", name)) for name in tensors)
    blocks = (re.fullmatch(r"synthesis\.b(\d{1,5})\.conv1\.weight", name) for name in tensors)
    sizes = sorted(int(found[1]) for found in blocks if found)
    if not layers or sizes != [2**i for i in range(2, 2 + len(sizes))] or len(sizes) < 2:
        raise OnemaskError(f"{where}: not the mapping and the synthesis network of StyleGAN2")
    if layers > MOST_LAYERS or len(sizes) > MOST_BLOCKS:
        raise OnemaskError(f"{where}: {layers} mapping layers, {len(sizes)} blocks; StyleGAN2 has no such sizes")
    dense = [_shape(tensors, f"mapping.fc{number}.weight", 2, where) for number in range(layers)]
    first, last = dense[0], dense[-1]
    if any(shape != (last[0], last[0]) for shape in dense[1:]) or first[0] != last[0]:
        raise OnemaskError(f"{where}: mapping layers of {dense} values do not follow each other")
    if missing := [size for size in sizes if f"synthesis.b{size}.torgb.weight" not in tensors]:
        raise OnemaskError(f"{where}: block {missing[0]} px makes no RGB image; the architecture must be `skip`")
    shapes = {size: _shape(tensors, f"synthesis.b{size}.conv1.weight", 4, where) for size in sizes}
    if odd := [size for size, (width, *others) in shapes.items() if others != [width, 3, 3]]:
        raise OnemaskError(f"{where}: the second convolution at {odd[0]} px is {shapes[odd[0]]}, not 3x3 of one width")
    channels = {size: width for size, (width, *_) in shapes.items()}
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


def convolution(number: int) -> str:
    """NVIDIA's place of the convolution of this number: 0 is the 4-px block's only one, each later block has two."""
    return f"synthesis.b{2 ** ((number + 5) // 2)}.conv{(number + 1) % 2}"


def _shape(tensors: dict[str, Tensor], name: str, rank: int, where: str) -> tuple[int, ...]:
    if name not in tensors or tensors[name].dim() != rank:
        raise OnemaskError(f"{where}: {name} is missing, or not of {rank} dimensions")
    return tuple(tensors[name].shape)
