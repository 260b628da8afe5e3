"""rosinality's checkpoints and torch.save's two formats, written by torch itself."""

import argparse
import io
import os
import zipfile

import pytest
import torch

from onemask.checkpoints.reader import read_generator
from onemask.checkpoints.torch_files import read_torch_file
from onemask.errors import OnemaskError


def state_dict(generator):
    """The weights under rosinality's names, worked out block by block."""
    own = generator.state_dict()
    found = {"input.input": own["synthesis.b4.const"][None], "convs.0.conv.blur.kernel": torch.ones(4, 4)}
    for layer in range(generator.mapping.num_layers):
        for part in ("weight", "bias"):
            found[f"style.{layer + 1}.{part}"] = own[f"mapping.fc{layer}.{part}"]
    convs = rgbs = noises = 0
    for size in generator.synthesis.resolutions:
        for name in ["conv1"] if size == 4 else ["conv0", "conv1"]:
            place = "conv1" if size == 4 else f"convs.{convs}"
            convs += size > 4
            layer = f"synthesis.b{size}.{name}"
            found |= {
                f"{place}.conv.weight": own[f"{layer}.weight"][None],
                f"{place}.conv.modulation.weight": own[f"{layer}.affine.weight"],
                f"{place}.conv.modulation.bias": own[f"{layer}.affine.bias"],
                f"{place}.noise.weight": own[f"{layer}.noise_strength"].reshape(1),
                f"{place}.activate.bias": own[f"{layer}.bias"],
                f"noises.noise_{noises}": own[f"{layer}.noise_const"][None, None],
            }
            noises += 1
        place = "to_rgb1" if size == 4 else f"to_rgbs.{rgbs}"
        rgbs += size > 4
        layer = f"synthesis.b{size}.torgb"
        found |= {
            f"{place}.conv.weight": own[f"{layer}.weight"][None],
            f"{place}.conv.modulation.weight": own[f"{layer}.affine.weight"],
            f"{place}.conv.modulation.bias": own[f"{layer}.affine.bias"],
            f"{place}.bias": own[f"{layer}.bias"].reshape(1, 3, 1, 1),
        }
    return found


def save(path, generator, archive=True, **others):
    content = {"g_ema": state_dict(generator), "args": argparse.Namespace(size=16), "d": {"x": torch.ones(3)}, **others}
    torch.save(content, path, _use_new_zipfile_serialization=archive)
    return path


@pytest.mark.parametrize("archive", [True, False])
def test_images_are_those_of_the_network_that_was_saved(generator, tmp_path, archive):
    path = save(tmp_path / "550000.pt", generator, archive, latent_avg=generator.mapping.w_avg)
    loaded = read_generator(path)
    assert loaded.architecture == generator.architecture
    ws = generator.sample_ws([1, 2], 0.7)
    assert torch.equal(loaded.sample_ws([1, 2], 0.7), ws) and torch.equal(loaded(ws), generator(ws))


def test_a_mean_latent_that_is_missing_is_estimated(generator, tmp_path):
    loaded = read_generator(save(tmp_path / "550000.pt", generator))
    w = generator.mapping(torch.randn(20_000, 6, generator=torch.Generator().manual_seed(9)))[:, 0]
    error = (loaded.mapping.w_avg - w.mean(dim=0)) / (w.std(dim=0) / 100)
    assert error.abs().max() < 5


@pytest.mark.parametrize("archive", [True, False])
def test_plain_tensors_come_back_whatever_views_they_were(tmp_path, archive):
    base = torch.arange(12.0).reshape(3, 4)
    content = {"a": base.T, "b": base[1:], "c": torch.arange(3), "half": base.half(), "n": [1, "x"]}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=archive)
    records, reader = read_torch_file(tmp_path / "x.pt")
    for name in ("a", "b", "c", "half"):
        assert torch.equal(reader.tensor(records[name]), content[name])
    assert records["n"] == [1, "x"]


class Calls:
    def __reduce__(self):
        return os.system, ("touch touched",)


@pytest.mark.parametrize("archive", [True, False])
def test_nothing_that_a_file_asks_for_is_run(generator, tmp_path, monkeypatch, archive):
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "550000.pt", generator, archive, extra=Calls())
    with pytest.raises(OnemaskError, match="550000.pt: names 'posix.system', which no checkpoint"):
        read_generator(path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("archive", [True, False])
def test_truncated_files_are_one_line(generator, tmp_path, archive):
    path = save(tmp_path / "550000.pt", generator, archive)
    whole = path.read_bytes()
    for length in (5, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(OnemaskError, match="^[^\n]*550000.pt: [^\n]+$"):
            read_generator(path)


def test_a_flipped_byte_is_one_line(generator, tmp_path):
    path = save(tmp_path / "550000.pt", generator)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        largest = max((info for info in archive.infolist() if "/data/" in info.filename), key=lambda i: i.file_size)
    place = largest.header_offset + 30 + len(largest.filename) + 200  # within its values
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(OnemaskError, match="^[^\n]*550000.pt: .*cannot be read .*CRC.*; fetch it again$"):
        read_generator(path)


def rewritten(path, change):
    """The archive with its members changed: `change(name, bytes)` gives new bytes, None leaves a member out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            if (changed := change(name, content)) is not None:
                archive.writestr(name, changed)
    path.write_bytes(buffer.getvalue())


def bomb(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, b"\0" * 10**8 if name.endswith("data/0") else content)


ARCHIVES = {
    "no storage": (lambda p: rewritten(p, lambda n, c: None if "/data/" in n else c), "holds no .*/data/"),
    "a storage cut": (lambda p: rewritten(p, lambda n, c: c[:-4] if "/data/" in n else c), "does not hold as many"),
    "another order": (lambda p: rewritten(p, lambda n, c: b"big" if "byteorder" in n else c), "another byte order"),
    "no pickle": (lambda p: rewritten(p, lambda n, c: None if "data.pkl" in n else c), "not torch.save's archive"),
    "a bomb": (bomb, "is compressed"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_torch_would_not_write_are_refused(generator, tmp_path, name):
    change, message = ARCHIVES[name]
    path = save(tmp_path / "550000.pt", generator)
    change(path)
    with pytest.raises(OnemaskError, match=f"550000.pt: .*{message}"):
        read_generator(path)


def test_a_file_of_something_else(tmp_path):
    torch.save({"state": torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(OnemaskError, match="x.pt: holds no state dict g_ema"):
        read_generator(tmp_path / "x.pt")
    with pytest.raises(OnemaskError, match="nowhere.pt: not readable"):
        read_generator(tmp_path / "nowhere.pt")
