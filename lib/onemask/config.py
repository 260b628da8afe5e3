"""The study configuration: layers merged, checked against the models of onemask.sections, every error one line.

A study is config/studies/<study>.yaml laid over its `base` study's file (if it names one), with config/config.yaml and
the command line on top. Layers merge as JSON merge patches (RFC 7396): mappings merge, null removes a key, anything
else replaces. A class may carry any section of `PER_CLASS` to change it for itself alone.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from onemask.errors import OnemaskError
from onemask.files import read_yaml
from onemask.sections import (
    HEAD_EXTRAS,
    PER_CLASS,
    REAL,
    REFERENCES,
    RELEASED,
    ExperimentSettings,
    HeadSettings,
    MethodSettings,
    Study,
    check_clustering,
)
from onemask.validation import one_line

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = Path(__file__).resolve().parent


def merge(base: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396) of `patch` over `base`; null in a mapping removes the key. Changes no argument."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(base) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def load_study(config: Mapping[str, Any], root: Path = REPOSITORY) -> Study:
    """The study that `config` (config.yaml plus the command line) asks for, checked; OnemaskError is one line."""
    if not isinstance(name := config.get("study"), str):
        raise OnemaskError(f"config: `study` must name a file of config/studies ({', '.join(_studies(root))})")
    layers = [*_study_layers(name, root), {key: value for key, value in config.items() if key != "base"}]
    study: dict[str, Any] = {}
    for layer in layers:
        study = merge(study, layer)
    study = _resolve_classes(merge(_preset(study.get("preset", "paper"), root), study))
    classes = sorted(path.stem for path in (root / "config/labels").glob("*.yaml"))
    _check_known("classes", study["classes"] if isinstance(study.get("classes"), dict) else {}, classes, "class")
    try:
        checked = Study.model_validate(study)
    except ValidationError as error:
        raise OnemaskError(f"config of study {name}: {one_line(error, Study)}") from None
    _check_names(checked, root)
    return checked


def _studies(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "config/studies").glob("*.yaml"))


def _study_layers(name: str, root: Path) -> list[dict[str, Any]]:
    """The study's file behind those of its bases, oldest first."""
    layers: list[dict[str, Any]] = []
    while name is not None:
        if len(layers) > 8 or name not in _studies(root):
            raise OnemaskError(f"config: no study {name!r} in config/studies; there are {', '.join(_studies(root))}")
        layers.insert(0, _read_yaml(root / f"config/studies/{name}.yaml"))
        name = layers[0].pop("base", None)
    return layers


def _read_yaml(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise OnemaskError(f"{path}: must be a mapping of keys to values")
    return content


def _preset(name: Any, root: Path) -> dict[str, Any]:
    presets = _read_yaml(root / "config/presets.yaml")
    if name not in presets:
        raise OnemaskError(f"config: preset {name!r} is not one of {', '.join(presets)}")
    return presets[name]


def _resolve_classes(study: dict[str, Any]) -> dict[str, Any]:
    """Each class gets the study's sections with its own changes laid over them."""
    classes = study.get("classes")
    if not isinstance(classes, dict) or not all(isinstance(entry, dict) for entry in classes.values()):
        return study
    shared = {section: study.get(section, {}) for section in PER_CLASS}
    resolved = {
        name: entry | {section: merge(shared[section], entry.get(section, {})) for section in PER_CLASS}
        for name, entry in classes.items()
    }
    return study | {"classes": resolved}


def _check_names(study: Study, root: Path) -> None:
    """Modules, methods and classes that the configuration names must exist; OnemaskError says which are there."""
    heads, modules = [*HeadSettings.model_fields, *HEAD_EXTRAS], own_settings()
    for name, method in study.methods.items():
        _check_known(f"methods.{name}.module", [method.module], modules, "module of onemask.segmenters")
        known = modules[method.module] or heads
        _check_known(f"methods.{name}.settings", method.settings, known, f"setting of the module {method.module}")
        if method.head and modules[method.module]:
            raise OnemaskError(f"config: methods.{name}.head: the module {method.module} has no head; remove the key")
    for name, entry in study.classes.items():
        _check_known(f"classes.{name}.methods", entry.methods or [], study.methods, "method")
        if entry.real:
            mapped = sorted(path.stem.split(".")[0] for path in (root / "config/datasets").glob(f"*.{name}.yaml"))
            kind = f"data set with a mapping for {name} in config/datasets"
            _check_known(f"classes.{name}.real.data_set", [entry.real.data_set], [*mapped, RELEASED], kind)
    _check_known("tuning.space", study.tuning.space, study.methods, "method")
    for name, space in study.tuning.space.items():
        for key, values in space.items():
            _check_grid(study, f"tuning.space.{name}.{key}", key, values)
    for section in ("rare", "inversion", "speed", "downstream"):
        _check_known(f"{section}.methods", getattr(study, section).methods, study.methods, "method")
    _check_downstream(study)
    _check_known("sdanet.method", [study.sdanet.method] if study.sdanet.method else [], study.methods, "method")
    for name in study.experiments:
        _check_experiment(study, name)


@cache
def own_settings() -> dict[str, list[str]]:
    """The constant SETTINGS of each module of onemask.segmenters; a module without one takes those of a head.

    The modules import torch, so they are read and not imported.
    """
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted((PACKAGE / "segmenters").glob("*.py"))}
    return {name: _settings_of(source) for name, source in sources.items() if "def build(" in source}


@cache
def own_defaults(module: str) -> dict[str, Any]:
    """Defaults of a module's own SETTINGS, as its dataclass states them; empty for a head."""
    names = own_settings()[module]
    tree = ast.parse((PACKAGE / f"segmenters/{module}.py").read_text(encoding="utf-8"))
    fields = (
        node
        for body in tree.body
        if isinstance(body, ast.ClassDef)
        for node in body.body
        if isinstance(node, ast.AnnAssign)
    )
    found = {node.target.id: ast.literal_eval(node.value) for node in fields if node.value and node.target.id in names}
    return {name: found[name] for name in names}


def _settings_of(source: str) -> list[str]:
    assigned = (node for node in ast.parse(source).body if isinstance(node, ast.Assign))
    named = [node.value for node in assigned if getattr(node.targets[0], "id", None) == "SETTINGS"]
    return [name for value in named for name in ast.literal_eval(value)]


def _check_downstream(study: Study) -> None:
    """Table 3's runs need an exemplar each; REAL stands in the place of a method there."""
    settings = study.downstream
    for name in (REAL, *REFERENCES):
        if name in study.methods:
            raise OnemaskError(f"config: methods: {name!r} stands for no method in Table 3; choose another name")
    _check_known("downstream.classes", settings.classes or [], study.classes, "class")
    _check_trainings(study, "downstream", settings.methods, study.downstream_classes)
    for name, control in settings.controls.items():
        where = f"downstream.controls.{name}"
        _check_known(f"{where}.classes", control.classes or [], study.classes, "class")
        _check_known(f"{where}.methods", control.methods, [REAL, *REFERENCES, *study.methods], "method")
        own = study.control_classes(name)
        _check_trainings(study, where, [method for method in control.methods if method in study.methods], own)
        for cls in sorted({*(control.classes or [])} & {*study.downstream_classes} - {*own}):
            raise OnemaskError(
                f"config: {where}.methods: {cls} is no demo world, with renders and an annotator; "
                f"leave it out of {where}.classes, or set `{name}: null`"
            )


def _check_trainings(study: Study, where: str, methods: list[str], classes: list[str]) -> None:
    """Methods that annotate for a downstream training learn from one exemplar, another one in each run."""
    for name in methods:
        if study.methods[name].fit_split != "exemplars":
            raise OnemaskError(f"config: {where}.methods: {name} is not fitted on an exemplar")
    for cls in classes if methods else []:
        if study.downstream.runs > (there := study.classes[cls].annotated_set.exemplars):
            raise OnemaskError(f"config: downstream.runs: {study.downstream.runs}, but {cls} has {there} exemplars")


def _check_experiment(study: Study, name: str) -> None:
    experiment, where = study.experiments[name], f"experiments.{name}"
    classes = experiment.classes if experiment.classes is not None else study.class_names
    _check_known(f"{where}.classes", classes, study.classes, "class")
    _check_known(f"{where}.methods", experiment.methods, study.methods, "method")
    for cls in classes:
        _check_known(f"{where}.methods", experiment.methods, study.methods_of(cls), f"method of {cls}")
        if max(experiment.shots) > (there := study.classes[cls].annotated_set.exemplars):
            raise OnemaskError(f"config: {where}.shots: {max(experiment.shots)}, but {cls} has {there} exemplars")
    for name in experiment.methods:
        _check_changes(study.methods[name], where, name, experiment)
    for key, value in experiment.base.items():
        _check_grid(study, f"{where}.base.{key}", key, [value])
    for key, values in experiment.grid.items():
        _check_grid(study, f"{where}.grid.{key}", key, values)
    smallest = min((study.classes[cls].resolution for cls in classes), default=study.resolution)
    for values in itertools.product(*experiment.grid.values()):
        _check_point(study, where, experiment.base | dict(zip(experiment.grid, values, strict=True)), smallest)


def _check_changes(method: MethodSettings, where: str, name: str, experiment: ExperimentSettings) -> None:
    """A change that a method would not notice is refused: its rows would differ in name alone."""
    changed = [key for key in [*experiment.base, *experiment.grid] if key == "method.head" or key.startswith("heads.")]
    if changed and own_settings()[method.module]:
        raise OnemaskError(f"config: {where}: {changed[0]} means nothing to {name}, which has no head; leave it out")
    if max(experiment.shots) > 1 and method.fit_split != "exemplars":
        raise OnemaskError(f"config: {where}.shots: {name} is fitted on the split {method.fit_split} as a whole")


def _check_point(study: Study, where: str, changes: dict[str, Any], resolution: int) -> None:
    """All changes of a run together must leave clusterings that generators of `resolution` px allow."""
    for name in ("swav", "simclr", "kmeans"):
        patch = reduce(merge, [_nested(key, value) for key, value in changes.items()], {}).get(name)
        if patch is None:
            continue
        try:
            changed = PER_CLASS[name].model_validate(merge(getattr(study, name).model_dump(), patch))
            check_clustering(changed, resolution, name)
        except ValueError as error:
            point = ", ".join(f"{key}={value}" for key, value in changes.items())
            raise OnemaskError(f"config: {where}: {error} (with {point})") from None


def _nested(key: str, value: Any) -> Any:
    """A dotted key with its value as mappings within each other."""
    return reduce(lambda inner, part: {part: inner}, reversed(key.split(".")), value)


def _check_grid(study: Study, where: str, key: str, values: list[Any]) -> None:
    """Every value of a grid must be one that the section would take at the study's resolution."""
    section, *path = key.split(".")
    models = PER_CLASS | {"method": MethodSettings}
    _check_known(where, [section], models, "section")
    if not path:
        raise OnemaskError(f"config: {where}: a section as a whole; name a key of it, as in {section}.<key>")
    own = next(iter(study.methods.values())) if section == "method" else getattr(study, section)
    for value in values:
        try:
            models[section].model_validate(merge(own.model_dump(), _nested(".".join(path), value)))
        except ValidationError as error:
            raise OnemaskError(f"config: {where}: {one_line(error, models[section])}") from None


def _check_known(where: str, names: Any, known: Any, kind: str) -> None:
    for name in names:
        if name not in known:
            raise OnemaskError(f"config: {where}: {name!r} is no {kind}; there are {', '.join(known)}")


def json_schema() -> dict[str, Any]:
    """JSON schema of a resolved study: workflow/schemas/study.schema.json, for editors; a test keeps it equal."""
    return Study.model_json_schema()
