import pytest
import torch

from onemask.downstream import deeplab
from onemask.downstream.deeplab import BACKBONES, RATES, REFERENCE, Pointwise, atrous_rates, deeplabv3
from onemask.errors import OnemaskError


@pytest.mark.parametrize("backbone", BACKBONES)
def test_logits_have_the_images_size(backbone):
    network = deeplabv3(backbone, 5, 64).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64))["out"].shape == (1, 5, 64, 64)


def test_rates_are_the_standard_ones_at_the_standard_size_and_never_vanish():
    assert atrous_rates(REFERENCE) == list(RATES)
    assert atrous_rates(16) == [3, 6, 9] and atrous_rates(1) == [1, 1, 1]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_map_has_the_stated_stride_and_channels(backbone):
    make, channels, stride, _ = BACKBONES[backbone]
    with torch.no_grad():
        assert make().eval()(torch.zeros(1, 3, 64, 64))["out"].shape == (1, channels, 64 // stride, 64 // stride)


def test_pointwise_convolutions_are_convolutions(monkeypatch):
    torch.manual_seed(0)
    ours = deeplabv3("light", 5, 64).train()
    monkeypatch.setattr(deeplab, "with_pointwise", lambda network: network)
    theirs = deeplabv3("light", 5, 64).train()
    theirs.load_state_dict(ours.state_dict())
    for network in (ours, theirs):
        network.classifier[0].project[3].p = 0.0  # dropout
    assert sum(isinstance(module, Pointwise) for module in ours.modules()) == 8
    images = torch.randn(4, 3, 64, 64)
    found, expected = (network(images)["out"] for network in (ours, theirs))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    for out in (found, expected):
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    theirs_by_name = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        scale = float(theirs_by_name[name].grad.abs().max())
        torch.testing.assert_close(parameter.grad, theirs_by_name[name].grad, atol=1e-3 * scale, rtol=0)


def test_an_unknown_backbone_lists_the_backbones():
    with pytest.raises(OnemaskError, match="'vgg' is not one of light, resnet50, resnet101"):
        deeplabv3("vgg", 2, 64)
