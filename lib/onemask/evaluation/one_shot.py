"""The one-shot experiment (Section 7.1, decision 6): each exemplar fitted alone, all scored on the same test images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.data.annotated import AnnotatedSet
from onemask.errors import OnemaskError
from onemask.evaluation.metrics import BACKGROUND, COLUMNS, KEYS, area_rows
from onemask.seeds import derive_seed
from onemask.segmenters.base import Segmenter
from onemask.stylegan2.latents import in_every_layer
from onemask.stylegan2.protocol import FeatureGenerator, enlarged_bytes, images_at_once

Build = Callable[[int], Segmenter]
MOST_HELD = 32 << 30  # bytes at full size of the maps of all its samples that a fit of a head holds at once

FAILURE_COLUMNS = [*KEYS, "exemplar", "reason"]


@dataclass(frozen=True)
class Task:
    """What is to be learnt: label maps uint8 [n, H, W] of all samples, their labels, and the samples of each fit."""

    label_maps: np.ndarray
    labels: tuple[str, ...]
    groups: list[np.ndarray]
    test: np.ndarray
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Rows as in evaluation.metrics, and a row of FAILURE_COLUMNS for each exemplar that no segmenter came of.

    `label_maps` uint8 [n, H, W] are what the first of the segmenters, that of the group `first`, predicts on the test
    samples; None for a task without exemplars or test samples.
    """

    rows: pd.DataFrame
    failures: pd.DataFrame
    first: int = 0
    label_maps: np.ndarray | None = None


def part_task(
    annotated: AnnotatedSet, labels: Sequence[str], split: str, shots: int = 1, limit: int | None = None
) -> Task:
    """The part labels, fitted on `split` (see fit_groups), scored on the split `test`."""
    groups = fit_groups(annotated, split, shots)[:limit]
    return Task(annotated.label_maps, tuple(labels), groups, annotated.indices("test"))


def rare_task(annotated: AnnotatedSet, label: str, limit: int | None = None) -> Task:
    """A rare label against everything else, fitted on each of its own exemplars (decision 7)."""
    groups = fit_groups(annotated, f"rare_exemplars/{label}")[:limit]
    masks = annotated.rare[label].astype(np.uint8)
    return Task(masks, (BACKGROUND, label), groups, annotated.indices(f"rare_test/{label}"), required=(label,))


def item_exemplars(annotated: AnnotatedSet, items: Sequence[str], number: int = 0) -> dict[str, int]:
    """Of each rare label its exemplar `number`; a label that has none is left out, which the log says."""
    exemplars = {}
    for item in items:
        groups = rare_task(annotated, item).groups
        if number < len(groups):
            (exemplars[item],) = groups[number]
        else:  # the generator draws the item too seldom
            print(f"{item}: no exemplar {number}, no segmenter", file=sys.stderr)
    return exemplars


def fit_groups(annotated: AnnotatedSet, split: str, shots: int = 1) -> list[np.ndarray]:
    """The samples of each fit: exemplar i and the shots - 1 after it, cyclically; or another split as a whole.

    An empty split makes no fit.
    """
    indices = annotated.indices(split)
    if split != "exemplars" and not split.startswith("rare_exemplars/"):
        return [indices] if len(indices) else []
    if shots > len(indices):
        raise OnemaskError(f"annotated set: {shots} shots are asked for, the split {split} has {len(indices)} samples")
    return [np.roll(indices, -i)[:shots] for i in range(len(indices))]


def evaluate_method(
    generator: FeatureGenerator,
    ws: np.ndarray,
    task: Task,
    build: Build,
    seed: int,
    *,
    keys: Mapping[str, str],
    batch: int = 8,
) -> Outcome:
    """Fit one segmenter on each group of the task's samples and score all on its test samples.

    `ws` float32 [n, w_dim] or [n, num_ws, w_dim]. `build(seed)` makes an unfitted segmenter. `exemplar` and `image`
    count groups and test samples from 0; `keys` are the columns study, class and method. A part map that lacks a label
    is fine: the label is then never predicted. An exemplar that lacks a required label, or on which the method fails
    with an OnemaskError, has no rows and is listed among the failures; OnemaskError if none is left. A task without
    exemplars or test samples (a rare label that the generator never draws) has no rows.
    """
    if not task.groups or not len(task.test):
        return Outcome(pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=FAILURE_COLUMNS))
    read = Reader(generator, batch)
    segmenters, failures = {}, []
    for number, group in enumerate(tqdm(task.groups, desc="fit", mininterval=1)):
        try:
            check_group(task, group)
            segmenter = build(derive_seed(seed, "exemplar", number))
            segmenters[number] = read.fit(segmenter, ws[group], task.label_maps[group])
        except OnemaskError as error:
            failures.append({**keys, "exemplar": number, "reason": str(error)})
    if not segmenters:
        reason = failures[0]["reason"]
        raise OnemaskError(f"{keys['class']}, {keys['method']}: no exemplar could be fitted; the first: {reason}")
    predicted = read.predict(list(segmenters.values()), ws[task.test])
    true = task.label_maps[task.test]
    tables = [
        area_rows(maps, true, task.labels).assign(exemplar=number)
        for number, maps in zip(segmenters, predicted, strict=True)
    ]
    rows = pd.concat(tables, ignore_index=True).assign(**keys)
    failed = pd.DataFrame(failures, columns=FAILURE_COLUMNS)
    return Outcome(rows[COLUMNS], failed, next(iter(segmenters)), predicted[0])


def check_failures(outcome: Outcome, allowed: bool) -> None:
    """OnemaskError naming the first failure, unless the study allows that exemplars fail. The log lists all."""
    for failure in outcome.failures.to_dict("records"):
        print("failed: {class}, {method}, exemplar {exemplar}: {reason}".format(**failure), file=sys.stderr)
    if len(outcome.failures) and not allowed:
        first = outcome.failures.iloc[0]
        raise OnemaskError(
            f"{first['class']}, {first['method']}: {len(outcome.failures)} exemplars failed, exemplar"
            f" {first['exemplar']}: {first['reason']}; `allow_failures: true` goes on without them"
        )


def check_group(task: Task, group: np.ndarray) -> None:
    """OnemaskError unless the label maps of a group hold every label that the task requires."""
    present = set(np.unique(task.label_maps[group]).tolist())
    if missing := [name for name in task.required if task.labels.index(name) not in present]:
        raise OnemaskError(f"holds no {missing[0]!r}, the label to be learnt; choose an exemplar that does")


@dataclass(frozen=True)
class Reader:
    """Reads a generator's features of latents, at most `batch` at a time, for segmenters to fit or to predict."""

    generator: FeatureGenerator
    batch: int = 8

    @property
    def images(self) -> int:
        """How many at a time."""
        return images_at_once(self.generator, self.batch)

    def fit(self, segmenter: Segmenter, ws: np.ndarray, label_maps: np.ndarray) -> Segmenter:
        """The segmenter, fitted on these samples.

        Of more than it could hold, a head that is fitted in minibatches has the maps made anew as these are drawn.
        """
        if len(ws) * enlarged_bytes(self.generator) > MOST_HELD and getattr(segmenter, "in_minibatches", False):
            made = _Made(self, ws)
            features = [_MadeMap(made, number, maps) for number, maps in enumerate(made.take(slice(1)))]
        else:
            features = [torch.cat(maps) for maps in zip(*self.features(ws), strict=True)]
        return segmenter.fit(features, torch.from_numpy(label_maps.astype(np.uint8)).to(self.generator.device))

    def predict(self, segmenters: Sequence[Segmenter], ws: np.ndarray) -> np.ndarray:
        """Label maps uint8 [segmenters, n, H, W]; segmenters of one method share each batch's representation."""
        parts = []
        for features in tqdm(self.features(ws), desc="predict", total=-(-len(ws) // self.images), mininterval=1):
            representation = segmenters[0].represent(features)
            parts.append(torch.stack([segmenter.segment(representation) for segmenter in segmenters]).cpu())
        return torch.cat(parts, dim=1).numpy()

    def features(self, ws: np.ndarray) -> Iterator[list[Tensor]]:
        """Feature maps, batch by batch."""
        for part in in_every_layer(ws, self.generator.num_ws).split(self.images):
            with torch.no_grad():
                yield self.generator.features(part.to(self.generator.device))[1]


class _Made:
    """Feature maps of latents, made when they are asked for; the last ones asked for stay."""

    def __init__(self, reader: Reader, ws: np.ndarray) -> None:
        self.reader, self.ws = reader, ws
        self.chosen: list[int] = []
        self.maps: list[Tensor] = []

    def take(self, indices: Tensor | slice) -> list[Tensor]:
        chosen = torch.arange(len(self.ws))[indices].tolist()
        if chosen != self.chosen:
            self.maps = []  # before others are made
            self.maps = [torch.cat(maps) for maps in zip(*self.reader.features(self.ws[chosen]), strict=True)]
            self.chosen = chosen
        return self.maps


class _MadeMap:
    """One of these maps [n, C, h, w], as far as fitting a head looks at it; `example` is that of one image."""

    def __init__(self, made: _Made, number: int, example: Tensor) -> None:
        self.made, self.number = made, number
        self.shape, self.device = torch.Size([len(made.ws), *example.shape[1:]]), example.device

    def __len__(self) -> int:
        return len(self.made.ws)

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        return self.made.take(indices)[self.number]

    def detach(self) -> _MadeMap:
        return self  # maps are made without a graph
