import copy
import pickle
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from onemask.annotation.command import Request, run
from onemask.checkpoints.architecture import architecture
from onemask.checkpoints.reader import read_generator, read_tensors
from onemask.errors import OnemaskError
from onemask.stylegan2.checkpoint import generator_of, save_generator
from onemask.stylegan2.generator import Generator

from .ada import EasyDict, Persistent, _reconstruct_persistent_obj, write_ada

EXECUTED = "open({path!r}, 'w').close()"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_images_are_those_of_the_network_that_was_pickled(generator, tmp_path, monkeypatch, protocol):
    marker = tmp_path / "executed"
    source = EXECUTED.format(path=str(marker))
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch, source, protocol)
    loaded = read_generator(path)
    assert loaded.architecture == generator.architecture
    ws = generator.sample_ws([1, 2], 0.7)
    assert torch.equal(loaded.sample_ws([1, 2], 0.7), ws) and torch.equal(loaded(ws), generator(ws))
    assert not marker.exists()


def test_half_precision_and_views_of_one_storage(generator, tmp_path, monkeypatch):
    generator.half()
    generator.mapping.fc0.weight = torch.nn.Parameter(torch.randn(6, 5).half().T, requires_grad=False)
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    tensors = read_tensors(path)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in generator.state_dict().items())


CONVERT = """
import sys
from pathlib import Path
from onemask.checkpoints.convert import convert
source, target, card = map(Path, sys.argv[1:])
convert(source, target, card, {})
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


@pytest.mark.extended  # 360 MB are written
def test_a_config_f_pickle_is_converted_in_less_than_1200_mb(tmp_path, monkeypatch):
    """Generator, its average and a discriminator's worth of tensors, as NVIDIA's 256-px files hold them."""
    torch.manual_seed(0)
    generator = Generator(z_dim=512, w_dim=512, resolution=256, channel_base=32768, channel_max=512, mapping_layers=8)
    others = {"G": Persistent(copy.deepcopy(generator), ""), "D": [torch.randn(1024, 1024) for _ in range(29)]}
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch, **others)
    assert 3.5e8 < path.stat().st_size < 4e8
    target = tmp_path / "net.safetensors"
    command = [sys.executable, "-c", CONVERT, str(path), str(target), str(tmp_path / "net.md")]
    start = time.monotonic()
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) * 1024
    print(f"{path.stat().st_size / 1e6:.0f} MB: {peak / 1e6:.0f} MB at most, {time.monotonic() - start:.1f} s")
    assert peak < 1.2e9
    assert read_generator(target).fingerprint() == generator.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.mapping.register_buffer("embed", torch.zeros(1)), None),
        (lambda g: g.mapping.add_module("embed", torch.nn.Linear(2, 2)), "a conditional generator"),
        (lambda g: delattr(g.synthesis.b8, "torgb"), "block 8 px makes no RGB image"),
        (lambda g: delattr(g.synthesis, "b8"), "not the mapping and the synthesis network"),
        (lambda g: delattr(g.synthesis.b8.conv1, "bias"), "weights do not match its architecture.*b8.conv1.bias"),
    ],
)
def test_networks_of_another_kind_are_named(generator, tmp_path, monkeypatch, change, message):
    change(generator)
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    with pytest.raises(OnemaskError, match=f"net.pkl: {message or 'weights do not match'}"):
        read_generator(path)


def test_weights_of_another_rank(generator, tmp_path, monkeypatch):
    generator.mapping.fc0.weight = torch.nn.Parameter(torch.tensor(1.0))
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    with pytest.raises(OnemaskError, match="mapping.fc0.weight is missing, or not of 2 dimensions"):
        read_generator(path)


def test_channels_that_follow_no_rule(generator, tmp_path, monkeypatch):
    generator.synthesis.b4.conv1.weight = torch.nn.Parameter(torch.zeros(7, 7, 3, 3))
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    with pytest.raises(OnemaskError, match="follow no channel_base"):
        read_generator(path)


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


def forged(tensor, size=None, stride=None, offset=0):
    """A tensor record whose size, stride or offset are another's."""
    made = tensor.__reduce_ex__(2)
    storage, _, own_size, own_stride, *rest = made[1]
    return Calls(made[0], storage, offset, size or tuple(own_size), stride or tuple(own_stride), *rest)


def in_storage(content):
    """A tensor record whose storage is `content`."""
    return Calls(torch._utils._rebuild_tensor_v2, Calls(torch.storage._load_from_bytes, content), 0, (1,), (1,))


BROKEN = {
    "gigantic": lambda: forged(torch.zeros(4), size=(10**12,)),
    "endless": lambda: forged(torch.zeros(4), size=(2**39, 1), stride=(0, 0)),
    "beyond": lambda: forged(torch.zeros(4), offset=3),
    "negative": lambda: forged(torch.zeros(4), size=(-1,)),
    "floats": lambda: forged(torch.zeros(4), size=(2.5,)),
    "no_storage": lambda: Calls(torch._utils._rebuild_tensor_v2, 1, 0, (1,), (1,)),
    "no_bytes": lambda: in_storage("x"),
    "garbage": lambda: in_storage(b"x"),
    "no_arguments": lambda: Calls(torch._utils._rebuild_tensor_v2),
    "zero_sized": lambda: forged(torch.zeros(4), size=(2**36, 0, 3, 3), stride=(0, 0, 0, 0)),
    "empty_parameter": lambda: Calls(torch._utils._rebuild_parameter, 3, False, None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_tensors_that_the_file_does_not_hold_are_refused(name, generator, tmp_path, monkeypatch):
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    path.write_bytes(pickle.dumps({"G_ema": persistent({"x": BROKEN[name]()})}, protocol=3))
    with pytest.raises(OnemaskError, match=r"net.pkl: (a tensor|a storage|a parameter|not a complete pickle)"):
        read_tensors(path)


def persistent(parameters=(), modules=()):
    """A module record with these parameters and modules by name."""
    meta = EasyDict(state={"_parameters": dict(parameters), "_buffers": {}, "_modules": dict(modules)})
    return Calls(_reconstruct_persistent_obj, meta)


def test_modules_and_storages_that_are_shared_do_not_multiply(generator, tmp_path, monkeypatch):
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    laughs = persistent()
    for _ in range(6):
        laughs = persistent(modules={str(number): laughs for number in range(50)})
    path.write_bytes(pickle.dumps({"G_ema": laughs}, protocol=3))
    with pytest.raises(OnemaskError, match="is no module with a state and a place of its own"):
        read_tensors(path)
    storage = torch.zeros(10_000).__reduce_ex__(2)[1][0]
    views = [Calls(torch._utils._rebuild_tensor_v2, storage, 0, (10_000,), (1,)) for _ in range(50)]
    path.write_bytes(pickle.dumps({"G_ema": persistent({str(n): view for n, view in enumerate(views)})}, protocol=3))
    with pytest.raises(OnemaskError, match="a tensor too many: together they are larger than the file"):
        read_tensors(path)


def test_storages_that_share_their_bytes_do_not_multiply(generator, tmp_path, monkeypatch):
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    content = torch.zeros(10_000).__reduce_ex__(2)[1][0].__reduce__()[1][0]
    records = {str(number): in_storage(content) for number in range(50)}  # pickled once, named fifty times
    path.write_bytes(pickle.dumps({"G_ema": persistent(records)}, protocol=3))
    assert path.stat().st_size < 2 * len(content)
    with pytest.raises(OnemaskError, match="a storage too many: together they are larger than the file"):
        read_tensors(path)


HUGE = {
    "mapping": {"mapping.fc0.weight": (1, 60_000), "mapping.fc1.weight": (60_000, 1)},
    "channels": {"synthesis.b4.conv1.weight": (60_000, 1, 1, 1), "synthesis.b8.conv1.weight": (60_000, 1, 1, 1)},
    "layers": {f"mapping.fc{number}.weight": (4, 4) for number in range(900)},
    "blocks": {
        f"synthesis.b{2**power}.{name}.weight": shape
        for power in range(2, 17)
        for name, shape in (("conv1", (4, 4, 3, 3)), ("torgb", (3, 4, 1, 1)))
    },
}


@pytest.mark.parametrize("name", HUGE)
def test_a_small_file_cannot_ask_for_a_huge_network(name):
    tensors = {
        **{"mapping.fc0.weight": torch.zeros(4, 4), "mapping.fc1.weight": torch.zeros(4, 4)},
        **{f"synthesis.b{size}.conv1.weight": torch.zeros(4, 4, 3, 3) for size in (4, 8)},
        **{f"synthesis.b{size}.torgb.weight": torch.zeros(3, 4, 1, 1) for size in (4, 8)},
    }
    assert architecture(tensors, "net")["resolution"] == 8
    with pytest.raises(OnemaskError, match="^net: "):
        architecture(tensors | {key: torch.zeros(shape) for key, shape in HUGE[name].items()}, "net")


def test_a_latent_of_a_million_values_is_no_network():
    """The mapping alone is consistent: nothing may be built before all shapes are compared."""
    small = Generator(4, 4, 8, channel_base=64, channel_max=8).state_dict()
    forged = {name: tensor for name, tensor in small.items() if not name.startswith("mapping.fc")}
    forged |= {"mapping.fc0.weight": torch.zeros(10**6, 1), "mapping.fc0.bias": torch.zeros(10**6)}
    with pytest.raises(OnemaskError, match="weights do not match its architecture"):
        generator_of(architecture(forged, "net"), forged, "net")


@pytest.mark.parametrize("sizes", [{"w_dim": 10**9}, {"depth": 3}, {"resolution": "large"}, {"channel_max": -1}])
def test_an_architecture_that_is_none_is_one_line(sizes):
    small = Generator(4, 4, 8, channel_base=64, channel_max=8)
    with pytest.raises(OnemaskError, match="^net: .*(weights do not match|no such architecture)"):
        generator_of(small.architecture | sizes, small.state_dict(), "net")


def test_a_truncated_file(generator, tmp_path, monkeypatch):
    path = write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(OnemaskError, match="net.pkl: "):
            read_tensors(path)


def test_a_larger_network_takes_seconds(tmp_path, monkeypatch):
    large = Generator(64, 64, 256, channel_base=4096, channel_max=128)
    path = write_ada(tmp_path / "net.pkl", large, monkeypatch)
    start = time.monotonic()
    read_tensors(path)
    assert time.monotonic() - start < 20


def test_annotate_takes_either_file(generator, tmp_path, monkeypatch):
    save_generator(tmp_path / "net.safetensors", generator)
    write_ada(tmp_path / "net.pkl", generator, monkeypatch)
    Image.fromarray(np.arange(32 * 32, dtype=np.uint8).reshape(32, 32) % 2).save(tmp_path / "map.png")
    (tmp_path / "labels.yaml").write_text("labels: {background: '#000000', odd: '#ff0000'}\n")
    wanted = Request(tmp_path / "net.pkl", tmp_path / "a", 2, tmp_path / "map.png", tmp_path / "labels.yaml", 3)
    wanted = replace(wanted, method="repurposegan_mlp")
    run(wanted)
    (tmp_path / "net.safetensors").rename(tmp_path / "network")  # the content tells what it is
    run(replace(wanted, generator=tmp_path / "network", out=tmp_path / "b"))
    for name in ("annotations.json", "images/000001.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
