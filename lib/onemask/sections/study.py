"""A class and a study: every section together."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from onemask.sections.base import REFERENCES, Name, Natural, Positive, Resolution, Section, Source
from onemask.sections.data import (
    AnnotatedSetSettings,
    AnnotatorSettings,
    GeneratorTrainingSettings,
    LossesSettings,
    RealSettings,
    ScansSettings,
)
from onemask.sections.experiments import (
    DownstreamSettings,
    ExperimentSettings,
    InvertedSettings,
    RareSettings,
    SDANetSettings,
    SpeedSettings,
    TableSettings,
    TuningSettings,
)
from onemask.sections.methods import (
    HeadSettings,
    KMeansSettings,
    MethodSettings,
    SamplesSettings,
    SimCLRSettings,
    SwAVSettings,
    check_clustering,
)


class PerClass(Section):
    """The sections that a study states for all of its classes, and that a class may change for itself alone."""

    generator_training: GeneratorTrainingSettings = GeneratorTrainingSettings()
    annotator: AnnotatorSettings = AnnotatorSettings()
    annotated_set: AnnotatedSetSettings = AnnotatedSetSettings()
    swav: SwAVSettings = SwAVSettings()
    simclr: SimCLRSettings = SimCLRSettings()
    kmeans: KMeansSettings = KMeansSettings()
    samples: SamplesSettings = SamplesSettings()
    heads: HeadSettings = HeadSettings()


PER_CLASS: dict[str, type[Section]] = {name: type(field.default) for name, field in PerClass.model_fields.items()}


class ClassSettings(PerClass):
    """One class: where its files come from, its methods (null: all), and every per-class section, resolved.

    A case study stands beside the others: Table 2 and what belongs to it leave it out. `scans` are its generator's
    training images where these come as PIDRay does.
    """

    generator: Source
    annotators: dict[Literal["first", "second"], Source] = {}
    annotated: Source
    real: RealSettings | None = None
    resolution: Resolution | None = Field(None, description="of its generator; null: the study's")
    methods: list[str] | None = None
    case_study: bool = False
    scans: ScansSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_resolved(cls, values: Any) -> Any:
        """The study's sections, not the package's defaults, stand for what a class leaves out."""
        if isinstance(values, dict) and (missing := [name for name in PER_CLASS if name not in values]):
            raise ValueError(f"{missing[0]}: the study's was not laid below the class")
        return values

    @model_validator(mode="after")
    def _sources_fit(self) -> ClassSettings:
        refused = {"generator": {"real"}, "annotated": {"checkpoint"}, "annotators": {"real", "checkpoint"}}
        sources = [("generator", self.generator), ("annotated", self.annotated)]
        for name, source in [*sources, *(("annotators", source) for source in self.annotators.values())]:
            if source.source in refused[name]:
                raise ValueError(f"{name}: source {source.source} is not for this file")
        real = self.annotated.source == "real"
        if real != (self.real is not None):
            raise ValueError("real: belongs to `annotated: {source: real}`, and the other way round")
        if self.annotated.source in ("zoo", "train") and len(self.annotators) != 2:
            raise ValueError("annotators: state `first` and `second`; their agreement measures annotator noise")
        return self


class Study(PerClass):
    """A whole study; see the module's docstring for how its layers merge."""

    study: Name
    version: Positive
    seed: Natural
    preset: Literal["paper", "release"] = "paper"
    truncation: Annotated[float, Field(gt=0, le=1)]
    resolution: Resolution
    methods: dict[Name, MethodSettings]
    classes: dict[Name, ClassSettings]
    tuning: TuningSettings = TuningSettings()
    experiments: dict[Name, ExperimentSettings] = {}
    rare: RareSettings = RareSettings()
    inversion: InvertedSettings = InvertedSettings()
    speed: SpeedSettings = SpeedSettings()
    losses: LossesSettings = LossesSettings()
    downstream: DownstreamSettings = DownstreamSettings()
    sdanet: SDANetSettings = SDANetSettings()
    accepted_licences: list[str] = Field([], description="of checkpoints and data that are fetched")
    clustering_seeds: Positive = Field(1, description="of the experiments and rare labels that state no `replicates`")
    allow_failures: bool = Field(False, description="go on where a method fails on an exemplar; tables say so")
    table: TableSettings = TableSettings()

    @cached_property
    def class_names(self) -> list[str]:
        """The classes of Table 2."""
        return [name for name, entry in self.classes.items() if not entry.case_study]

    @property
    def downstream_classes(self) -> list[str]:
        """The classes of Table 3."""
        return self.class_names if self.downstream.classes is None else self.downstream.classes

    def control_classes(self, control: str) -> list[str]:
        """Those of Table 3's classes that a control of it trains on: REFERENCES need a demo world and its annotator."""
        asked = self.downstream.controls[control]
        classes = [cls for cls in self.downstream_classes if asked.classes is None or cls in asked.classes]
        rendered = [cls for cls in classes if self.classes[cls].annotators and not self.classes[cls].real]
        return rendered if set(REFERENCES) & set(asked.methods) else classes

    def methods_of(self, class_name: str) -> list[str]:
        """Names of the methods that a class runs, in the table's order."""
        chosen = self.classes[class_name].methods
        return [name for name in self.methods if chosen is None or name in chosen]

    @model_validator(mode="after")
    def _everything_is_stated(self) -> Study:
        """What a class or an experiment leaves to the study."""
        seeds = list(range(self.clustering_seeds))
        experiments = {
            name: entry if entry.replicates is not None else entry.model_copy(update={"replicates": seeds})
            for name, entry in self.experiments.items()
        }
        rare = self.rare if self.rare.replicates is not None else self.rare.model_copy(update={"replicates": seeds[1:]})
        classes = {
            name: entry if entry.resolution else entry.model_copy(update={"resolution": self.resolution})
            for name, entry in self.classes.items()
        }
        return self.model_copy(update={"experiments": experiments, "rare": rare, "classes": classes})

    @model_validator(mode="after")
    def _clusterings_fit_the_generators(self) -> Study:
        for name, entry in self.classes.items():
            for section in ("swav", "simclr", "kmeans"):
                check_clustering(getattr(entry, section), entry.resolution, f"classes.{name}.{section}")
        return self
