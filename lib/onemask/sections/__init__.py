"""The sections of a study's configuration, one model each: names, types, bounds and defaults.

Every key belongs to one section, so that a rule takes the sections that it uses and no others. Models whose
settings a module with torch defines too (training, annotator) repeat its names and defaults; a test holds them equal.
"""

from onemask.sections.base import REAL, REFERENCES, RELEASED, Natural, Positive, Section, Sha256, Share
from onemask.sections.data import AnnotatedSetSettings, AnnotatorSettings, GeneratorTrainingSettings
from onemask.sections.experiments import ExperimentSettings
from onemask.sections.methods import (
    HEAD_EXTRAS,
    HeadSettings,
    KMeansSettings,
    MethodSettings,
    SamplesSettings,
    SimCLRSettings,
    SwAVSettings,
    check_clustering,
)
from onemask.sections.study import PER_CLASS, ClassSettings, Study

__all__ = [
    "AnnotatedSetSettings",
    "AnnotatorSettings",
    "ClassSettings",
    "ExperimentSettings",
    "GeneratorTrainingSettings",
    "HEAD_EXTRAS",
    "HeadSettings",
    "KMeansSettings",
    "MethodSettings",
    "Natural",
    "PER_CLASS",
    "Positive",
    "REAL",
    "REFERENCES",
    "RELEASED",
    "SamplesSettings",
    "Section",
    "Sha256",
    "Share",
    "SimCLRSettings",
    "Study",
    "SwAVSettings",
    "check_clustering",
]
