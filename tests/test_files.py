"""Writes are whole or not at all; damaged files are one line that names them."""

import random

import numpy as np
import pytest
import torch

from onemask.errors import OnemaskError
from onemask.files import (
    atomic,
    read_json,
    read_npz,
    read_safetensors,
    sha256,
    verify_sha256,
    write_csv,
    write_json,
    write_safetensors,
)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_write_makes_its_folder_and_keeps_the_suffix_while_it_lasts(tmp_path):
    with atomic(tmp_path / "new/a.png") as temporary:
        assert temporary.suffix == ".png" and temporary.parent.is_dir()
        temporary.write_text("x")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_equal_values_are_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [0.1]})
    write_json(tmp_path / "b.json", {"a": [0.1], "b": 1})
    assert sha256(tmp_path / "a.json") == sha256(tmp_path / "b.json")
    assert read_json(tmp_path / "a.json") == {"a": [0.1], "b": 1}
    write_csv(tmp_path / "a.csv", [{"x": 1 / 3, "y": "a"}], ["y", "x"])
    assert (tmp_path / "a.csv").read_text() == "y,x\na,0.333333333\n"


def test_a_checksum_names_the_file_both_sums_and_a_remedy(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    verify_sha256(tmp_path / "a", right)
    with pytest.raises(OnemaskError, match=f"a: sha256 is {right}, expected 0000.*fetch"):
        verify_sha256(tmp_path / "a", "0" * 64)
    with pytest.raises(OnemaskError, match="b: no such file; restore it"):
        verify_sha256(tmp_path / "b", right)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_safetensors_file_is_one_line(tmp_path, share):
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"x": torch.arange(300.0)}, {"kind": "test"})
    assert read_safetensors(path)[1] == {"kind": "test"}
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(OnemaskError, match="a.safetensors: not a readable safetensors file") as caught:
        read_safetensors(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_npz_is_read_or_is_one_line_and_never_another_exception(tmp_path):
    path, rng = tmp_path / "a.npz", random.Random(0)
    np.savez_compressed(path, ws=np.arange(200.0), text=np.array("metadata"))
    content = path.read_bytes()
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
        try:
            read_npz(path, ["ws"], "test file", "make it again")
        except OnemaskError as error:
            refused += 1
            assert str(path) in str(error) and "make it again" in str(error)
    assert refused > 100


def test_an_npz_with_pickles_or_without_a_name_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", ws=np.array([{}], dtype=object))
    with pytest.raises(OnemaskError, match="not a readable test file"):
        read_npz(tmp_path / "a.npz", ["ws"], "test file", "make it again")
    np.savez(tmp_path / "b.npz", ws=np.zeros(1))
    with pytest.raises(OnemaskError, match="b.npz: holds no label_maps; make it again"):
        read_npz(tmp_path / "b.npz", ["ws", "label_maps"], "test file", "make it again")
