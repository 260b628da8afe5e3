"""Measures every case and writes a table (markdown, csv) and plots: python -m benchmarks results/bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
import typer
from tqdm import tqdm

from benchmarks import growth, pipeline
from benchmarks.cases import GPU_FLOOR, Case, cases, lightly_sinkhorn
from benchmarks.measure import MB, copy_bandwidth, interleaved, kernel_seconds, machine, matrix_rate, peak_bytes
from benchmarks.report import draw, pipeline_table, table
from benchmarks.shapes import PAPER, SMALL
from onemask.files import write_csv, write_text
from onemask.jobs import set_up_torch
from onemask.kernels.backend import triton_works

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
KINDS = {"paper": PAPER, "small": SMALL}


@app.command()
def main(
    out: Annotated[Path, typer.Argument(help="folder for table.md, table.csv, pipeline.csv, growth.csv, growth.png")],
    shapes: Annotated[Literal["paper", "small"], typer.Option(help="sizes: the paper's, or seconds' worth")] = "paper",
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="without a GPU, cuda measures the CPU's part")] = "cpu",
    rounds: Annotated[int, typer.Option(min=1, help="of both sides, in turn")] = 5,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Kernels against what they replace, in one process, one round of each in turn."""
    if not torch.cuda.is_available():
        print("no GPU: torch finds none here; the CPU's part follows")
        device = "cpu"
    elif not triton_works():
        print("Triton's kernels do not run here: torch's are measured in their place")
    if lightly_sinkhorn() is None:
        print("lightly is not installed, and its Sinkhorn left out (`make bench` installs it)")
    set_up_torch(threads, device)
    rate, bandwidth = matrix_rate(device, "float32"), copy_bandwidth(device)
    progress = tqdm(cases(KINDS[shapes], device), unit="case")
    rows = [measured(case, device, rounds, bandwidth) | {"machine": machine(device)} for case in progress]
    rates = f"matrix products {rate / 1e9:.0f} GFLOP/s, copies {bandwidth / 1e9:.1f} GB/s"
    if device == "cuda":
        rates += "".join(f", {kind} {matrix_rate(device, kind) / 1e9:.0f} GFLOP/s" for kind in ("tf32", "bfloat16"))
    head = f"{machine(device)}; {rates}; shapes: {shapes}"
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "table.csv", rows, list(rows[0]))  # at once: what follows takes minutes
    ends = pipeline.measure(KINDS[shapes], device, rounds)
    write_csv(out / "pipeline.csv", ends.to_dict("records"), pipeline.COLUMNS)
    curves = growth.measure(KINDS[shapes], device, min(3, rounds))
    write_csv(out / "growth.csv", curves.to_dict("records"), growth.COLUMNS)
    tables = f"{head}\n\n{table(pd.DataFrame(rows))}\n{pipeline_table(ends)}"
    write_text(out / "table.md", tables)
    draw(curves, out / "growth.png", head)
    print(tables)


def measured(case: Case, device: str, rounds: int, bandwidth: float) -> dict[str, object]:
    """One row: medians, the ratio with its spread over rounds, peak memory, the distance of the results, the floor.

    On a GPU the floor is held against the kernels alone, and is the only goal beside the results' distance.
    """
    gpu = device == "cuda"
    ratio_goal, memory_goal = (None, None) if gpu else (case.ratio, case.memory)
    error = case.error() if case.error else None
    memory = [peak_bytes(run, device) for run in (case.ours, case.theirs)]
    times = interleaved([case.ours, case.theirs], rounds, device, warm=True)
    ours, theirs = np.median(times, axis=0)
    ratios = times[:, 1] / times[:, 0]
    floor = max(case.flops / matrix_rate(device, case.precision), case.bytes / bandwidth)
    ratio, saved = theirs / ours, memory[1] / max(memory[0], 1)
    alone = kernel_seconds(case.ours) if gpu else None
    of_floor, extra = floor / (alone or ours), max(0.0, memory[0] - case.result)
    least = (GPU_FLOOR if floor else None) if gpu else case.floor
    goals = [
        least is None or of_floor >= least,
        case.extra is None or extra <= case.extra,
        ratio_goal is None or ratio >= ratio_goal,
        memory_goal is None or saved >= memory_goal,
        error is None or error <= case.tolerance,
    ]
    return {
        "kernel": case.kernel,
        "peer": case.peer,
        "ours_ms": 1e3 * ours,
        "kernels_ms": 1e3 * alone if gpu else None,
        "theirs_ms": 1e3 * theirs,
        "ratio": ratio,
        "ratio_low": ratios.min(),
        "ratio_high": ratios.max(),
        "ratio_goal": ratio_goal,
        "ours_mb": memory[0] / MB,
        "theirs_mb": memory[1] / MB,
        "memory_ratio": saved,
        "memory_goal": memory_goal,
        "extra_mb": extra / MB if case.extra is not None else None,
        "extra_goal_mb": case.extra / MB if case.extra is not None else None,
        "error": error,
        "tolerance": case.tolerance,
        "of_floor": of_floor if floor else None,
        "floor_goal": least,
        "met": all(goals),
    }


if __name__ == "__main__":
    app()
