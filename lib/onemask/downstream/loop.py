"""The loop of both downstream trainings: a fixed number of steps, the best weights by a validation split, resumable.

Every condition takes the same steps of the same size, so that more images mean more variety and not more training. The
batch of a step and the network's own randomness come from torch's default generator, seeded from (seed, step): neither
an interruption nor the number of loading processes changes a bit of the weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.seeds import derive_seed

Device = torch.device | str


@dataclass
class Training:
    """A network in training: the best weights so far and a row (step, loss, scores) per validation."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    identity: str = ""  # of everything that the training depends on
    best: dict[str, Tensor] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    step: int = 0


@dataclass(frozen=True)
class Plan:
    """What a training does: `rate` is a step's learning rate, `metric` the score by which the best weights are chosen.

    `draw()` makes a batch from torch's default generator, in `workers` processes beside this one; `loss_of(batch)` is a
    scalar with a gradient; `validate()` returns scores. `section` of the configuration is named in errors.
    """

    section: str
    steps: int
    evaluate_every: int
    metric: str
    rate: Callable[[int], float]
    draw: Callable[[], Any]
    loss_of: Callable[[Any], Tensor]
    validate: Callable[[], dict[str, float]]
    workers: int = 0


class Batches(Dataset):
    """The batch of each step."""

    def __init__(self, draw: Callable[[], Any], seed: int) -> None:
        self.draw, self.seed = draw, seed

    def __getitem__(self, step: int) -> Any:
        torch.manual_seed(derive_seed(self.seed, "batch", step))
        return self.draw()


def train(run: Training, plan: Plan, seed: int, state: Path | None = None) -> list[dict[str, float]]:
    """Train; the network ends with its best weights. Returns the curve.

    With `state`, a safetensors file, a training of the same identity goes on from its last validation. OnemaskError
    names seed and step where the loss, a weight or a statistic is not finite, the state is then kept, and a validation
    split without a score.
    """
    if state and state.is_file():
        load_state(state, run)
    losses: list[float] = []
    steps = range(run.step, plan.steps)
    fork = "fork" if plan.workers else None  # `draw` is a closure over the data: shared with children, not pickled
    batches = DataLoader(
        Batches(plan.draw, seed),
        batch_size=None,
        sampler=steps,
        num_workers=plan.workers,
        multiprocessing_context=fork,
    )
    for batch in tqdm(batches, total=plan.steps, initial=run.step, desc="train", unit="step", mininterval=1):
        losses.append(_step(run, plan, batch, seed))
        if run.step % plan.evaluate_every == 0 or run.step == plan.steps:
            _check_finite(list(run.network.state_dict().values()), run.step, plan, seed)
            scores = plan.validate()
            if not math.isfinite(scores[plan.metric]):
                raise OnemaskError(f"{plan.section}: no {plan.metric} on the validation split; give it more images")
            run.curve.append({"step": run.step, "loss": float(np.mean(losses)), **scores})
            if scores[plan.metric] >= max(row[plan.metric] for row in run.curve):
                run.best = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
            losses = []
            if state:
                save_state(state, run)
    run.network.load_state_dict(run.best)
    return run.curve


def mixed_precision(device: Device) -> torch.autocast:
    """bfloat16 where its range needs no scaling of the loss and its products are fast: on a GPU."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")


def identity(network: nn.Module, arrays: Iterable[np.ndarray], options: object, seed: int, code: str) -> str:
    """Hex digest of the initial weights, the data, the options, the seed and the code's own digest."""
    digest = hashlib.sha256(f"{options} {seed} {code}".encode())
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # not a copy: scans are gigabytes
    return digest.hexdigest()


def _step(run: Training, plan: Plan, batch: Any, seed: int) -> float:
    """One step on a batch; returns the loss."""
    torch.manual_seed(derive_seed(seed, "step", run.step))
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate(run.step)
    run.network.train()
    run.optimiser.zero_grad(set_to_none=True)
    loss = plan.loss_of(batch)
    _check_finite([loss], run.step, plan, seed)
    loss.backward()
    run.optimiser.step()
    run.step += 1
    return float(loss.detach())


def _check_finite(tensors: Sequence[Tensor], step: int, plan: Plan, seed: int) -> None:
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        where = f"{plan.section}: not finite at step {step} of seed {seed}"
        raise OnemaskError(f"{where}; lower {plan.section}.learning_rate")


def save_state(path: Path, run: Training) -> None:
    """Write weights, best weights, the optimiser's moments and the curve as one safetensors file."""
    tensors = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.items()}
    for name, parameter in run.network.named_parameters():
        moments = run.optimiser.state.get(parameter, {})
        tensors |= {f"optimiser.{name}.{key}": value for key, value in moments.items() if value is not None}
    write_safetensors(path, tensors, {"identity": run.identity, "step": run.step, "curve": run.curve})


def load_state(path: Path, run: Training) -> None:
    """Restore what `save_state` wrote; the state of another training is left alone."""
    tensors, counters = read_safetensors(path)
    if counters.get("identity") != run.identity:
        return
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
    for name, tensor in tensors.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    run.network.load_state_dict(parts["network"])
    parameters = dict(run.network.named_parameters())
    for key, value in parts["optimiser"].items():
        name, moment = key.rsplit(".", 1)
        if moment != "step":  # Adam counts on the CPU; a moment lies in memory as its parameter does
            value = torch.empty_like(parameters[name]).copy_(value)
        run.optimiser.state[parameters[name]][moment] = value
    run.best, run.step, run.curve = parts["best"], counters["step"], counters["curve"]
