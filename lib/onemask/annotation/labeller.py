"""A labeller: a segmenter fitted on one annotated image, with the clustering and the labels that it needs.

On disk a folder: segmenter.safetensors, clustering.safetensors where the method has one, and labels.yaml, which is
written last: where it is, the labeller is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from onemask.clustering.kinds import CLUSTERINGS
from onemask.clustering.kmeans import KMeansSettings, fit_kmeans
from onemask.clustering.samples import draw_samples
from onemask.clustering.simclr import SimCLRSettings, train_simclr
from onemask.clustering.swav import SwAVSettings, train_swav
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, read_yaml, write_text
from onemask.labels import LabelSet, read_labels
from onemask.progress import steps
from onemask.seeds import derive_seed
from onemask.segmenters.base import (
    Features,
    Predictor,
    build_settings,
    load_clustering,
    load_segmenter,
    method_builder,
    save_segmenter,
)
from onemask.stylegan2.protocol import FeatureGenerator

SEGMENTER, CLUSTERING, LABELS = "segmenter.safetensors", "clustering.safetensors", "labels.yaml"
NO_UNCERTAINTY = "this method states no uncertainty: leave --most-certain out, or choose another --method"


@dataclass(frozen=True)
class Labeller:
    """`segmenter` predicts label maps of `labels` from a generator's features."""

    segmenter: Predictor
    labels: LabelSet


@dataclass(frozen=True)
class Layered:
    """Several predictors as one: where more than one finds a label, the surest has the pixel, of equals the first.

    `offsets` are added to a predictor's labels, so that each has values of its own.
    """

    predictors: Sequence[Predictor]
    offsets: Sequence[int]

    def predict(self, features: Features) -> Tensor:
        """Label maps uint8 [N, H, W]."""
        merged, surest = None, None
        for predictor, offset in zip(self.predictors, self.offsets, strict=True):
            found, probability = confident(predictor, features)
            probability = torch.where(found > 0, probability, 0.0)
            if merged is None:
                merged, surest = torch.where(found > 0, found + offset, found), probability
                continue
            surer = probability > surest
            merged, surest = torch.where(surer, found + offset, merged), torch.where(surer, probability, surest)
        return merged

    def uncertainty(self, features: Features) -> Tensor:
        """The largest of the predictors' uncertainties, per image [N]; OnemaskError where one states none."""
        return torch.stack([uncertainty_of(predictor, features) for predictor in self.predictors]).amax(dim=0)


def confident(predictor: Predictor, features: Features) -> tuple[Tensor, Tensor]:
    """Label maps uint8 [N, H, W] and the labels' probabilities; 1 where the predictor states none."""
    if hasattr(predictor, "confident"):
        return predictor.confident(features)
    found = predictor.predict(features)
    return found, torch.ones(found.shape, device=found.device)


def labelled(predictor: Predictor, features: Features) -> tuple[Tensor, Tensor | None]:
    """Label maps uint8 [N, H, W] and uncertainties [N], None where the predictor states none."""
    if hasattr(predictor, "with_uncertainty"):
        return predictor.with_uncertainty(features)
    return predictor.predict(features), uncertainty_of(predictor, features) if states_uncertainty(predictor) else None


def states_uncertainty(predictor: Predictor) -> bool:
    """Whether it can say how certain it is of an image."""
    parts = predictor.predictors if isinstance(predictor, Layered) else [predictor]
    return all(hasattr(part, "uncertainty") for part in parts)


def uncertainty_of(predictor: Predictor, features: Features) -> Tensor:
    """Per image [N]; OnemaskError where the predictor states none."""
    if not states_uncertainty(predictor):
        raise OnemaskError(NO_UNCERTAINTY)
    return predictor.uncertainty(features)


def layered(labellers: Sequence[Labeller]) -> Labeller:
    """One labeller of all labels of several, on the same generator; OnemaskError for a label that two of them have."""
    if len(labellers) == 1:
        return labellers[0]
    names, colours, offsets = ["background"], [labellers[0].labels.colours[0]], []
    for labeller in labellers:
        for values, known in ((labeller.labels.names[1:], names), (labeller.labels.colours[1:], colours)):
            if twice := [value for value in values if value in known]:
                raise OnemaskError(f"--labeller: two of them have the label or colour {twice[0]!r}; change one")
        offsets.append(len(names) - 1)
        names += labeller.labels.names[1:]
        colours += labeller.labels.colours[1:]
    predictors = [labeller.segmenter for labeller in labellers]
    return Labeller(Layered(predictors, offsets), LabelSet(tuple(names), tuple(colours), {}))


def fit_labeller(
    folder: str | Path,
    generator: FeatureGenerator,
    ws: Tensor,
    label_maps: np.ndarray,
    labels: LabelSet,
    method: Mapping[str, Any],
    sections: Mapping[str, Mapping[str, Any]],
    truncation: float,
    seed: int,
) -> Labeller:
    """Cluster the generator's features as the method wants, fit it on the images, and keep all of it in `folder`.

    ws [n, num_ws, w_dim] are the annotated images, one in the paper, label_maps uint8 [n, H, W]; `method` is an entry
    of a study's methods, `sections` its sections swav, simclr, kmeans, samples and heads, all as plain values. A
    clustering that `folder` holds already is taken as it is.
    """
    folder = Path(folder)
    name, clustering = method["clustering"], None
    if name:
        if not (folder / CLUSTERING).is_file():
            fit_clustering(folder / CLUSTERING, generator, name, sections[name], truncation, seed)
        clustering = load_clustering(folder / CLUSTERING, CLUSTERINGS[name], generator.device)
    build = method_builder(method, sections["heads"], len(labels), clustering)
    segmenter = build(derive_seed(seed, "segmenter"))
    segmenter.fit(features_of(generator, ws), torch.from_numpy(label_maps).to(generator.device))
    settings = build_settings(method, sections["heads"])
    save_segmenter(folder / SEGMENTER, segmenter, method["module"], settings, len(labels))
    content = {
        "labels": dict(zip(labels.names, labels.colours, strict=True)),
        "clustering": name,
        "generator": generator.fingerprint(),
    }
    write_text(folder / LABELS, yaml.safe_dump(content, sort_keys=False))
    return Labeller(segmenter, labels)


@torch.no_grad()
def features_of(generator: FeatureGenerator, ws: Tensor) -> list[Tensor]:
    """Feature maps [n, C_l, h_l, w_l] of ws [n, num_ws, w_dim], image by image: nothing else of an image is kept."""
    each = []
    for index in steps(len(ws), "features", shown=False):
        each.append(generator.features(ws[index : index + 1].to(generator.device))[1])
    return [torch.cat(maps) for maps in zip(*each, strict=True)]


def fit_clustering(
    path: Path, generator: FeatureGenerator, name: str, section: Mapping[str, Any], truncation: float, seed: int
) -> None:
    """One of CLUSTERINGS of the generator's features under a study's section, kept at `path`."""
    own = derive_seed(seed, name)
    if name == "swav":
        result = train_swav(generator, SwAVSettings.from_section(section, truncation), own)
        result.projection.save(path, result.prototypes)
    elif name == "simclr":
        train_simclr(generator, SimCLRSettings.from_section(section, truncation), own).projection.save(path)
    elif name == "kmeans":
        fit_kmeans(generator, KMeansSettings(truncation=truncation, **section), own).save(path)
    else:
        draw_samples(generator, **section, truncation=truncation, seed=own).save(path)


def load_labeller(folder: str | Path, generator: FeatureGenerator) -> Labeller:
    """What `fit_labeller` kept; OnemaskError for a folder that is none, or that was fitted on another generator."""
    folder = Path(folder)
    if not (folder / SEGMENTER).is_file() or not (folder / LABELS).is_file():
        raise OnemaskError(f"{folder}: no labeller; `onemask annotate --label-map ...` leaves one in OUT/labeller")
    labels = read_labels(folder / LABELS)
    fingerprint, loader = read_yaml(
        folder / LABELS,
        "a labeller's labels",
        lambda content: (content["generator"], CLUSTERINGS[content["clustering"]] if content["clustering"] else ()),
    )
    if fingerprint != generator.fingerprint():
        raise OnemaskError(f"{folder}: was fitted on another generator, of other weights")
    clustering = load_clustering(folder / CLUSTERING, loader, generator.device)
    num_labels = read_safetensors(folder / SEGMENTER)[1].get("num_labels")
    if num_labels != len(labels):
        raise OnemaskError(f"{folder}: its segmenter has {num_labels} labels, {LABELS} lists {len(labels)}")
    return Labeller(load_segmenter(folder / SEGMENTER, clustering, generator.device), labels)
