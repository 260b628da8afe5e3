"""A converted network against StyleGAN2 written out plainly, sample by sample, from the pickle's own weights.

Nothing of onemask computes the expected images: they are written from the papers (Karras et al. 2020) with plain
convolutions of zero-filled maps. LSUN's cars are 512 x 384 pixels on a square of 512 with empty rows above and below:
their network is square, too.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from tests.checkpoints.ada import write_ada

from onemask.checkpoints.reader import read_generator
from onemask.stylegan2.generator import Generator

BINOMIAL = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
SEEDS, PSI = [3, 4], 0.7


def latents(state, seeds, psi):
    """w [N, w_dim] of seeds: z of unit second moment through fully connected layers of a learning rate of 0.01."""
    z = torch.stack([torch.randn(16, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    x = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for number in range(2):
        weight, bias = state[f"mapping.fc{number}.weight"], state[f"mapping.fc{number}.bias"]
        x = F.leaky_relu(x @ weight.T * (0.01 / math.sqrt(x.shape[1])) + 0.01 * bias, 0.2) * math.sqrt(2)
    return state["mapping.w_avg"] + psi * (x - state["mapping.w_avg"])


def zero_filled(x):
    """x [1, C, H, W] with zeros between and behind its pixels: [1, C, 2 H, 2 W]."""
    filled = torch.zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    filled[:, :, ::2, ::2] = x
    return filled


def blurred(x, before, after):
    """Each channel padded and convolved with the binomial kernel, whose gain of 4 makes up for the zeros."""
    padded = F.pad(x, (before, after, before, after)).transpose(0, 1)
    return F.conv2d(padded, 4 * BINOMIAL[None, None]).transpose(0, 1)


def styled(state, name, x, w, gain=1.0):
    """Weights of one sample: each input channel by its style (Section 2.2)."""
    styles = w @ state[f"{name}.affine.weight"].T / math.sqrt(len(w)) + state[f"{name}.affine.bias"]
    return state[f"{name}.weight"] * (gain * styles)[None, :, None, None]


def layer(state, name, x, w, up=False):
    weight = styled(state, name, x, w)
    weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if up:  # a true convolution of the zero-filled map, then the blur
        y = blurred(F.conv2d(F.pad(zero_filled(x), (2, 1, 2, 1)), weight.flip(2, 3)), 1, 1)
    else:
        y = F.conv2d(x, weight, padding=1)
    y = y + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"] + state[f"{name}.bias"][:, None, None]
    return F.leaky_relu(y, 0.2) * math.sqrt(2)


def to_rgb(state, name, x, w):
    weight = styled(state, name, x, w, 1 / math.sqrt(x.shape[1]))
    return F.conv2d(x, weight) + state[f"{name}.bias"][:, None, None]


def plain(state, w, resolution):
    """The image [1, 3, R, R] of one w [w_dim]."""
    x, image = state["synthesis.b4.const"][None], None
    for size in (2**i for i in range(2, resolution.bit_length())):
        block = f"synthesis.b{size}"
        if size > 4:
            x = layer(state, f"{block}.conv0", x, w, up=True)
        x = layer(state, f"{block}.conv1", x, w)
        rgb = to_rgb(state, f"{block}.torgb", x, w)
        image = rgb if image is None else rgb + blurred(zero_filled(image), 2, 1)
    return image


@pytest.mark.parametrize("resolution", [256, 512])
def test_images_of_a_converted_network_are_those_of_the_plain_form(tmp_path, monkeypatch, resolution):
    torch.manual_seed(0)
    network = Generator(16, 16, resolution, channel_base=2048, channel_max=48, mapping_layers=2)
    for name, parameter in network.named_parameters():
        if "affine.bias" not in name:
            torch.nn.init.normal_(parameter, std=50.0 if "mapping" in name else 0.5)
    torch.nn.init.normal_(network.mapping.w_avg)
    network.requires_grad_(False)
    loaded = read_generator(write_ada(tmp_path / "net.pkl", network, monkeypatch))
    state = dict(network.state_dict())
    found = loaded(loaded.sample_ws(SEEDS, PSI))
    expected = torch.cat([plain(state, w, resolution) for w in latents(state, SEEDS, PSI)])
    assert (expected[0] - expected[1]).abs().mean() > 0.1 * expected.abs().mean()  # the latents do matter
    assert (found - expected).abs().max() < 1e-4 * max(1.0, float(expected.abs().max()))
