import pytest
import torch
import torch.nn.functional as F

from onemask.errors import OnemaskError
from onemask.kernels.projection import concatenate_features
from onemask.segmenters.heads import FCN, HEADS, MLP, NEGATIVE_SLOPE, head, initialise

SIZES = [(6, 2), (5, 4), (4, 8), (3, 8), (4, 16), (2, 16)]  # channels, height: 8, 4, 2, 2, 1 and 1 times enlarged


def maps(count=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(count, channels, size, size, generator=rng) for channels, size in SIZES]


def made(name, hidden=7, mode="nearest"):
    network = head(name, sum(channels for channels, _ in SIZES), 3, hidden, mode)
    initialise(network, torch.Generator().manual_seed(1))
    return network


def reference(network, features, mode):
    """The paper's wording: the concatenated map through one convolution after the other."""
    x = concatenate_features(features, 16, mode)
    for index, layer in enumerate(network.layers):
        x = F.leaky_relu(x, NEGATIVE_SLOPE) if index else x
        x = F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)
    return x


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", HEADS)
def test_logits_equal_the_concatenated_reference(name, mode):
    network = made(name, mode=mode)
    logits = network(network.prepare(maps(), 16), 16)
    torch.testing.assert_close(logits, reference(network, maps(), mode), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp1", "fcn3"])
def test_gradients_equal_the_concatenated_reference(name):
    network = made(name)
    weights = list(network.parameters())
    ours = torch.autograd.grad(network(network.prepare(maps(), 16), 16).square().mean(), weights)
    theirs = torch.autograd.grad(reference(network, maps(), "nearest").square().mean(), weights)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_map_order_with_scattered_sizes_and_a_ratio_that_is_not_whole():
    shuffled = [maps()[i] for i in (4, 0, 2, 1, 5, 3)] + [torch.ones(2, 1, 5, 5)]
    network = head("fcn3", 25, 3, 7)
    initialise(network, torch.Generator().manual_seed(1))
    logits = network(network.prepare(shuffled, 16), 16)
    torch.testing.assert_close(logits, reference(network, shuffled, "nearest"), rtol=1e-5, atol=1e-5)


def test_small_maps_are_not_blown_up():
    assert [tiles.height for tiles in made("fcn3").prepare(maps(), 16)] == [6, 12, 16]


def test_maps_with_a_gradient_are_not_taken_for_constants():
    network, features = made("fcn3"), [part.requires_grad_() for part in maps()]
    ours = torch.autograd.grad(network(network.prepare(features, 16), 16).square().mean(), features)
    theirs = torch.autograd.grad(reference(network, features, "nearest").square().mean(), features)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_layer_widths():
    assert [layer.out_channels for layer in head("mlp3", 416, 8, 128).layers] == [128, 32, 8]
    assert [layer.out_channels for layer in head("mlp3", 416, 8, 16).layers] == [16, 16, 8]
    assert [layer.out_channels for layer in head("mlp1", 416, 8, 128).layers] == [8]
    assert [layer.out_channels for layer in head("fcn5", 416, 8, 32).layers] == [32] * 4 + [8]


def test_an_mlp_sees_one_pixel_and_an_fcn_its_neighbourhood():
    x = torch.zeros(1, 24, 9, 9)
    x[0, :, 4, 4] = 1
    for name, reach in [("mlp3", 0), ("fcn1", 1), ("fcn3", 3), ("fcn5", 4)]:
        network = made(name)
        changed = (network([x], 9) - network([torch.zeros_like(x)], 9)).abs().sum(dim=(0, 1)) > 1e-7
        rows = torch.nonzero(changed)
        assert rows.min() == 4 - reach and rows.max() == 4 + reach


def test_initialisation_depends_on_the_seed_alone():
    torch.manual_seed(5)
    one = made("fcn3")
    torch.manual_seed(6)
    two = made("fcn3")
    other = head("fcn3", 24, 3, 7)
    initialise(other, torch.Generator().manual_seed(2))
    assert torch.equal(one.layers[1].weight, two.layers[1].weight)
    assert not torch.equal(one.layers[1].weight, other.layers[1].weight)
    assert one.layers[0].weight.abs().max() <= (24 * 9) ** -0.5


def test_unknown_head_lists_the_heads():
    with pytest.raises(OnemaskError, match="'mlp2' is unknown.*mlp1, mlp3, fcn1"):
        head("mlp2", 3, 2, 8)


def test_families():
    assert isinstance(made("mlp1"), MLP) and isinstance(made("fcn9"), FCN)
