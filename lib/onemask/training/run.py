"""A training run with its state folder, in this process or, under torchrun, as one of several.

`python -m onemask.training.run JSON` is what `onemask.training.distributed.launch` starts; JSON is a `Run`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from onemask.errors import OnemaskError, one_line_errors
from onemask.files import save_image
from onemask.jobs import set_up_torch
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import synthesize_all
from onemask.training.distributed import joined, launch
from onemask.training.loop import train
from onemask.training.settings import TrainingSettings

GRID = 8


@dataclass(frozen=True)
class Run:
    """What a training needs: `settings` are TrainingSettings' fields, `images` an npy of uint8 [M, 3, R, R].

    `start_from` is another training's state, which goes on in the folder `state` (see onemask.training.loop.train).
    """

    settings: dict[str, Any]
    images: str
    state: str
    seed: int
    truncation: float
    device: str = "cpu"
    processes: int = 1
    start_from: str | None = None

    def start(self) -> None:
        """Train to the end, resuming from `state`; returns when the last snapshot is there."""
        if self.processes == 1:
            self.work()
        else:
            launch(self.processes, __name__, [json.dumps(dataclasses.asdict(self))])

    def work(self) -> None:
        """This process's part. The first writes a grid of samples beside every snapshot."""
        settings = TrainingSettings(**self.settings)
        if settings.batch % self.processes:
            raise OnemaskError(f"generator_training: batch {settings.batch} must divide by processes {self.processes}")
        images = np.load(self.images, mmap_mode="r", allow_pickle=False)
        with joined(self.device) as (rank, world, device):
            start = Path(self.start_from) if self.start_from else None
            for trainer in train(settings, images, Path(self.state), self.seed, rank, world, device, start):
                if rank == 0:
                    save_image(Path(self.state) / "samples.png", sample_grid(trainer.average, self.truncation))


@torch.no_grad()
def sample_grid(generator: Generator, truncation: float) -> np.ndarray:
    """uint8 [GRID * R, GRID * R, 3] of the first seeds' images."""
    ws = generator.sample_ws(range(GRID * GRID), truncation)
    images = to_pixels(synthesize_all(generator, ws), generator.resolution)
    rows = images.reshape(GRID, GRID, *images.shape[1:]).transpose(0, 2, 1, 3, 4)
    return rows.reshape(GRID * generator.resolution, GRID * generator.resolution, 3)


if __name__ == "__main__":
    with one_line_errors():
        run = Run(**json.loads(sys.argv[1]))
        set_up_torch(1, run.device)
        run.work()
