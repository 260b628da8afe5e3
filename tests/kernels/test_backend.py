"""When Triton's kernels are used: where a first launch succeeds, where they hold the rows, unless one says no."""

from types import SimpleNamespace

import pytest
import torch

from onemask.clustering import swav
from onemask.clustering.swav import SwAVSettings
from onemask.kernels import backend
from onemask.kernels.backend import rows_of_block, uses_triton

ON_A_GPU, ON_A_CPU = SimpleNamespace(is_cuda=True), SimpleNamespace(is_cuda=False)


@pytest.fixture
def installed(monkeypatch):
    """Triton as if it were here, and nothing of it remembered."""
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("ONEMASK_TRITON", raising=False)
    monkeypatch.setattr(backend, "_first_launch", lambda: None)
    backend.triton_works.cache_clear()
    yield
    backend.triton_works.cache_clear()


def test_it_is_used_on_a_gpu_where_it_runs(installed):
    assert uses_triton(ON_A_GPU) and not uses_triton(ON_A_CPU)


def test_it_is_not_used_where_it_is_not_installed(installed, monkeypatch):
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    assert not uses_triton(ON_A_GPU)


def test_the_user_may_say_no(installed, monkeypatch):
    monkeypatch.setenv("ONEMASK_TRITON", "0")
    assert not uses_triton(ON_A_GPU)


def test_what_keeps_it_from_running_is_said_once(installed, monkeypatch, capfd):
    def fails():
        raise RuntimeError("no compiler")

    monkeypatch.setattr(backend, "_first_launch", fails)
    assert not uses_triton(ON_A_GPU) and not uses_triton(ON_A_GPU)
    assert capfd.readouterr().err == "without Triton's kernels, which do not run here: no compiler\n"


def test_clustering_goes_by_the_kernels_where_they_take_as_many_prototypes(monkeypatch):
    asked = []
    monkeypatch.setattr(swav, "uses_triton", lambda tensor: True)
    monkeypatch.setattr(swav, "project_views", lambda *given: [torch.rand(6, 4) for _ in range(2)])
    monkeypatch.setattr(swav, "sinkhorn", lambda scores, *given, triton: asked.append(triton) or scores)
    monkeypatch.setattr(swav, "swapped_prediction_loss", lambda *given, triton: asked.append(triton) or given[0].sum())
    views, prototypes = SimpleNamespace(marginals=(None, None)), torch.rand(5, 4)
    for wanted, widest in ((True, 5), (False, 5), (True, 4)):
        monkeypatch.setattr(swav, "WIDEST", widest)
        swav.swapped_loss(views, (0, 0), None, prototypes, SwAVSettings(prototypes=5, triton=wanted), 0)
    assert asked == [True] * 3 + [False] * 6  # two views' codes and the loss, each time


@pytest.mark.parametrize(("device", "columns", "rows"), [("cpu", 4096, 32), ("cpu", 1 << 20, 1), ("cuda", 4096, 65536)])
def test_a_block_of_rows_fills_the_cache_and_has_one_row_at_least(device, columns, rows):
    assert rows_of_block(columns, torch.device(device)) == rows
