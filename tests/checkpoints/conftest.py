"""A small generator whose every weight is a random number."""

import pytest
import torch

from onemask.stylegan2.generator import Generator


@pytest.fixture
def generator():
    torch.manual_seed(0)
    made = Generator(z_dim=6, w_dim=5, resolution=32, channel_base=128, channel_max=12, mapping_layers=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    made.mapping.w_avg.normal_()
    return made.eval().requires_grad_(False)
