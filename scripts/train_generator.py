"""Train one class's generator on its renders; resumes from the state folder, and writes what the zoo ships.

Weights are written in half precision: annotated sets and clusterings are made on exactly the file that is promoted.
"""

import shutil
from pathlib import Path

import numpy as np
import torch

from onemask.files import save_image
from onemask.jobs import device, job
from onemask.stylegan2.checkpoint import save_generator
from onemask.training.loop import load_state, new_trainer, train
from onemask.training.settings import TrainingSettings

GRID = 8


def grid(generator, truncation):
    """uint8 [GRID * R, GRID * R, 3] of the first seeds' images."""
    with torch.no_grad():
        images = generator.synthesize(generator.sample_ws(range(GRID * GRID), truncation)).cpu()
    pixels = (images.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
    rows = pixels.unflatten(0, (GRID, GRID)).permute(0, 3, 1, 4, 2)
    return rows.reshape(GRID * images.shape[-2], GRID * images.shape[-1], 3).numpy()


def finished(settings, state, seed, where):
    """The trainer at its last snapshot, whether this job or one before it got there."""
    trainer = new_trainer(settings, seed, torch.device(where))
    load_state(state / "state.safetensors", trainer)
    return trainer


with job(snakemake):
    params, where, state = snakemake.params, device(snakemake), Path(snakemake.params.state)
    values = {name: value for name, value in params.settings.items() if name not in ("version", "renders")}
    settings = TrainingSettings(resolution=params.resolution, **values)
    renders = np.load(snakemake.input.renders, mmap_mode="r", allow_pickle=False)
    for trainer in train(settings, renders, state, params.seed, device=where):
        save_image(state / "samples.png", grid(trainer.average, params.truncation))
    average = finished(settings, state, params.seed, where).average
    provenance = {"study": params.study, "seed": params.seed, "kimg": settings.kimg}
    save_generator(snakemake.output.generator, average, provenance, torch.float16)
    save_image(snakemake.output.samples, grid(average, params.truncation))
    shutil.copyfile(state / "metrics.csv", snakemake.output.metrics)
