"""TensorFlow's pickles, written here with stand-ins for NVIDIA's classes and the arrays of one of our generators."""

import pickle
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from onemask.checkpoints.reader import read_generator
from onemask.errors import OnemaskError


class Network:
    """As dnnlib.tflib.network.Network pickles itself: by its state alone."""

    __module__ = "dnnlib.tflib.network"

    def __init__(self, variables, components=None, source=""):
        self.content = {
            "version": 4,
            "name": "Gs",
            "static_kwargs": {"resolution": 32},
            "components": components or {},
            "build_module_src": source,
            "build_func_name": "G_main",
            "variables": variables,
        }

    def __getstate__(self):
        return self.content


def variables(generator):
    """(own, mapping's, synthesis's) variables in TensorFlow's layout, worked out block by block."""
    state = {name: tensor.numpy() for name, tensor in generator.state_dict().items()}
    mapping = []
    for layer in range(generator.mapping.num_layers):
        mapping.append((f"Dense{layer}/weight", state[f"mapping.fc{layer}.weight"].T))
        mapping.append((f"Dense{layer}/bias", state[f"mapping.fc{layer}.bias"]))
    synthesis = [("4x4/Const/const", state["synthesis.b4.const"][None])]
    noise = 0
    for size in generator.synthesis.resolutions:
        layers = [("Conv", "conv1")] if size == 4 else [("Conv0_up", "conv0"), ("Conv1", "conv1")]
        for theirs, ours in layers:
            place, own = f"{size}x{size}/{theirs}", f"synthesis.b{size}.{ours}"
            weight = state[f"{own}.weight"].transpose(2, 3, 1, 0)
            synthesis += [
                (f"{place}/weight", weight[::-1, ::-1] if theirs == "Conv0_up" else weight),
                (f"{place}/bias", state[f"{own}.bias"]),
                (f"{place}/mod_weight", state[f"{own}.affine.weight"].T),
                (f"{place}/mod_bias", state[f"{own}.affine.bias"] - 1),
                (f"{place}/noise_strength", np.float32(state[f"{own}.noise_strength"])),
                (f"noise{noise}", state[f"{own}.noise_const"][None, None]),
            ]
            noise += 1
        place, own = f"{size}x{size}/ToRGB", f"synthesis.b{size}.torgb"
        synthesis += [
            (f"{place}/weight", state[f"{own}.weight"].transpose(2, 3, 1, 0)),
            (f"{place}/bias", state[f"{own}.bias"]),
            (f"{place}/mod_weight", state[f"{own}.affine.weight"].T),
            (f"{place}/mod_bias", state[f"{own}.affine.bias"] - 1),
        ]
    return [("lod", np.float32(0)), ("dlatent_avg", state["mapping.w_avg"])], mapping, synthesis


@pytest.fixture
def write(tmp_path, monkeypatch):
    for name, content in (("dnnlib", {}), ("dnnlib.tflib", {}), ("dnnlib.tflib.network", {"Network": Network})):
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)

    def written(parts, source="", protocol=4):
        own, mapping, synthesis = parts
        components = {"mapping": Network(mapping, source=source), "synthesis": Network(synthesis, source=source)}
        networks = (Network([]), Network([]), Network(own, components, source))
        path = tmp_path / "stylegan2-car-config-f.pkl"
        path.write_bytes(pickle.dumps(networks, protocol))
        return path

    return written


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_images_are_those_of_the_network_that_was_pickled(generator, write, tmp_path, protocol):
    marker = tmp_path / "executed"
    loaded = read_generator(write(variables(generator), f"open({str(marker)!r}, 'w').close()", protocol))
    assert loaded.architecture == generator.architecture
    ws = generator.sample_ws([1, 2], 0.7)
    assert torch.equal(loaded.sample_ws([1, 2], 0.7), ws)
    torch.testing.assert_close(loaded(ws), generator(ws), rtol=1e-5, atol=1e-5)  # mod_bias - 1 + 1 rounds
    assert not marker.exists()


class Calls:
    """Pickles as a call of `function`, with a state."""

    def __init__(self, function, arguments, state=None):
        self.made = (function, arguments, state) if state else (function, arguments)

    def __reduce__(self):
        return self.made


def forged(**changes):
    """An array's record with another shape, type or content than belong together."""
    _, arguments, state = np.zeros(4, np.float32).__reduce__()
    version, shape, dtype, fortran, content = state
    state = version, changes.get("shape", shape), changes.get("dtype", dtype), fortran, changes.get("content", content)
    return Calls(np.zeros(1).__reduce__()[0], arguments, state)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (forged(shape=(10**12,)), "whose bytes are not as many"),
        (forged(shape=(-1,)), "not one of whole numbers"),
        (forged(shape="x"), "not one of whole numbers"),
        (forged(content=b"abc"), "whose bytes are not as many"),
        (forged(content=[1, 2, 3, 4]), "whose bytes are not as many"),
        (forged(dtype=np.dtype(object)), "something else than numbers"),
        (forged(dtype=np.dtype("U1")), "something else than numbers"),
        (7, "a weight that is no array"),
        (Calls(Network, ([],), {"variables": []}), "a weight that is no array"),
    ],
)
def test_arrays_that_the_file_does_not_hold_are_refused(write, record, message):
    with pytest.raises(OnemaskError, match=f"config-f.pkl: .*{message}"):
        read_generator(write(([("dlatent_avg", record)], [], [])))


def test_shared_arrays_do_not_multiply(write):
    array = np.zeros(10_000, np.float32)
    with pytest.raises(OnemaskError, match="together they are larger than the file"):
        read_generator(write(([], [(f"Dense{number}/bias", array) for number in range(50)], [])))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_variable_that_is_missing_is_named(generator, write, part):
    parts = [list(each) for each in variables(generator)]
    missing = parts[part].pop()[0]
    expected = {"Dense1/bias": "fc1.bias", "32x32/ToRGB/mod_bias": "b32.torgb.affine.bias"}
    path = write(parts)
    if missing == "dlatent_avg":  # then it is estimated
        assert read_generator(path).mapping.w_avg.isfinite().all()
        return
    with pytest.raises(OnemaskError, match=f"weights do not match its architecture.*{expected[missing]}"):
        read_generator(path)


def test_another_tuple_is_no_generator(write, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps((1, 2, 3)))
    with pytest.raises(OnemaskError, match="x.pkl: holds no generator; expected onemask's"):
        read_generator(path)
