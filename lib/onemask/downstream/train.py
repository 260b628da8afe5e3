"""Training a segmentation network for a fixed number of steps, the best of it chosen on a validation split.

Every condition takes the same steps of the same size, so that more images mean more variety and not more training. All
randomness of a step comes from torch's default generator, seeded from (seed, step): an interrupted training goes on and
gives the weights of an undisturbed one.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from onemask.downstream.pairs import Pairs
from onemask.downstream.vision import transforms, tv_tensors
from onemask.errors import OnemaskError
from onemask.evaluation.metrics import METRICS, area_rows, image_scores
from onemask.files import read_safetensors, write_safetensors
from onemask.seeds import derive_seed

KEYS = {"study": "", "class": "", "method": "", "exemplar": 0}  # that image_scores groups by


@dataclass(frozen=True)
class TrainingOptions:
    """Adam with a learning rate that falls to zero as a half cosine; `evaluate_every` steps between validations."""

    steps: int = 300
    batch: int = 8
    learning_rate: float = 0.001
    weight_decay: float = 1e-4
    evaluate_every: int = 50
    metric: str = "wiou"  # by which the best weights are chosen


@dataclass
class Training:
    """A network in training: the best weights so far and a row (step, loss, and METRICS) per validation."""

    network: nn.Module
    optimiser: torch.optim.Adam
    identity: str = ""  # of everything that the training depends on
    best: dict[str, Tensor] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    step: int = 0


def train_segmenter(
    network: nn.Module,
    training: Pairs,
    validation: Pairs,
    labels: Sequence[str],
    options: TrainingOptions,
    seed: int,
    state: Path | None = None,
    device: torch.device | str = "cpu",
) -> list[dict[str, float]]:
    """Train a network whose output is {"out": logits}; it ends with the weights that were best on `validation`.

    Returns the curve. With `state`, a safetensors file, a training of the same data, options and seed goes on from its
    last validation. OnemaskError names seed and step where the loss or a weight is not finite; the state is then kept.
    """
    network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    run = Training(network, optimiser, identity(network, training, validation, options, seed))
    if state and state.is_file():
        load_state(state, run)
    losses: list[float] = []
    with tqdm(total=options.steps, initial=run.step, desc="train", unit="step", mininterval=1) as bar:
        while run.step < options.steps:
            losses.append(train_step(run, training, options, seed, device))
            bar.update()
            if run.step % options.evaluate_every == 0 or run.step == options.steps:
                check_finite([parameter.detach() for parameter in network.parameters()], run.step, seed)
                scores = mean_scores(predict(network, validation.images, device), validation, labels)
                run.curve.append({"step": run.step, "loss": float(np.mean(losses)), **scores})
                if scores[options.metric] >= max(row[options.metric] for row in run.curve):
                    run.best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
                losses = []
                if state:
                    save_state(state, run)
    network.load_state_dict(run.best)
    return run.curve


def train_step(
    run: Training, pairs: Pairs, options: TrainingOptions, seed: int, device: torch.device | str = "cpu"
) -> float:
    """One step on a random batch; returns the loss."""
    torch.manual_seed(derive_seed(seed, "step", run.step))
    chosen = torch.randperm(len(pairs))[: options.batch].numpy()
    images, label_maps = augmented(pairs.images[chosen], pairs.label_maps[chosen])
    for group in run.optimiser.param_groups:
        group["lr"] = options.learning_rate * (1 + math.cos(math.pi * run.step / options.steps)) / 2
    run.network.train()
    run.optimiser.zero_grad(set_to_none=True)
    logits = run.network(scaled(images.to(device)))["out"]
    loss = F.cross_entropy(logits, label_maps.to(device))
    check_finite([loss], run.step, seed)
    loss.backward()
    run.optimiser.step()
    run.step += 1
    return float(loss.detach())


def check_finite(tensors: Sequence[Tensor], step: int, seed: int) -> None:
    """OnemaskError unless all values are finite."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise OnemaskError(f"downstream: not finite at step {step} of seed {seed}; lower downstream.learning_rate")


def identity(network: nn.Module, training: Pairs, validation: Pairs, options: TrainingOptions, seed: int) -> str:
    """Hex digest of the initial weights, the data, the options and the seed."""
    digest = hashlib.sha256(f"{options} {seed}".encode())
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    for pairs in (training, validation):
        digest.update(pairs.images.tobytes() + pairs.label_maps.tobytes())
    return digest.hexdigest()


def augmented(images: np.ndarray, label_maps: np.ndarray) -> tuple[Tensor, Tensor]:
    """Each image with its label map mirrored, cropped and recoloured at random: uint8 [n, 3, H, W], int64 [n, H, W]."""
    change = _transform(images.shape[-1])
    changed = [
        change(tv_tensors.Image(torch.from_numpy(image)), tv_tensors.Mask(torch.from_numpy(label_map)))
        for image, label_map in zip(images, label_maps, strict=True)
    ]
    return torch.stack([image for image, _ in changed]), torch.stack([mask for _, mask in changed]).long()


def _transform(size: int) -> transforms.Transform:
    return transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomResizedCrop(size, scale=(0.6, 1.0), ratio=(0.9, 1.1), antialias=True),
            transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03),
        ]
    )


def scaled(images: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] as float in [-1, 1], channels last."""
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def predict(network: nn.Module, images: np.ndarray, device: torch.device | str = "cpu", batch: int = 16) -> np.ndarray:
    """Label maps uint8 [n, H, W] of images uint8 [n, 3, H, W]."""
    network.eval()
    parts = [scaled(torch.from_numpy(images[i : i + batch]).to(device)) for i in range(0, len(images), batch)]
    return np.concatenate([network(part)["out"].argmax(dim=1).to(torch.uint8).cpu().numpy() for part in parts])


def mean_scores(predicted: np.ndarray, pairs: Pairs, labels: Sequence[str]) -> dict[str, float]:
    """METRICS as means over images."""
    scores = image_scores(area_rows(predicted, pairs.label_maps, labels).assign(**KEYS))
    return {metric: float(scores[metric].mean()) for metric in METRICS}


def save_state(path: Path, run: Training) -> None:
    """Write weights, best weights, Adam's moments and the curve as one safetensors file."""
    tensors = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.items()}
    for name, parameter in run.network.named_parameters():
        tensors |= {f"optimiser.{name}.{key}": value for key, value in run.optimiser.state[parameter].items()}
    write_safetensors(path, tensors, {"identity": run.identity, "step": run.step, "curve": run.curve})


def load_state(path: Path, run: Training) -> None:
    """Restore what `save_state` wrote; the state of another training is left alone."""
    tensors, counters = read_safetensors(path)
    if counters.get("identity") != run.identity:
        return
    parts: dict[str, dict[str, Any]] = {"network": {}, "best": {}, "optimiser": {}}
    for name, tensor in tensors.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    run.network.load_state_dict(parts["network"])
    for name, parameter in run.network.named_parameters():
        moments = {key: parts["optimiser"][f"{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        run.optimiser.state[parameter] = {
            key: value if key == "step" else value.to(parameter.device) for key, value in moments.items()
        }
    run.best, run.step, run.curve = copy.deepcopy(parts["best"]), counters["step"], counters["curve"]
