import pytest
import torch

from onemask.downstream.deeplab import BACKBONES, RATES, REFERENCE, atrous_rates, deeplabv3
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


def test_an_unknown_backbone_lists_the_backbones():
    with pytest.raises(OnemaskError, match="'vgg' is not one of light, resnet50, resnet101"):
        deeplabv3("vgg", 2, 64)
