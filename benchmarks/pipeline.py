"""Images with their masks per second, end to end, beside generating alone: methods with random weights, as fast.

On a GPU at 256, 512 and 1024 px, one image at a time (each operation launched by Python, or all by a CUDA graph) and
several, in float32 (convolutions in TF32, as the workflow's jobs set torch) and with the generator in bfloat16; on a
CPU one image at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.measure import MB, interleaved, machine, peak_bytes
from benchmarks.methods import LEAKY, LINEAR, UPSAMPLING, labelled, segmenters
from benchmarks.shapes import PAPER, Shapes
from onemask.kernels.projection import concatenate_features
from onemask.segmenters.base import Segmenter
from onemask.stylegan2.generator import Generator

GENERATING = "the generator alone"
GOALS = {"cpu": {LINEAR: 0.05, LEAKY: 0.35}, "cuda": {LINEAR: 0.05, LEAKY: 0.25}}  # seconds added to generating
WHOLE = 512  # pixels a side up to which Eq. 8's map is made to compare labels with: 23 GB at 1024
SETTING = ["resolution", "at_once", "precision", "launch"]
ADDED = ["added", "added_low", "added_high"]  # seconds beside generating alone: of medians, and over rounds
COLUMNS = [*SETTING, "method", "ms", "per_second", *ADDED, "goal", "peak_mb", "apart", "met", "machine"]
APART = 1e-4  # share of labels; masks are made in float32 from any generator's maps
Pipeline = Callable[[Tensor], tuple[Tensor, Tensor | None]]  # latents to images and label maps


@dataclass(frozen=True)
class Setting:
    """How a pipeline runs: `at_once` images, the generator's `precision`, `graph` for a CUDA graph."""

    resolution: int
    at_once: int = 1
    precision: str = "float32"
    graph: bool = False


def settings(shapes: Shapes, device: str) -> Iterator[Setting]:
    if device == "cpu":
        yield Setting(shapes.resolution)
        return
    for resolution in (256, 512, 1024) if shapes == PAPER else (shapes.resolution,):
        for precision in ("float32", "bfloat16"):
            yield Setting(resolution, 1, precision)
            yield Setting(resolution, 1, precision, graph=True)
            yield Setting(resolution, 8, precision)


def measure(shapes: Shapes, device: str, rounds: int) -> pd.DataFrame:
    """Rows of COLUMNS: medians of seconds per image; `apart`: the share of labels that Eq. 8's map does not give."""
    rows = []
    for setting in settings(shapes, device):
        rows += measured(replace(shapes, resolution=setting.resolution), setting, device, rounds)
    return pd.DataFrame(rows, columns=COLUMNS).assign(machine=machine(device))


@torch.no_grad()
def measured(shapes: Shapes, setting: Setting, device: str, rounds: int) -> list[dict[str, object]]:
    """One setting: all methods in turn on one batch of latents."""
    torch.manual_seed(5)
    base = (shapes.resolution, shapes.channel_base, shapes.channel_max)
    generator = Generator(shapes.latent, shapes.latent, *base).to(device).eval().requires_grad_(False)
    ws, methods = generator.sample_ws(range(setting.at_once), 0.7), segmenters(generator, shapes, device)
    generator.synthesis.compute_dtype = getattr(torch, setting.precision)
    whole = labels_of_whole(generator, ws, methods)
    runs: dict[str, Pipeline] = {GENERATING: lambda ws: (generator.features(ws)[0], None)}
    runs |= {name: partial(labelled, generator, segmenter) for name, segmenter in methods.items()}
    if setting.graph:
        runs = {name: captured(run, ws) for name, run in runs.items()}
    apart = {name: share_apart(runs[name](ws)[1], whole.get(name)) for name in methods}
    calls = [partial(run, ws) for run in runs.values()]
    peaks = [peak_bytes(call, device) / MB for call in calls]
    times = interleaved(calls, rounds, device, warm=True)
    rows = []
    for number, name in enumerate(runs):
        spent, added = np.median(times[:, number]), times[:, number] / times[:, 0] - 1
        goal, distance = GOALS[device].get(name), apart.get(name)
        row = {
            "resolution": setting.resolution,
            "at_once": setting.at_once,
            "precision": setting.precision,
            "launch": "CUDA graph" if setting.graph else "eager",
            "method": name,
            "ms": 1e3 * spent / setting.at_once,
            "per_second": setting.at_once / spent,
            "goal": goal,
            "peak_mb": peaks[number],
            "apart": distance,
        }
        if number:
            row |= dict(zip(ADDED, (spent / np.median(times[:, 0]) - 1, added.min(), added.max()), strict=True))
        if goal is not None:
            row["met"] = bool(row["added"] <= goal and (distance is None or distance <= APART))
        rows.append(row)
    return rows


def labels_of_whole(generator: Generator, ws: Tensor, methods: dict[str, Segmenter]) -> dict[str, Tensor]:
    """What each gives on Eq. 8's map of the same features, image by image; nothing where that map is too large."""
    if generator.resolution > WHOLE:
        return {}
    _, features = generator.features(ws)
    found: dict[str, list[Tensor]] = {name: [] for name in methods}
    for i in range(len(ws)):
        own = [feature[i : i + 1].float() for feature in features]
        for name, segmenter in methods.items():
            full = concatenate_features(own, generator.resolution, UPSAMPLING.get(name, "nearest"))
            found[name].append(segmenter.predict([full]))
    return {name: torch.cat(labels) for name, labels in found.items()}


def share_apart(found: Tensor, whole: Tensor | None) -> float | None:
    return None if whole is None else float((found != whole).float().mean())


def captured(run: Pipeline, ws: Tensor) -> Pipeline:
    """`run` as a CUDA graph for latents of this shape: one launch. Its results are overwritten by the next call."""
    taken = ws.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # libraries set themselves up in the first calls, which a graph must not hold
        for _ in range(3):
            run(taken)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = run(taken)

    def replay(ws: Tensor) -> tuple[Tensor, Tensor | None]:
        taken.copy_(ws)
        graph.replay()
        return results

    return replay
