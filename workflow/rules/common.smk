# The study, names of files, and what rules are given: paths, sub-configurations, seeds, code digests.
import hashlib
import json
import os
import re
from pathlib import Path

from onemask.codedigest import code_digest
from onemask.config import load_study
from onemask.errors import OnemaskError, one_line_errors
from onemask.seeds import derive_seed

REPOSITORY = Path(workflow.basedir)

# Checked by the typed models of onemask.config rather than by snakemake.utils.validate, whose messages take many lines
# and know no near misses; workflow/schemas/study.schema.json is exported from them.
with one_line_errors():
    STUDY = load_study(config, REPOSITORY)

RESULTS = f"results/{STUDY.study}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
GENERATOR = f"resources/generators/{STUDY.study}/{{cls}}.safetensors"
ANNOTATOR = f"resources/annotators/{STUDY.study}/{{cls}}.{{which}}.safetensors"
ANNOTATED = f"resources/annotated/{STUDY.study}/{{cls}}.npz"
# clustering -> module and class whose load() reads it
CLUSTERINGS = {
    "swav": ("onemask.clustering.projection", "FeatureProjection"),
    "kmeans": ("onemask.clustering.kmeans", "KMeansResult"),
}
PUBLISHED = ["table2.tex", "table2.csv", "metrics.json", "comparison.csv", "swav_curves.png", "swav_curves.pdf"]


wildcard_constraints:
    cls="[a-z][a-z0-9_]*",
    method="[a-z][a-z0-9_]*",
    which="first|second",


def repository(path):
    """A file of the repository, relative to the working directory: the same name wherever the repository lies."""
    return os.path.relpath(REPOSITORY / path)


def labels(wildcards):
    return repository(f"config/labels/{wildcards.cls}.yaml")


def configured(kind, entries, name):
    """The study's class or method called `name`; a target that asks for another one is one line."""
    with one_line_errors():
        if name not in entries:
            raise OnemaskError(f"{kind} {name!r} is not in study {STUDY.study}; there are {', '.join(entries)}")
    return entries[name]


def class_of(wildcards):
    return configured("class", STUDY.classes, wildcards.cls)


def method_of(wildcards):
    return configured("method", STUDY.methods, wildcards.method)


def digest(settings):
    """Hex digest of plain values: names a file or a folder by the settings behind it."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def section(name):
    """Params function: a class's resolved section of the configuration, and nothing else of it."""
    return lambda wildcards: getattr(class_of(wildcards), name).model_dump(mode="json")


def seed(*names):
    """Params function: the job's own seed, e.g. from (study seed, class, method)."""
    return lambda wildcards: derive_seed(STUDY.seed, *(name.format(**wildcards) for name in names))


def code(script, *modules):
    """Digest of the code behind a script; `modules` are those that it loads by name."""
    return code_digest(REPOSITORY / "scripts" / script, modules)


def per_class(pattern, **wildcards):
    return expand(pattern, cls=STUDY.class_names, **wildcards)


def per_method(pattern):
    """One file per class and method of the class, in the table's order."""
    return [pattern.format(cls=cls, method=m) for cls in STUDY.class_names for m in STUDY.methods_of(cls)]


def generator_source(wildcards):
    return class_of(wildcards).generator


def annotator_source(wildcards):
    return class_of(wildcards).annotators[wildcards.which]


def annotated_source(wildcards):
    return class_of(wildcards).annotated


def if_trained(source, pattern):
    """Input function: `pattern` where the source says that this workflow makes the file, else nothing."""
    return lambda wildcards: (pattern.format(**wildcards) if source(wildcards).source == "train" else [])


def method_settings(wildcards):
    """What a method is built from: not how it is called in a table."""
    return method_of(wildcards).model_dump(mode="json", exclude={"title", "published"})


def method_module(wildcards):
    return f"onemask.segmenters.{method_of(wildcards).module}"


def method_modules(wildcards):
    """Modules that a one-shot job loads by name: its method's, and its clustering's."""
    loader = clustering_loader(wildcards)
    return [method_module(wildcards), *loader[:1]]


def clustering_loader(wildcards):
    return CLUSTERINGS.get(method_of(wildcards).clustering, ())


def clustering_of(wildcards):
    name = method_of(wildcards).clustering
    return f"{RESULTS}/clustering/{wildcards.cls}/{name}.safetensors" if name else []


def training_state(wildcards):
    """Folder of a training's state: other settings or another seed start afresh, a larger kimg goes on."""
    settings = class_of(wildcards).generator_training.model_dump(mode="json", exclude={"kimg", "snapshot_kimg"})
    identity = [settings, STUDY.resolution, STUDY.seed]
    return f"{RESULTS}/generators/{wildcards.cls}.state.{digest(identity)[:8]}"
