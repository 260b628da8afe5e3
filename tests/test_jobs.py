"""What surrounds a script's work: the log, one-line errors, threads."""

import os
import sys
from types import SimpleNamespace

import pytest
import torch

from onemask import jobs
from onemask.errors import OnemaskError
from onemask.jobs import device, job


@pytest.fixture
def snakemake(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "rule.log")], threads=1, resources={})


@pytest.fixture(autouse=True)
def restore_torch():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(0)


def log(snakemake):
    with open(snakemake.log[0]) as stream:
        return stream.read()


def test_an_onemask_error_is_one_line_of_terminal_and_log(snakemake, capsys):
    with pytest.raises(SystemExit) as caught, job(snakemake):
        raise OnemaskError("a.npz: no such file")
    assert caught.value.code == 1
    assert capsys.readouterr().err == log(snakemake) == "error: a.npz: no such file\n"


def test_another_error_leaves_its_traceback_in_the_log(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        _ = 1 / 0
    assert "Traceback" in log(snakemake) and "ZeroDivisionError" in log(snakemake)


def test_progress_reaches_both_and_the_terminal_is_given_back(snakemake, capsys):
    before = sys.stderr
    with job(snakemake):
        print("half\rwhole", file=sys.stderr)
    assert sys.stderr is before
    assert capsys.readouterr().err == "half\rwhole\n"
    assert log(snakemake) == "half\nwhole\n"


def test_torch_gets_the_declared_threads_and_is_deterministic(snakemake):
    before, snakemake.threads = torch.get_num_threads(), torch.get_num_threads() + 1
    try:
        with job(snakemake):
            assert torch.get_num_threads() == before + 1
            assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)


def test_numbers_that_cpus_compute_slowly_count_as_zero(snakemake):
    smallest = torch.tensor([torch.finfo(torch.float32).tiny])
    torch.set_flush_denormal(False)
    assert smallest / 2 > 0
    with job(snakemake):
        assert smallest > 0 and smallest / 2 == 0


def test_jobs_at_a_time_have_different_gpus(monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "GPU_LOCKS", [])
    monkeypatch.setattr(jobs.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=f"gpu-{number}"))
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for _ in range(3):  # a lock is an open file's, whatever process opened it
        jobs.claim_gpus()
    assert chosen == [0, 1]
    os.close(jobs.GPU_LOCKS.pop(0))
    jobs.claim_gpus()
    assert chosen == [0, 1, 0]
    for lock in jobs.GPU_LOCKS:
        os.close(lock)


def test_a_training_of_several_processes_has_as_many_gpus_to_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "GPU_LOCKS", [])
    monkeypatch.setattr(jobs.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=f"{number}"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    jobs.claim_gpus()
    jobs.claim_gpus(2)
    assert chosen == [0, 1] and os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-1,GPU-2"
    for lock in jobs.GPU_LOCKS:
        os.close(lock)


def test_a_job_with_a_gpu_claims_one_and_keeps_products_in_full_precision(monkeypatch, snakemake):
    claimed = []
    monkeypatch.setattr(jobs, "claim_gpus", claimed.append)
    torch.backends.cuda.matmul.allow_tf32 = True
    with job(snakemake):
        assert not claimed and not torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
    snakemake.resources = {"gpu": 1}
    with job(snakemake):
        assert claimed == [1]


def test_a_gpu_is_used_only_when_the_rule_was_given_one(snakemake):
    assert device(snakemake) == "cpu"
    snakemake.resources = {"gpu": 1}
    assert device(snakemake) == "cuda"
