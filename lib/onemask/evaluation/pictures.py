"""Images and label maps as pictures to look at: a segmenter's view of generated images, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.evaluation.one_shot import Outcome, Task
from onemask.files import atomic
from onemask.segmenters.base import Predictor
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.latents import in_every_layer
from onemask.stylegan2.protocol import FeatureGenerator


@torch.no_grad()
def segment_images(
    generator: FeatureGenerator, segmenter: Predictor, ws: Tensor, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """ws [N, L, w_dim] -> images uint8 [N, size, size, 3] and predicted label maps uint8 [N, H, W], one at a time."""
    images, label_maps = [], []
    for one in tqdm(ws.to(generator.device).split(1), desc="segment", unit="image", mininterval=1):
        image, features = generator.features(one)
        images.append(to_pixels(image, size))
        label_maps.append(segmenter.predict(features).cpu().numpy())
    return np.concatenate(images), np.concatenate(label_maps)


@torch.no_grad()
def task_pictures(
    generator: FeatureGenerator, ws: np.ndarray, task: Task, outcome: Outcome, shown: np.ndarray
) -> dict[str, np.ndarray]:
    """The sample that the task's first segmenter was fitted on, then the test samples at positions `shown`.

    `images` uint8 [n, R, R, 3]; `label_maps` uint8 [n, H, W]: the exemplar's annotation, then what that segmenter
    predicts; `truths` uint8 [n, H, W]: all annotations. A task without exemplars gives no pictures: n = 0.
    """
    size = generator.resolution
    if outcome.label_maps is None:
        nothing = np.zeros((0, size, size), np.uint8)
        return {"images": nothing[..., None].repeat(3, axis=-1), "label_maps": nothing, "truths": nothing}
    samples = [task.groups[outcome.first][0], *task.test[shown]]
    ones = in_every_layer(ws[samples], generator.num_ws).to(generator.device).split(1)
    truths = task.label_maps[samples]
    return {
        "images": np.concatenate([to_pixels(generator.features(one)[0], size) for one in ones]),
        "label_maps": np.concatenate([truths[:1], outcome.label_maps[shown]]),
        "truths": truths,
    }


def sorted_by_label(label_maps: np.ndarray, num_labels: int, each: int) -> list[np.ndarray]:
    """Positions [<= each] per label 1 to num_labels - 1: the maps uint8 [n, H, W] of which it is the largest but the
    background, those with most of it first. A map is in one list at most; of equal labels the first has it."""
    area = np.stack([(label_maps == label).sum(axis=(1, 2)) for label in range(1, num_labels)])
    largest, order = np.where(area.any(axis=0), area.argmax(axis=0), -1), np.argsort(-area, axis=1, kind="stable")
    return [row[largest[row] == label][:each] for label, row in enumerate(order)]


def with_and_without(task: Task, label: int, each: int) -> np.ndarray:
    """Positions in the task's test split: the first `each` that hold `label`, then the first `each` that do not."""
    holds = (task.label_maps[task.test] == label).any((1, 2))
    return np.concatenate([np.flatnonzero(holds)[:each], np.flatnonzero(~holds)[:each]])


def save_pictures(path: str | Path, images: Sequence[np.ndarray], label_maps: Sequence[np.ndarray]) -> None:
    """Write images [n, S, S, 3] with their label maps [n, H, W] as one npz."""
    save_arrays(path, {"images": np.stack(images), "label_maps": np.stack(label_maps)})


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one compressed npz, atomically; equal arrays are equal bytes."""
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)
