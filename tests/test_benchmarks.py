"""The benchmarks run and agree with their references: at sizes of seconds, in which no ratio means anything."""

import pandas as pd
import pytest
import torch
from benchmarks import growth, pipeline
from benchmarks.__main__ import app
from benchmarks.cases import cases, gpu_generator_cases
from benchmarks.measure import MB, peak_bytes
from benchmarks.methods import labelled, segmenters
from benchmarks.shapes import SMALL
from typer.testing import CliRunner

from onemask.stylegan2.generator import Generator


@pytest.fixture(autouse=True)
def as_it_was():
    """The command sets torch up for its process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True


@pytest.mark.parametrize("case", list(cases(SMALL, "cpu")), ids=lambda case: f"{case.kernel}, {case.peer}")
def test_ours_and_theirs_agree(case):
    assert case.error is None or case.error() <= case.tolerance


def test_table_and_growth_are_written(tmp_path):
    done = CliRunner().invoke(app, [str(tmp_path), "--shapes", "small", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(tmp_path / "table.csv")
    assert (rows["ours_ms"] > 0).all() and (rows["error"].dropna() <= 1e-3).all()
    assert rows["error"].isna().sum() == 1 and rows["machine"].str.contains("torch").all()
    assert rows["kernel"].str.startswith("projection").sum() == 3
    ends = pd.read_csv(tmp_path / "pipeline.csv")
    assert list(ends) == pipeline.COLUMNS and (ends["apart"].dropna() <= pipeline.APART).all()
    assert ends["added"].between(ends["added_low"] - 1e-9, ends["added_high"] + 1e-9)[1:].all()
    assert (tmp_path / "table.md").read_text().count("\n| ") == len(rows) + len(ends) + 2  # with a head each
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    assert list(pd.read_csv(tmp_path / "growth.csv")) == growth.COLUMNS


def test_the_labels_compared_are_several():
    torch.manual_seed(0)
    generator = Generator(32, 32, SMALL.resolution, SMALL.channel_base, SMALL.channel_max).requires_grad_(False)
    ws = generator.sample_ws([0], 0.7)
    for name, segmenter in segmenters(generator, SMALL, "cpu").items():
        shares = labelled(generator, segmenter, ws)[1].flatten().bincount() / SMALL.resolution**2
        assert (shares > 0.05).sum() >= 3, name


def test_a_generator_in_bfloat16_is_labelled_as_its_whole_map_is():
    setting = pipeline.Setting(SMALL.resolution, 3, "bfloat16")
    rows = pd.DataFrame(pipeline.measured(SMALL, setting, "cpu", 1), columns=pipeline.COLUMNS)
    assert rows["method"].is_unique and rows.loc[0, "method"] == pipeline.GENERATING
    assert (rows["apart"][1:] < 1e-3).all()
    assert rows["per_second"].to_numpy() == pytest.approx(1e3 / rows["ms"].to_numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_graph_gives_what_the_launches_give():
    rows = pipeline.measured(SMALL, pipeline.Setting(SMALL.resolution, 1, graph=True), "cuda", 1)
    assert all(row["apart"] < 1e-3 for row in rows[1:])


def test_the_gpu_s_rows_of_the_generator_agree_with_single_precision():
    torch.manual_seed(0)
    generator = Generator(32, 32, 16, channel_base=256, channel_max=16, mapping_layers=2).eval().requires_grad_(False)
    found = list(gpu_generator_cases(generator, generator.synthesize, generator.sample_ws(range(2), 0.7)))
    assert [case.precision for case in found] == ["tf32", "bfloat16"] and found[0].bytes == 2 * found[1].bytes > 0
    assert all(case.error() <= case.tolerance for case in found) and found[1].error() > 0
    assert generator.synthesis.compute_dtype == torch.float32


def test_a_machine_without_a_gpu_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = CliRunner().invoke(app, [str(tmp_path), "--device", "cuda", "--shapes", "small", "--rounds", "1"])
    assert done.exit_code == 0 and "no GPU" in done.output and "threads:" in (tmp_path / "table.md").read_text()


def test_peak_memory_is_what_a_call_needs_at_most():
    grown = peak_bytes(lambda: bytearray(b"x" * (64 * MB)), "cpu")
    assert 60 * MB < grown < 200 * MB


def test_a_slope_is_the_exponent():
    assert growth.slope(pd.Series([1.0, 2, 4]).to_numpy(), pd.Series([3.0, 12, 48]).to_numpy()) == pytest.approx(2)
