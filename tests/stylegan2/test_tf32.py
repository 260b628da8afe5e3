"""TF32 on a GPU, seen from a CPU: its convolutions read numbers of 10 bits and add them in single precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.kernels import modulated_conv
from onemask.stylegan2.checkpoint import load_generator

ZOO = Path(__file__).resolve().parents[2] / "zoo/generators"
SHORT = 13  # of single precision's 23 bits behind the point TF32 keeps 10


def rounded(x: Tensor) -> Tensor:
    """The nearest number of TF32."""
    half = 1 << (SHORT - 1)
    return ((x.contiguous().view(torch.int32) + half) & ~((1 << SHORT) - 1)).view(torch.float32)


class ShortConvolutions:
    """torch.nn.functional with convolutions as TF32 makes them."""

    def __getattr__(self, name: str):
        return getattr(F, name)

    def conv2d(self, x: Tensor, weight: Tensor, *args, **options) -> Tensor:
        return F.conv2d(rounded(x), rounded(weight), *args, **options)

    def conv_transpose2d(self, x: Tensor, weight: Tensor, *args, **options) -> Tensor:
        return F.conv_transpose2d(rounded(x), rounded(weight), *args, **options)


def test_rounding_keeps_ten_bits():
    exact = torch.tensor([1.0, 1 + 2**-10, -3.5])
    assert torch.equal(rounded(exact), exact)
    torch.testing.assert_close(rounded(exact + 2**-12), exact, atol=0, rtol=0)
    assert float(rounded(torch.tensor(1 + 2**-10 + 2**-11 + 2**-13))) == 1 + 2**-9


@pytest.mark.parametrize("name", ["face", "car"])
def test_images_and_features_are_those_of_single_precision(monkeypatch, name):
    generator = load_generator(ZOO / f"{name}.safetensors")
    ws = generator.sample_ws(range(8), 0.7)
    image, maps = generator.features(ws)
    monkeypatch.setattr(modulated_conv, "F", ShortConvolutions())
    short_image, short_maps = generator.features(ws)
    assert not torch.equal(image, short_image)
    step = 2 / 255  # of an 8-bit image, whose numbers run from -1 to 1
    assert float((image - short_image).abs().max()) < 3 * step
    assert float((image - short_image).square().mean().sqrt()) < step / 4
    for exact, short in zip(maps, short_maps, strict=True):
        assert float((exact - short).norm() / exact.norm()) < 2e-3
