"""What is measured beside the one-shot table: trials, sweeps, checks, downstream trainings, looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, model_validator

from onemask.sections.base import Name, Natural, Positive, PositiveFloat, Section


def _untext(value: Any) -> Any:
    """Text as YAML reads it: Snakemake's command line hands over values within mappings as text."""
    if isinstance(value, Mapping):
        return {key: _untext(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_untext(inner) for inner in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


Grid = Annotated[dict[str, list[Any]], BeforeValidator(_untext)]


class TuningSettings(Section):
    """Trials on the tuning split: as many for every method, drawn from the method's own grid of values."""

    trials: Positive = 8
    exemplars: Positive = 4
    space: dict[str, Grid] = {}


class ExperimentSettings(Section):
    """One-shot runs beside Table 2's: every point of `grid` for every class, method, number of shots and replicate.

    Keys of `base` and `grid` are dotted, as in tuning.space; `method.head` is the method's head. A replicate is another
    seed of the clustering, 0 the study's own; unless stated there are the study's `clustering_seeds` of them, and one
    of a method without a clustering. Run i of n shots is fitted on the exemplars i, i + 1, ... i + n - 1.
    """

    classes: list[Name] | None = None
    methods: list[Name]
    exemplars: Positive = 5
    shots: list[Positive] = [1]
    replicates: list[Natural] | None = None
    base: Annotated[dict[str, Any], BeforeValidator(_untext)] = {}
    grid: Grid = {}


class RareSettings(Section):
    """Table 4: binary segmenters of the rare labels, each fitted on one of the label's own exemplars.

    The table shows the study's own clustering; `replicates`, other seeds of it, count for the claims alone. Unless
    stated they are those of the study's `clustering_seeds`.
    """

    methods: list[Name] = []
    exemplars: Positive = 5
    replicates: list[Positive] | None = None


class InvertedSettings(Section):
    """Renders with exact masks, inverted into W+: a check on the annotator's labels."""

    methods: list[Name] = []
    exemplars: Positive = 5
    renders: Positive = 48
    keep: Positive = 24
    steps: Positive = 300
    min_psnr: float = 0.0


class SpeedSettings(Section):
    """Table 5: inference, one image at a time."""

    methods: list[Name] = []
    images: Positive = 30


class ControlSettings(Section):
    """A control of Table 3: its trainings with one thing changed, to tell what synthetic images' effect is made of.

    `methods` may name `real` and, in a method's place, two references: `renders`, further renders with exact masks,
    and `annotator`, generated images with the labels of the annotator that made the annotated set. `real` images are
    the first of Table 3's.
    """

    classes: list[Name] | None = None
    methods: list[Name]
    ratio: Positive | None = Field(None, description="synthetic images per real one; null: the largest of `ratios`")
    real: Positive | None = Field(None, description="annotated real images to train on; null: as in Table 3")
    steps: Positive | None = Field(None, description="of the optimiser; null: as in Table 3")


class DownstreamSettings(Section):
    """Table 3: DeepLabV3 trained on real images, alone and with synthetic ones that a one-shot method annotated.

    Run i has exemplar i, clustering seed i, other samples and another initialisation. Every condition takes the same
    `steps`; the weights that are best on the validation split are scored on the test split.
    """

    classes: list[Name] | None = None
    methods: list[Name] = []
    ratios: list[Positive] = Field([1, 2, 5], min_length=1, description="synthetic images per real one")
    runs: Positive = 3
    real: Positive = Field(80, description="annotated real images to train on")
    validation: Positive = 40
    test: Positive = 200
    backbone: Literal["light", "resnet50", "resnet101"] = "light"
    steps: Positive = 300
    batch: int = Field(8, ge=2, description="batch norm needs two")
    learning_rate: PositiveFloat = 0.001
    weight_decay: float = Field(1e-4, ge=0)
    evaluate_every: Positive = 50
    controls: dict[Name, ControlSettings] = Field({}, description="`snakemake results/table_controls.tex` trains them")

    @model_validator(mode="after")
    def _images_suffice(self) -> DownstreamSettings:
        if self.batch > self.real:
            raise ValueError(f"batch: {self.batch} is more than the {self.real} real images")
        for name, control in self.controls.items():
            if not self.batch <= (control.real or self.real) <= self.real:
                allowed = f"{self.batch} (batch) to {self.real} (real)"
                raise ValueError(f"controls.{name}.real: {control.real} is not {allowed}; or set `controls: null`")
            if (control.ratio or 1) > max(self.ratios):
                raise ValueError(f"controls.{name}.ratio: {control.ratio} is more than the largest of `ratios`")
        return self


class SDANetSettings(Section):
    """Section 8.2: SDANet trained on annotated scans, alone and with generated ones that `method` annotated.

    Runs are as in DownstreamSettings; `warm_up` and `evaluate_every` are steps.
    """

    method: str | None = Field(None, description="annotates the generated scans; null: no such test")
    ratios: list[Positive] = Field([1, 5, 10], min_length=1, description="synthetic scans per real one")
    runs: Positive = 3
    real: Positive = 40
    validation: Positive = 60
    test: Positive = 200
    body: Literal["light", "resnet101"] = "light"
    steps: Positive = 600
    batch: Positive = 4
    learning_rate: PositiveFloat = 0.02
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    warm_up: Natural = 50
    evaluate_every: Positive = 100

    @model_validator(mode="after")
    def _scans_suffice(self) -> SDANetSettings:
        if self.batch > self.real:
            raise ValueError(f"batch: {self.batch} is more than the {self.real} real scans")
        return self


class TableSettings(Section):
    """Looks of Table 2: changing them re-runs the table alone."""

    metrics: list[Literal["wiou", "wiou_fg", "miou", "fg_iou"]] = ["wiou", "wiou_fg", "miou", "fg_iou"]
    decimals: Natural = 1
    spread: bool = True
