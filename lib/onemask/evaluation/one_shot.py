"""The one-shot experiment (Section 7.1, decision 6): each exemplar fitted alone, all scored on the same test images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.data.annotated import AnnotatedSet
from onemask.errors import OnemaskError
from onemask.evaluation.metrics import area_rows
from onemask.seeds import derive_seed
from onemask.segmenters.base import Segmenter
from onemask.stylegan2.protocol import FeatureGenerator

Build = Callable[[int], Segmenter]


def fit_groups(annotated: AnnotatedSet, split: str) -> list[np.ndarray]:
    """The samples of each fit: every exemplar alone, or another split (`supervised`) as a whole."""
    indices = annotated.indices(split)
    alone = split == "exemplars" or split.startswith("rare_exemplars/")
    return [indices[i : i + 1] for i in range(len(indices))] if alone else [indices]


def evaluate_method(
    generator: FeatureGenerator,
    ws: np.ndarray,
    label_maps: np.ndarray,
    build: Build,
    groups: Sequence[np.ndarray],
    test: np.ndarray,
    labels: Sequence[str],
    seed: int,
    *,
    required: Sequence[str] = (),
    keys: Mapping[str, str] | None = None,
    batch: int = 8,
    device: str = "cpu",
) -> pd.DataFrame:
    """Fit one segmenter on each group of samples, score all on the test samples: rows as in evaluation.metrics.

    `ws` float32 [n, w_dim] or [n, num_ws, w_dim], `label_maps` uint8 [n, H, W] (or binary masks); `groups` and `test`
    are indices into them. `build(seed)` makes an unfitted segmenter. `exemplar` and `image` count groups and test
    samples from 0; `keys` are leading columns (study, class, method). A part map that lacks a label is fine: the label
    is then never predicted. A group that lacks a label of `required` (a rare one, to be learnt) is an OnemaskError.
    """
    for number, group in enumerate(groups):
        check_group(label_maps[group], labels, required, number)
    read = Reader(generator, batch, device)
    segmenters = [
        read.fit(build(derive_seed(seed, "exemplar", number)), ws[group], label_maps[group])
        for number, group in enumerate(tqdm(groups, desc="fit", mininterval=1))
    ]
    predicted = read.predict(segmenters, ws[test])
    tables = [area_rows(maps, label_maps[test], labels).assign(exemplar=i) for i, maps in enumerate(predicted)]
    rows = pd.concat(tables, ignore_index=True)
    return rows.assign(**(keys or {}))[[*(keys or {}), "exemplar", *rows.columns.drop("exemplar")]]


def check_group(label_maps: np.ndarray, labels: Sequence[str], required: Sequence[str], number: int) -> None:
    """OnemaskError unless the label maps of exemplar `number` hold every label of `required`."""
    present = set(np.unique(label_maps).tolist())
    if missing := [name for name in required if labels.index(name) not in present]:
        raise OnemaskError(f"exemplar {number}: holds no {missing[0]!r}, the label to be learnt; choose one that does")


@dataclass(frozen=True)
class Reader:
    """Reads a generator's features of latents, `batch` at a time on `device`, for segmenters to fit or to predict."""

    generator: FeatureGenerator
    batch: int = 8
    device: str = "cpu"

    def fit(self, segmenter: Segmenter, ws: np.ndarray, label_maps: np.ndarray) -> Segmenter:
        """The segmenter, fitted on these samples."""
        features = [torch.cat(maps) for maps in zip(*self.features(ws), strict=True)]
        return segmenter.fit(features, torch.from_numpy(label_maps.astype(np.uint8)).to(self.device))

    def predict(self, segmenters: Sequence[Segmenter], ws: np.ndarray) -> np.ndarray:
        """Label maps uint8 [segmenters, n, H, W]; segmenters of one method share each batch's representation."""
        parts = []
        for features in tqdm(self.features(ws), desc="predict", total=-(-len(ws) // self.batch), mininterval=1):
            representation = segmenters[0].represent(features)
            parts.append(torch.stack([segmenter.segment(representation) for segmenter in segmenters]).cpu())
        return torch.cat(parts, dim=1).numpy()

    def features(self, ws: np.ndarray) -> Iterator[list[Tensor]]:
        """Feature maps, batch by batch."""
        for part in latents(ws, self.generator.num_ws).split(self.batch):
            with torch.no_grad():
                yield self.generator.features(part.to(self.device))[1]


def latents(ws: np.ndarray, num_ws: int) -> Tensor:
    """ws as float32 [n, num_ws, w_dim]: a latent [n, w_dim] is the same in every layer."""
    tensor = torch.from_numpy(np.ascontiguousarray(ws, dtype=np.float32))
    return tensor if tensor.ndim == 3 else tensor[:, None].expand(-1, num_ws, -1)
