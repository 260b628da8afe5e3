"""The generator against a plain formulation with one grouped convolution per sample, and NVIDIA's names and sizes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.kernels import reference
from onemask.kernels.modulated_conv import (
    filter_maps,
    in_reading_order,
    modulated_conv2d,
    per_sample_product,
    resample_kernel,
    upsample_maps,
)
from onemask.stylegan2.checkpoint import load_generator, save_generator
from onemask.stylegan2.discriminator import Discriminator, minibatch_stddev
from onemask.stylegan2.generator import Generator


@pytest.mark.parametrize(("up", "demodulate", "size"), [(1, True, 3), (2, True, 3), (1, False, 1)])
def test_modulated_convolution_equals_the_grouped_form(up, demodulate, size):
    generator = torch.Generator().manual_seed(up)
    x = torch.randn(3, 5, 6, 8, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, 5, size, size, generator=generator, dtype=torch.float64)
    styles = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    kernel, offset = resample_kernel().double(), torch.randn(3, 1, 6 * up, 8 * up, generator=generator).double()
    for rest in ((), (offset, 1.5, torch.randn(7, generator=generator).double(), 0.2)):
        given = (x, weight, styles, demodulate, up, kernel, *rest)
        torch.testing.assert_close(modulated_conv2d(*given), reference.modulated_conv2d(*given))


def test_the_product_of_few_outputs_equals_the_grouped_form():
    x, weight, styles = torch.randn(2, 5, 3, 4), torch.randn(3, 5, 1, 1), torch.randn(2, 5)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    found = per_sample_product(x, weight, styles)
    expected = reference.modulated_conv2d(x, weight, styles, demodulate=False)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    cotangent = torch.randn_like(expected)
    gradients = (torch.autograd.grad(y, x, cotangent)[0] for y in (found, expected))
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("up", [1, 2])
def test_the_order_of_a_weight_in_memory_changes_nothing(up):
    x, weight, styles = torch.randn(2, 3, 4, 4), torch.randn(5, 3, 3, 3), torch.randn(2, 3)
    ordered = in_reading_order(weight, up)
    read = ordered if up == 1 else ordered.transpose(0, 1)
    assert torch.equal(ordered, weight) and read.is_contiguous(memory_format=torch.channels_last)
    plain, own = (modulated_conv2d(x, w, styles, True, up, resample_kernel()) for w in (weight, ordered))
    torch.testing.assert_close(own, plain, atol=1e-5, rtol=1e-5)


def test_offset_and_gain_apply_to_the_right_terms():
    x, weight, styles = torch.randn(2, 3, 4, 4), torch.randn(5, 3, 3, 3), torch.randn(2, 3)
    plain, offset = modulated_conv2d(x, weight, styles), torch.randn(1, 1, 4, 4)
    shifted = modulated_conv2d(x, weight, styles, offset=offset, gain=3.0)
    torch.testing.assert_close(shifted, plain * 3 + offset, atol=1e-5, rtol=1e-5)
    modulated_conv2d(x, weight, styles, offset=offset.requires_grad_()).sum().backward()
    assert torch.equal(offset.grad, torch.full_like(offset, 2 * 5))  # of two images, five channels each


def test_upsampling_equals_zero_stuffing():
    x, kernel = torch.randn(2, 3, 5, 7), resample_kernel()
    expected = reference.filter_maps(x, kernel, 2, (2, 1), 4.0)
    torch.testing.assert_close(upsample_maps(x, kernel), expected, atol=1e-5, rtol=1e-5)


def test_filter_keeps_a_constant():
    y = filter_maps(torch.ones(1, 2, 8, 8), resample_kernel(), padding=1)
    torch.testing.assert_close(y[:, :, 2:-2, 2:-2], torch.ones(1, 2, 3, 3))


@pytest.mark.parametrize(
    ("resolution", "base", "parameters", "num_ws"),
    [(256, 16384, 24_767_458, 14), (256, 32768, 30_034_338, 14), (512, 32768, 30_276_583, 16)],
)
def test_parameter_counts_are_nvidias(resolution, base, parameters, num_ws):
    with torch.device("meta"):
        generator = Generator(512, 512, resolution, base, 512)
    assert sum(p.numel() for p in generator.parameters()) == parameters
    assert generator.num_ws == num_ws


def test_hidden_feature_count_of_a_256_px_config_f_net():
    with torch.device("meta"):
        assert sum(Generator(resolution=256).feature_channels) == 5376  # Table A1, decision 3


def test_state_dict_has_nvidias_names(tiny):
    names = set(tiny.state_dict())
    assert {"mapping.fc7.bias", "mapping.w_avg", "synthesis.b4.const", "synthesis.b4.conv1.noise_const"} <= names
    assert {"synthesis.b8.conv0.resample_filter", "synthesis.b16.torgb.affine.weight"} <= names
    assert not any(name.startswith("synthesis.b4.conv0") for name in names)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    generator = Generator(8, 8, 16, 128, 16).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    return generator


def test_latents_do_not_depend_on_the_batch(tiny):
    together, alone = tiny.sample_ws([3, 4, 5], 0.7), tiny.sample_ws([4], 0.7)
    assert torch.equal(together[1:2], alone)


def test_truncation_moves_towards_the_mean(tiny):
    tiny.mapping.w_avg.normal_()
    full, none = tiny.sample_ws([1], 1.0), tiny.sample_ws([1], 0.0)
    torch.testing.assert_close(none[0, 0], tiny.mapping.w_avg)
    torch.testing.assert_close(tiny.sample_ws([1], 0.5), (full + none) / 2)


def test_features_are_the_convolutions_outputs(tiny):
    image, features = tiny.features(tiny.sample_ws([1, 2], 0.7))
    assert image.shape == (2, 3, 16, 16)
    assert [f.shape[1] for f in features] == tiny.feature_channels
    assert [f.shape[2] for f in features] == [4, 8, 8, 16, 16]


def test_a_block_changes_its_own_features_and_later_ones_only(tiny):
    """Decision 10: perturbing the w indices of block s leaves the features of blocks before s as they were."""
    ws = tiny.sample_ws([1], 0.7)
    before = tiny.features(ws)[1]
    for block, owned in enumerate(tiny.block_ws):
        changed = ws.clone()
        changed[:, list(owned)] += 1
        after = tiny.features(changed)[1]
        same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert same == [b < block for b in tiny.feature_blocks]


def test_the_generator_survives_its_file(tiny, tmp_path):
    save_generator(tmp_path / "g.safetensors", tiny, {"card": "test"})
    again = load_generator(tmp_path / "g.safetensors")
    ws = tiny.sample_ws([7], 0.7)
    assert torch.equal(tiny.synthesize(ws), again.synthesize(ws))
    save_generator(tmp_path / "half.safetensors", tiny, dtype=torch.float16)
    half = load_generator(tmp_path / "half.safetensors").synthesize(ws)
    torch.testing.assert_close(half, tiny.synthesize(ws), atol=2e-2, rtol=0)


def test_a_damaged_file_is_one_line(tiny, tmp_path):
    path = tmp_path / "g.safetensors"
    save_generator(path, tiny)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OnemaskError, match=r"g\.safetensors.*fetch or make it again"):
        load_generator(path)
    tensors, metadata = read_safetensors_of(tiny, tmp_path)
    del tensors["synthesis.b4.const"]
    write_safetensors(path, tensors, metadata)
    with pytest.raises(OnemaskError, match="synthesis.b4.const"):
        load_generator(path)
    write_safetensors(path, tensors)
    with pytest.raises(OnemaskError, match="architecture"):
        load_generator(path)


def read_safetensors_of(generator, folder):
    save_generator(folder / "whole.safetensors", generator)
    return read_safetensors(folder / "whole.safetensors")


def test_minibatch_stddev_of_equal_and_of_opposite_images():
    equal = minibatch_stddev(torch.ones(4, 2, 3, 3), 4)
    assert equal[:, 2].abs().max() < 2e-4
    opposite = torch.ones(4, 2, 3, 3) * torch.tensor([1.0, -1, 1, -1])[:, None, None, None]
    torch.testing.assert_close(minibatch_stddev(opposite, 4)[:, 2], torch.ones(4, 3, 3))


def test_minibatch_stddev_groups_every_other_image():
    """Eight images in groups of four are the even and the odd ones; each gets its own group's mean deviation."""
    x = torch.randn(8, 3, 2, 5)
    found = minibatch_stddev(x, 4)
    assert torch.equal(found[:, :3], x)
    for image in range(8):
        group = x[image % 2 :: 2]
        expected = (group.var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[image, 3], expected.expand(2, 5))


def test_the_discriminator_is_the_paper_s():
    """StyleGAN2's residual network (Karras et al. 2020, Fig. 7), written plainly from its weights, in double."""
    torch.manual_seed(0)
    discriminator = Discriminator(16, 64, 8)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.copy_(torch.randn_like(parameter))
    state = {name: tensor.double() for name, tensor in discriminator.state_dict().items()}
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8

    def conv(x, name, down=False, active=True):
        weight = state[f"{name}.weight"]
        size, bias = weight.shape[-1], state.get(f"{name}.bias")
        pad = size // 2
        if down:  # low-passed along each axis, every channel alone; then every second pixel
            x = F.pad(x, [1 + pad] * 4)
            x = F.conv2d(x.flatten(0, 1)[:, None], line.outer(line)[None, None])[:, 0].unflatten(0, x.shape[:2])
            pad = 0
        y = F.conv2d(x, weight / math.sqrt(weight[0].numel()), bias, padding=pad, stride=2 if down else 1)
        return math.sqrt(2) * F.leaky_relu(y, 0.2) if active else y

    def dense(x, name, active):
        weight = state[f"{name}.weight"]
        y = x @ weight.T / math.sqrt(weight.shape[1]) + state[f"{name}.bias"]
        return math.sqrt(2) * F.leaky_relu(y, 0.2) if active else y

    x = conv(images, "fromrgb")
    for block in range(2):  # 16 and 8 px
        skip = conv(x, f"blocks.{block}.skip", down=True, active=False)
        main = conv(conv(x, f"blocks.{block}.conv0"), f"blocks.{block}.conv1", down=True)
        x = (main + skip) / math.sqrt(2)
    deviation = (x.var(dim=0, unbiased=False) + 1e-8).sqrt().mean().expand(4, 1, 4, 4)
    x = conv(torch.cat([x, deviation], dim=1), "conv")
    expected = dense(dense(x.flatten(1), "fc", True), "out", False)[:, 0]
    torch.testing.assert_close(discriminator(images.float()).double(), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_discriminator_gives_one_logit_an_image(unshuffle):
    torch.manual_seed(0)
    discriminator = Discriminator(32, 256, 16, unshuffle)
    assert discriminator(torch.randn(6, 3, 32, 32)).shape == (6,)
