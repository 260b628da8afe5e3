"""Configuration of the study real_faces (config/real_faces/study.yaml), typed like the others' (onemask.sections)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from onemask.data.polygons import PolygonAnnotation, rasterise, read_polygons
from onemask.errors import OnemaskError
from onemask.files import read_yaml
from onemask.labels import LabelSet
from onemask.sections import (
    HeadSettings,
    KMeansSettings,
    MethodSettings,
    Natural,
    Positive,
    SamplesSettings,
    Section,
    Sha256,
    Share,
    SimCLRSettings,
    SwAVSettings,
)
from onemask.validation import one_line


class Wheel(Section):
    """A pinned wheel of PyPI, `name==version`, and its tags where it is made for one Python on one platform."""

    requirement: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9._]+$")]
    sha256: Sha256
    python: str | None = None
    platform: str | None = None


class OneShot(HeadSettings):
    """The one-shot method: a module of onemask.segmenters on the clustering, its head, and the head's optimisation."""

    module: str
    head: Literal["mlp1", "mlp3", "fcn3", "fcn5", "fcn7", "fcn9"]


class Figure(Section):
    """Looks of the figure; changing them draws it again and does nothing else."""

    columns: Positive = 6
    tile: Positive = 160
    opacity: Share = 0.55


class Measured(Section):
    """Methods of the demo on `faces` unseen faces, seeds from `first` on, against landmarks of the wheel's network."""

    wheel: Wheel
    first: Natural
    faces: Positive = 200
    methods: Annotated[list[str], Field(min_length=1)]
    settings: dict[str, dict[str, Any]] = Field({}, description="of a method, over the demo's")
    note: str = Field("", description="a sentence of the table's caption")
    shown: str = Field(description="the method of fig_real_faces")
    columns: Positive = 8
    cases: dict[str, list[Natural]] = Field({}, description="title -> seeds of fig_real_faces, chosen by eye")

    @model_validator(mode="after")
    def _names_what_is_measured(self) -> Measured:
        for name in (self.shown, *self.settings):
            if name not in self.methods:
                raise ValueError(f"shown, settings: {name!r} is not among `methods`")
        for title, seeds in self.cases.items():
            if len(seeds) > self.columns or not set(seeds) <= set(self.seeds):
                raise ValueError(f"cases: {title}: at most {self.columns} of the seeds {self.first} and following")
        return self

    @property
    def seeds(self) -> range:
        """Of the faces that are measured."""
        return range(self.first, self.first + self.faces)

    def chosen(self, methods: Mapping[str, MethodSettings]) -> dict[str, MethodSettings]:
        """The measured ones of a study's methods; OnemaskError for one that is unknown or wants several samples."""
        known = {name: method for name, method in methods.items() if method.fit_split == "exemplars"}
        if unknown := [name for name in self.methods if name not in known]:
            raise OnemaskError(f"real_faces: measured.methods: {unknown[0]!r} is not one of {', '.join(known)}")
        settings = {name: known[name].settings | self.settings.get(name, {}) for name in self.methods}
        return {name: known[name].model_copy(update={"settings": settings[name]}) for name in self.methods}


class RealFaces(Section):
    """The whole study. `unseen` are the seeds of the faces to segment in the figure."""

    seed: Natural
    labels: str
    annotation: str
    wheel: Wheel
    resolution: Literal[64, 128, 256, 512]
    truncation: Annotated[float, Field(gt=0, le=1)]
    swav: SwAVSettings
    method: OneShot
    unseen: Annotated[list[Natural], Field(min_length=1)]
    simclr: SimCLRSettings = SimCLRSettings()
    kmeans: KMeansSettings = KMeansSettings()
    samples: SamplesSettings = SamplesSettings()
    heads: HeadSettings = HeadSettings()
    measured: Measured
    figure: Figure = Figure()


def load_real_faces(path: str | Path) -> RealFaces:
    """The study's file, checked; OnemaskError is one line with the first problem's key."""
    try:
        return RealFaces.model_validate(read_yaml(path))
    except ValidationError as error:
        raise OnemaskError(f"{path}: {one_line(error, RealFaces)}") from None


def read_exemplar(path: str | Path, labels: LabelSet, size: int) -> tuple[PolygonAnnotation, np.ndarray]:
    """The annotated face's polygons and their label map uint8 [size, size]; OnemaskError where a label is missing."""
    annotation = read_polygons(path, labels)
    label_map = rasterise(annotation, labels, size)
    require_every_label(path, label_map, labels.names)
    return annotation, label_map


def require_every_label(path: str | Path, label_map: np.ndarray, names: Sequence[str]) -> None:
    """OnemaskError unless the exemplar drawn in `path` holds each label that is to be learnt."""
    present = set(np.unique(label_map).tolist())
    if missing := [name for index, name in enumerate(names) if index not in present]:
        raise OnemaskError(f"{path}: holds no {missing[0]!r}, a label to be learnt; draw it, or choose another face")
