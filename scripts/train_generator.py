"""Train one class's generator on its renders; resumes from the state folder, and writes what the zoo ships.

Weights are written in half precision: annotated sets and clusterings are made on exactly the file that is promoted.
"""

import shutil
from pathlib import Path

import torch

from onemask.files import save_image, sha256
from onemask.jobs import device, job
from onemask.stylegan2.checkpoint import save_generator
from onemask.training.loop import load_state, new_trainer
from onemask.training.run import Run, sample_grid
from onemask.training.settings import TrainingSettings

OTHERS = ("version", "renders", "processes", "start_from")

with job(snakemake):
    params, state = snakemake.params, Path(snakemake.params.state)
    values = {name: value for name, value in params.settings.items() if name not in OTHERS}
    settings = {"resolution": params.resolution, **values}
    where, processes, start = device(snakemake), params.settings["processes"], snakemake.input.start or None
    if start:  # a training that starts from another state is another one
        state = state.with_name(f"{state.name}.{sha256(start)[:8]}")
    Run(settings, snakemake.input.renders, str(state), params.seed, params.truncation, where, processes, start).start()
    # The last snapshot, whether this job or one before it got there.
    trainer = new_trainer(TrainingSettings(**settings), params.seed, torch.device(where))
    load_state(state / "state.safetensors", trainer)
    provenance = {"study": params.study, "seed": params.seed, "kimg": settings["kimg"]}
    save_generator(snakemake.output.generator, trainer.average, provenance, torch.float16)
    save_image(snakemake.output.samples, sample_grid(trainer.average, params.truncation))
    shutil.copyfile(state / "metrics.csv", snakemake.output.metrics)
    shutil.copytree(state / "milestones", snakemake.output.milestones)
