"""Images with their masks per second, end to end, beside generating alone: methods with random weights, as fast.

On a GPU at 256, 512 and 1024 px, one image at a time (each operation launched by Python, or all by a CUDA graph) and
several, in float32 and with the generator in bfloat16; on a CPU one image at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.measure import interleaved
from benchmarks.methods import LEAKY, LINEAR, UPSAMPLING, labelled, segmenters
from benchmarks.shapes import PAPER, Shapes
from onemask.segmenters.base import Segmenter
from onemask.stylegan2.generator import Generator

GENERATING = "the generator alone"
GOALS = {"cpu": {LINEAR: 0.05, LEAKY: 0.35}, "cuda": {LINEAR: 0.05, LEAKY: 0.25}}  # seconds added to generating
WHOLE = 512  # pixels a side up to which Eq. 8's map is made to compare labels with: 23 GB at 1024
SETTING = ["resolution", "at_once", "precision", "launch"]
COLUMNS = [*SETTING, "method", "ms", "per_second", "added", "goal", "apart", "met"]
Run = Callable[[Tensor], tuple[Tensor, Tensor | None]]


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
    return pd.DataFrame(rows, columns=COLUMNS)


@torch.no_grad()
def measured(shapes: Shapes, setting: Setting, device: str, rounds: int) -> list[dict[str, object]]:
    """One setting: all methods in turn on one batch of latents."""
    torch.manual_seed(5)
    base = (shapes.resolution, shapes.channel_base, shapes.channel_max)
    generator = Generator(shapes.latent, shapes.latent, *base).to(device).eval().requires_grad_(False)
    ws, methods = generator.sample_ws(range(setting.at_once), 0.7), segmenters(generator, shapes, device)
    whole = {name: labels_of_whole(generator, ws, name, segmenter) for name, segmenter in methods.items()}
    generator.synthesis.compute_dtype = getattr(torch, setting.precision)
    runs: dict[str, Run] = {GENERATING: lambda ws: (generator.features(ws)[0], None)}
    runs |= {name: partial(labelled, generator, segmenter) for name, segmenter in methods.items()}
    if setting.graph:
        runs = {name: captured(run, ws) for name, run in runs.items()}
    apart = {name: share_apart(runs[name](ws)[1], whole[name]) for name in methods}
    seconds = np.median(interleaved([partial(run, ws) for run in runs.values()], rounds, device), axis=0)
    rows = []
    for name, spent in zip(runs, seconds / setting.at_once, strict=True):
        added, goal = spent * setting.at_once / seconds[0] - 1, GOALS[device].get(name)
        rows.append({
            "resolution": setting.resolution,
            "at_once": setting.at_once,
            "precision": setting.precision,
            "launch": "CUDA graph" if setting.graph else "eager",
            "method": name,
            "ms": 1e3 * spent,
            "per_second": 1 / spent,
            "added": None if name == GENERATING else added,
            "goal": goal,
            "apart": apart.get(name),
            "met": None if goal is None else added <= goal,
        })  # fmt: skip
    return rows


def labels_of_whole(generator: Generator, ws: Tensor, name: str, segmenter: Segmenter) -> Tensor | None:
    """What the paper's way gives, image by image; None where its map is too large."""
    if generator.resolution > WHOLE:
        return None
    mode = UPSAMPLING.get(name, "nearest")
    return torch.cat([labelled(generator, segmenter, one, mode)[1] for one in ws.split(1)])


def share_apart(found: Tensor, whole: Tensor | None) -> float | None:
    return None if whole is None else float((found != whole).float().mean())


def captured(run: Run, ws: Tensor) -> Run:
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
