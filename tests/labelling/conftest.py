"""A session on a tiny generator, and the server around it."""

import time

import pytest
import torch
from fastapi.testclient import TestClient

from onemask.annotation.command import SECTIONS
from onemask.config import load_study
from onemask.labelling.server import make_app
from onemask.labelling.session import Session
from onemask.labelling.setup import Setup
from onemask.labels import LabelSet
from onemask.stylegan2.checkpoint import save_generator
from onemask.stylegan2.generator import Generator

LABELS = LabelSet(("background", "left", "right"), ("#000000", "#ff0000", "#0000ff"), {})
LOCAL = {"base_url": "http://127.0.0.1:8000", "headers": {"X-Onemask": "1"}}


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    torch.manual_seed(0)
    made = Generator(16, 16, 16, channel_base=256, channel_max=16, mapping_layers=2).eval().requires_grad_(False)
    path = tmp_path_factory.mktemp("generator") / "g.safetensors"
    save_generator(path, made)
    return made, path


@pytest.fixture
def opened(generator, tmp_path):
    """A function that opens the session anew, with any method."""

    def open_it(method="hfc_swav_mlp", folder=tmp_path / "session"):
        study = load_study({"study": "test"})
        sections = {name: getattr(study, name).model_dump(mode="json") for name in SECTIONS}
        setup = Setup(study.methods[method].model_dump(mode="json"), sections, 0.7)
        return Session(folder, generator[0], LABELS, setup)

    return open_it


@pytest.fixture
def session(opened):
    return opened()


@pytest.fixture
def client(session):
    with TestClient(make_app(session), **LOCAL) as made:
        yield made


def finished(session, seconds=60):
    """What ran, once it is over."""
    end = time.monotonic() + seconds
    while session.worker.work.state == "running" and time.monotonic() < end:
        time.sleep(0.02)
    return session.worker.work
