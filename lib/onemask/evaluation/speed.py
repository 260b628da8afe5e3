"""Inference speed, one image at a time (Table 5, decision 34).

Every method runs in two ways. `native`: as here, on the maps at their native sizes. `authors`: as the methods' authors
run them, on one map: all maps enlarged to the image's size and concatenated first (Eq. 8). The ensemble of DatasetGAN
runs member by member on both.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.evaluation.metrics import KEYS, SECONDS
from onemask.kernels.projection import concatenate_features
from onemask.segmenters.base import Features, Segmenter, output_size
from onemask.stylegan2.latents import in_every_layer
from onemask.stylegan2.protocol import FeatureGenerator

COLUMNS = [*KEYS, "path", "generator", *SECONDS, "fps", "images", "threads", "device", "hardware"]
PATHS = ("native", "authors")
GENERATOR = "generator"  # the method that makes no label map
AUTHORS_UPSAMPLING = {"datasetgan": "bilinear", "repurposegan": "bilinear"}  # by module; other methods: their own

Clock = Callable[[], float]


@dataclass(frozen=True)
class Contender:
    """A fitted segmenter of a method, and how its authors enlarge maps ("nearest" or "bilinear")."""

    method: str
    segmenter: Segmenter
    upsampling: str = "nearest"

    def predict(self, features: Features, path: str) -> Tensor:
        """Label maps uint8 [N, H, W] of maps [N, C_l, h_l, w_l], on the path `native` or `authors`."""
        if path == "native":
            return self.segmenter.predict(features)
        return self.segmenter.predict([concatenate_features(features, output_size(features), self.upsampling)])


def authors_upsampling(method: Mapping[str, Any], clustering: Any) -> str:
    """How a method's authors enlarge maps; where that is not known, as its clustering or its head does here.

    `method` is a study's entry (onemask.sections.MethodSettings), `clustering` what it was built from, if anything.
    """
    own = getattr(clustering, "mode", None) or method["settings"].get("upsampling", "nearest")
    return AUTHORS_UPSAMPLING.get(method["module"], own)


@torch.no_grad()
def measure_speed(
    generator: FeatureGenerator,
    contenders: Sequence[Contender],
    ws: np.ndarray,
    keys: Mapping[str, str],
    clock: Clock = time.perf_counter,
) -> pd.DataFrame:
    """Rows of COLUMNS: per method and path the seconds per image, the generator included and excluded.

    `ws` float32 [n, w_dim] or [n, num_ws, w_dim], one latent per image; `keys` are study and class. An image is one
    round over all methods and paths, so that what disturbs the machine hits all alike; the first image is seen once
    before, unmeasured. One run gives both times: the generator's and the method's follow each other. The row of the
    method `generator` is the generator alone, its features kept.
    """
    device, runs = generator.device, [(contender, path) for contender in contenders for path in PATHS]
    images = in_every_layer(ws, generator.num_ws).to(device).split(1)
    _round(generator, runs, images[0], clock)
    rounds = tqdm(images, desc="speed", unit="img", mininterval=1)
    seconds = np.quantile([_round(generator, runs, w, clock) for w in rounds], [0.5, 0.25, 0.75], axis=0)
    names = [(GENERATOR, "native", "included")]
    names += [(run.method, path, which) for run, path in runs for which in ("included", "excluded")]
    rows = pd.DataFrame(names, columns=["method", "path", "generator"])
    machine = {"threads": torch.get_num_threads(), "device": device.type, "hardware": hardware(device)}
    times = dict(zip(SECONDS, seconds, strict=True))
    rows = rows.assign(**keys, **times, fps=1 / seconds[0], images=len(images), **machine)
    return rows[COLUMNS]


def _round(
    generator: FeatureGenerator, runs: Sequence[tuple[Contender, str]], w: Tensor, clock: Clock
) -> list[float]:
    """Seconds for one image: the generator alone, then for each run with the generator and without."""

    def now() -> float:
        if w.device.type == "cuda":
            torch.cuda.synchronize(w.device)
        return clock()

    start = now()
    generator.features(w)
    seconds = [now() - start]
    for contender, path in runs:
        start = now()
        features = generator.features(w)[1]
        ready = now()
        contender.predict(features, path)
        end = now()
        seconds += [end - start, end - ready]
    return seconds


def hardware(device: torch.device | str = "cpu") -> str:
    """Name of the GPU, or the CPU's model as /proc/cpuinfo or else the platform tells it."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models and models[0] else platform.processor() or platform.machine()
