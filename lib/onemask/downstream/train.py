"""Training a semantic segmentation network, the best of it chosen on a validation split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.downstream.loop import Device, Plan, Training, identity, mixed_precision, train
from onemask.downstream.pairs import Pairs
from onemask.downstream.vision import transforms, tv_tensors
from onemask.evaluation.metrics import METRICS, area_rows, image_scores
from onemask.stylegan2.images import from_pixels

KEYS = {"study": "", "class": "", "method": "", "exemplar": 0}  # that image_scores groups by


@dataclass(frozen=True)
class TrainingOptions:
    """Adam with a learning rate that falls to zero as a half cosine; `evaluate_every` steps between validations."""

    steps: int = 300
    batch: int = 8
    learning_rate: float = 0.001
    weight_decay: float = 1e-4
    evaluate_every: int = 50


def train_segmenter(
    network: nn.Module,
    training: Pairs,
    validation: Pairs,
    labels: Sequence[str],
    options: TrainingOptions,
    seed: int,
    state: Path | None = None,
    device: Device = "cpu",
    workers: int = 0,
    code: str = "",
) -> list[dict[str, float]]:
    """Train a network whose output is {"out": logits}; it ends with the weights that were best on `validation`.

    Returns the curve: rows of step, loss and METRICS. `state` and `workers`: see onemask.downstream.loop; a state
    of another `code` is not gone on with.
    """
    network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    arrays = [array for pairs in (training, validation) for array in (pairs.images, pairs.label_maps)]

    def draw() -> tuple[Tensor, Tensor]:
        chosen = torch.randperm(len(training))[: options.batch].numpy()
        return augmented(training.images[chosen], training.label_maps[chosen])

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        images, label_maps = (part.to(device) for part in batch)
        with mixed_precision(device):
            return F.cross_entropy(network(scaled(images))["out"], label_maps)

    plan = Plan(
        section="downstream",
        steps=options.steps,
        evaluate_every=options.evaluate_every,
        metric="wiou",
        rate=lambda step: options.learning_rate * (1 + math.cos(math.pi * step / options.steps)) / 2,
        draw=draw,
        loss_of=loss_of,
        validate=lambda: mean_scores(predict(network, validation.images, device), validation, labels),
        workers=workers,
    )
    return train(Training(network, optimiser, identity(network, arrays, options, seed, code)), plan, seed, state)


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
    return from_pixels(images).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def predict(network: nn.Module, images: np.ndarray, device: Device = "cpu", batch: int = 16) -> np.ndarray:
    """Label maps uint8 [n, H, W] of images uint8 [n, 3, H, W]."""
    network.eval()
    parts = (scaled(torch.from_numpy(images[i : i + batch]).to(device)) for i in range(0, len(images), batch))
    return np.concatenate([network(part)["out"].argmax(dim=1).to(torch.uint8).cpu().numpy() for part in parts])


def mean_scores(predicted: np.ndarray, pairs: Pairs, labels: Sequence[str]) -> dict[str, float]:
    """METRICS as means over images."""
    scores = image_scores(area_rows(predicted, pairs.label_maps, labels).assign(**KEYS))
    return {metric: float(scores[metric].mean()) for metric in METRICS}
