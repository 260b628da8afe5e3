"""A TorchScript module's tensors come back; of what such a file could run nothing is run. VGG-16 is made of one."""

import pytest
import torch
from torch import nn

from onemask.checkpoints.torchscript import read_torchscript
from onemask.errors import OnemaskError
from onemask.training.vgg16 import STAGES, VGG16, load_vgg16


class Features(nn.Module):
    """VGG-16's convolutions beside what such files hold besides: lists, flags, a head of 1x1 convolutions."""

    def __init__(self, widths=STAGES):
        super().__init__()
        self.sizes, self.flag, inputs = [1, 2, 3], True, 3
        self.layers = nn.Sequential()
        for number, width in enumerate(width for stage in widths for width in stage):
            self.layers.add_module(f"conv{number}", nn.Conv2d(inputs, width, 3, padding=1))
            inputs = width
        self.lin = nn.Conv2d(inputs, 1, 1, bias=False)
        self.register_buffer("mean", torch.tensor([0.5]))

    def forward(self, x):
        return self.lin(self.layers(x)) - self.mean


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    torch.manual_seed(0)
    module = Features()
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pt"
    torch.jit.script(module).save(str(path))
    return path, module


def test_tensors_come_back_by_name_and_in_order(scripted):
    path, module = scripted
    found, expected = read_torchscript(path), dict(module.state_dict())
    assert {name: tensor.tolist() for name, tensor in found.items() if tensor.numel() < 100} == {
        name: tensor.tolist() for name, tensor in expected.items() if tensor.numel() < 100
    }
    assert [n for n in found if n.startswith("layers")] == [n for n in expected if n.startswith("layers")]
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_vgg16_computes_what_its_layers_do(scripted):
    path, module = scripted
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x = (images * 0.5 + 0.5 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    expected = []
    for number, layer in enumerate(module.layers):
        x = torch.relu(layer(x))
        if number in (1, 3, 6, 9, 12):
            expected.append(x / x.norm(dim=1, keepdim=True).clamp(min=1e-12))
            x = torch.max_pool2d(x, 2)
    for ours, theirs in zip(load_vgg16(path).maps(images), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_large_images_are_halved_first():
    torch.manual_seed(0)
    assert [m.shape[-1] for m in VGG16().maps(torch.zeros(1, 3, 512, 512))] == [256, 128, 64, 32, 16]


def test_another_network_and_other_files_are_one_line(tmp_path, scripted):
    torch.jit.script(Features(STAGES[:2])).save(str(tmp_path / "small.pt"))
    with pytest.raises(OnemaskError, match=r"small.pt: not VGG-16's thirteen.*found 4"):
        load_vgg16(tmp_path / "small.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "plain.pt")
    with pytest.raises(OnemaskError, match="plain.pt: no TorchScript module"):
        read_torchscript(tmp_path / "plain.pt")
    (tmp_path / "cut.pt").write_bytes(scripted[0].read_bytes()[:1000])
    with pytest.raises(OnemaskError, match="cut.pt"):
        read_torchscript(tmp_path / "cut.pt")


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch onemask_was_here",)


def test_a_global_outside_of_torchscript_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(Evil(), "evil.pt")
    with pytest.raises(OnemaskError, match=r"evil.pt: names .*system"):
        read_torchscript("evil.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pt"], "nothing was run"
