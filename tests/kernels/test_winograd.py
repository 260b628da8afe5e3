import pytest
import torch
import torch.nn.functional as F

from onemask.kernels.winograd import convolve_tiles, to_tiles

from .fresh import fresh


def arguments(height=8, width=12, dtype=torch.float64, channels=5):
    rng = fresh(3)
    maps = torch.randn(2, channels, height, width, generator=rng, dtype=dtype)
    weight = torch.randn(3, channels, 3, 3, generator=rng, dtype=dtype).requires_grad_()
    return maps, weight, torch.randn(3, generator=rng, dtype=dtype).requires_grad_()


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (4, 4), (1, 1), (7, 5), (9, 16)])
def test_equals_conv2d(height, width, with_bias):
    maps, weight, bias = arguments(height, width)
    bias = bias if with_bias else None
    ours = convolve_tiles(to_tiles(maps), weight, bias)
    torch.testing.assert_close(ours, F.conv2d(maps, weight, bias, padding=1), rtol=1e-12, atol=1e-12)


def test_gradients_equal_conv2ds():
    maps, weight, bias = arguments()
    ours = torch.autograd.grad(convolve_tiles(to_tiles(maps), weight, bias).square().sum(), [weight, bias])
    theirs = torch.autograd.grad(F.conv2d(maps, weight, bias, padding=1).square().sum(), [weight, bias])
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-10)


def test_float32_is_close():
    maps, weight, bias = arguments(16, 16, torch.float32, channels=256)
    exact = F.conv2d(maps.double(), weight.double(), bias.double(), padding=1)
    error = (convolve_tiles(to_tiles(maps), weight, bias) - exact).abs().max()
    assert error < 5e-5 * exact.abs().max()


def test_channels_lie_last_and_tiles_take_two_and_a_quarter_times_the_map():
    maps, weight, _ = arguments(64, 64)
    tiles = to_tiles(maps)
    assert tiles.values.numel() == 2.25 * maps.numel() and tiles.channels == 5
    assert convolve_tiles(tiles, weight).is_contiguous(memory_format=torch.channels_last)
