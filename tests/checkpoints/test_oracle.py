"""A converted network against StyleGAN2 written out plainly, with grouped convolutions, from the pickle's own weights.

LSUN's cars are 512 x 384 pixels on a square of 512 with empty rows above and below: their network is square, too.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from tests.checkpoints.ada import write_ada

from onemask.checkpoints.reader import read_generator
from onemask.kernels.reference import filter_maps, modulated_conv2d
from onemask.stylegan2.generator import Generator

KERNEL = torch.tensor([1.0, 3.0, 3.0, 1.0])


def affine(state, name, w):
    return w @ (state[f"{name}.affine.weight"] / math.sqrt(w.shape[1])).T + state[f"{name}.affine.bias"]


def layer(state, name, x, w, up=1):
    kernel = torch.outer(KERNEL, KERNEL) / 64
    y = modulated_conv2d(x, state[f"{name}.weight"], affine(state, name, w), True, up, kernel)
    y = y + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"] + state[f"{name}.bias"][:, None, None]
    return F.leaky_relu(y, 0.2) * math.sqrt(2)


def to_rgb(state, name, x, w):
    weight = state[f"{name}.weight"]
    styles = affine(state, name, w) / math.sqrt(weight.shape[1])
    return modulated_conv2d(x, weight, styles, False, 1, None) + state[f"{name}.bias"][:, None, None]


def plain(state, ws, resolution):
    x = state["synthesis.b4.const"][None].repeat(len(ws), 1, 1, 1)
    image, number = None, 0
    for size in (2**i for i in range(2, resolution.bit_length())):
        block = f"synthesis.b{size}"
        if size > 4:
            x = layer(state, f"{block}.conv0", x, ws[:, number], up=2)
            number += 1
        x = layer(state, f"{block}.conv1", x, ws[:, number])
        number += 1
        rgb = to_rgb(state, f"{block}.torgb", x, ws[:, number])
        image = rgb if image is None else rgb + filter_maps(image, torch.outer(KERNEL, KERNEL) / 64, 2, (2, 1), 4)
    return image


@pytest.mark.parametrize("resolution", [256, 512])
def test_images_of_a_converted_network_are_those_of_the_plain_form(tmp_path, monkeypatch, resolution):
    torch.manual_seed(0)
    network = Generator(16, 16, resolution, channel_base=2048, channel_max=48, mapping_layers=2)
    for name, parameter in network.named_parameters():
        if "affine.bias" not in name:
            torch.nn.init.normal_(parameter, std=0.5)
    network.requires_grad_(False)
    loaded = read_generator(write_ada(tmp_path / "net.pkl", network, monkeypatch))
    ws = loaded.sample_ws([3, 4], 0.7)
    state = dict(network.state_dict())
    expected = plain(state, ws, resolution)
    assert (loaded(ws) - expected).abs().max() < 1e-4 * max(1.0, float(expected.abs().max()))
