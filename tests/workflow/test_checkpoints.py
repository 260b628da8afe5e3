"""Generators that other projects published: fetched, converted, and in the place where every rule looks for one."""

import json

import pytest
import torch
from conftest import planned, run_snakemake
from tests.checkpoints.ada import write_ada

from onemask.files import sha256
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.generator import Generator

TARGET = "resources/generators/test/face.safetensors"


@pytest.fixture
def pickled(tmp_path, monkeypatch):
    torch.manual_seed(0)
    generator = Generator(z_dim=6, w_dim=5, resolution=32, channel_base=128, channel_max=12, mapping_layers=2)
    return generator, write_ada(tmp_path / "net.pkl", generator, monkeypatch)


def run(tmp_path, source, *arguments, accepted=()):
    source = json.dumps({"face": {"generator": {"source": "checkpoint", **source}}})
    config = ["study=test", f"classes={source}", f"accepted_licences={json.dumps(accepted)}"]
    return run_snakemake(*arguments, TARGET, "--config", *config, directory=tmp_path)


def test_a_file_of_the_user_s_is_converted_and_described(tmp_path, pickled):
    generator, path = pickled
    finished = run(tmp_path, {"file": str(path), "licence": "ours"}, "--cores", "1")
    assert finished.returncode == 0, finished.stdout[-2000:]
    loaded = load_generator(tmp_path / TARGET)
    assert loaded.fingerprint() == generator.fingerprint()
    card = (tmp_path / "resources/generators/test/face.md").read_text()
    assert "licence: ours" in card and loaded.fingerprint() in card and "W+ of 8 vectors" in card


def test_a_url_is_fetched_first_and_its_licence_must_be_accepted(tmp_path, pickled):
    # with its hash: one that is trusted on first use is kept in the checkout's own lock
    source = {"url": pickled[1].as_uri(), "sha256": sha256(pickled[1])}
    source |= {"licence": "strict", "page": "https://example.org/licence"}
    jobs = planned(run(tmp_path, source, "--dry-run").stdout)
    assert jobs == {"fetch_checkpoint": 1, "convert_generator": 1}
    refused = run(tmp_path, source, "--cores", "1")
    assert refused.returncode and "is under the strict (https://example.org/licence); read it" in refused.stdout
    assert not (tmp_path / TARGET).exists()
    accepted = run(tmp_path, source, "--cores", "1", accepted=["other", "strict"])
    assert accepted.returncode == 0, accepted.stdout[-2000:]
    assert load_generator(tmp_path / TARGET).fingerprint() == pickled[0].fingerprint()


def test_a_source_that_is_neither_is_one_line(tmp_path):
    finished = run(tmp_path, {}, "--dry-run")
    assert finished.returncode and "checkpoint needs either `url` or `file`" in finished.stdout
