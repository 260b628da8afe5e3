"""dvc.yaml against the rules that its stages wrap: commands, parameters, dependencies, outputs."""

import re
import shlex
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from conftest import ROOT, planned, run_snakemake

from onemask.codedigest import closure
from onemask.config import load_study

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STUDY = load_study({"study": "demo"})
SHARED = [(ROOT / f"workflow/rules/{name}.smk").read_text() for name in ("common", "variants")]
# Methods of Study, and the keys that they read.
READS = {
    "methods_of": {"methods", "classes"},
    "class_names": {"classes"},
    "downstream_classes": {"downstream", "classes"},
    "control_classes": {"downstream", "classes"},
    "experiments": {"experiments", "clustering_seeds"},
    "rare": {"rare", "clustering_seeds"},
}


@cache
def rule_texts():
    """{rule: (its text, its file)} of all rule files; one that another rule lends its directives has both texts."""
    found, lenders = {}, {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        parts = re.split(r"^(?:use rule (\w+) as (\w+) with|rule (\w+)):$", path.read_text(), flags=re.M)
        for lender, derived, plain, text in zip(*(parts[start::4] for start in (1, 2, 3, 4)), strict=True):
            found[derived or plain] = (text, path)
            lenders |= {derived: lender} if derived else {}
    return {name: (text + found.get(lenders.get(name), ("",))[0], path) for name, (text, path) in found.items()}


@cache
def functions():
    """{name: text} of the functions and constants that rules share, the study's own loading left out."""
    parts = re.split(r"^(?:def (\w+)\(|(\w+) = )", "\n".join(SHARED), flags=re.M)
    return {(a or b): text for a, b, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)}


def study_keys(text, seen=frozenset()):
    """Top-level keys of the study that a rule's text reads, itself or through common.smk's functions."""
    keys = {"seed"} if re.search(r"\bseed\(", text) else set()
    for attribute in re.findall(r"\bSTUDY\.(\w+)", text):
        keys |= READS.get(attribute, {attribute})
    keys |= set(re.findall(r'section\("(\w+)"\)', text))
    keys |= set(re.findall(r"class_of\(\w+\)\.(resolution)", text))  # the study's, where the class states none
    for name in set(re.findall(r"\b(\w+)\b", text)) & set(functions()) - seen:
        keys |= study_keys(functions()[name], seen | {name})
    return keys


@cache
def rules_of(stage):
    """Rules that the stage's targets need and that no earlier stage has run."""
    names = list(STAGES)
    before = names[: names.index(stage)]
    everything = planned_rules([target for name in [*before, stage] for target in targets(name)])
    return everything - (planned_rules([target for name in before for target in targets(name)]) if before else set())


@cache
def _planned(goals):
    with TemporaryDirectory() as empty:
        return set(planned(run_snakemake("--dry-run", "--", *goals, directory=empty).stdout))


def planned_rules(goals):
    return _planned(tuple(goals))


def targets(stage):
    return shlex.split(STAGES[stage]["cmd"].split(" -- ")[1])


def parameters(stage):
    files = {path: keys for entry in STAGES[stage]["params"] for path, keys in entry.items()}
    assert {"config/config.yaml", "config/presets.yaml"} <= set(files)
    return set(files["config/studies/demo.yaml"])


def outputs(stage):
    entries = [*STAGES[stage]["outs"], *STAGES[stage].get("metrics", [])]
    return {path: flags for entry in entries for path, flags in entry.items()}


def covered(path, folders):
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_what_the_wrapped_rules_read(stage):
    keys = set().union(*(study_keys(rule_texts()[rule][0]) for rule in rules_of(stage)))
    assert keys <= parameters(stage)
    assert parameters(stage) <= keys | {"study", "preset", "classes"}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_code_of_the_wrapped_rules(stage):
    needed = {"Snakefile", "workflow/rules/common.smk"}
    for rule in rules_of(stage):
        text, path = rule_texts()[rule]
        needed.add(str(path.relative_to(ROOT)))
        for script in re.findall(r'"\.\./\.\./(scripts/\w+\.py)"', text):
            methods = STUDY.methods.values() if "one_shot.py" in script else []
            modules = [f"onemask.segmenters.{method.module}" for method in methods]
            needed |= {str(file.relative_to(ROOT)) for file in closure(ROOT / script, modules)}
    needed = {path for path in needed if Path(path).name != "__init__.py"}
    assert not {path for path in needed if not covered(path, STAGES[stage]["deps"])}


@pytest.mark.parametrize("stage", STAGES)
def test_targets_are_every_class_and_method_and_lie_in_the_outs(stage):
    published = ["results/table2.tex", "results/table2.csv", "results/metrics.json"]
    places = [*outputs(stage), *published, "paper", "downstream"]
    assert all(covered(target, places) for target in targets(stage))
    if stage == "one_shot":
        wanted = {(name, method) for name in STUDY.class_names for method in STUDY.methods_of(name)}
        assert {tuple(Path(target).with_suffix("").parts[-2:]) for target in targets(stage)} == wanted


def test_outputs_of_earlier_stages_are_dependencies_of_those_that_read_them():
    """By class: the case study's files, which `paper` adds to the same folders, must not start earlier stages again."""
    assert set(outputs("generators")) <= set(STAGES["clustering"]["deps"])
    assert not {place for stage in ("generators", "annotated", "clustering") for place in outputs(stage)} & {
        "resources/generators/demo", "resources/annotated/demo", "results/demo/clustering"
    }
    assert set(outputs("generators")) | set(outputs("clustering")) <= set(STAGES["one_shot"]["deps"])
    assert {f"resources/annotated/demo/{name}.npz" for name in STUDY.class_names} <= set(STAGES["one_shot"]["deps"])
    assert set(outputs("one_shot")) <= set(STAGES["table2"]["deps"])


def test_outs_persist_so_that_neither_deletion_nor_run_cache_gets_before_snakemake():
    assert all(flags == {"persist": True} for stage in STAGES for flags in outputs(stage).values())


def test_every_parameter_stands_in_the_study_file():
    stated = yaml.safe_load((ROOT / "config/studies/demo.yaml").read_text())
    assert {key for stage in STAGES for key in parameters(stage)} <= set(stated)


def test_dvc_is_offline_and_copies():
    config = (ROOT / ".dvc/config").read_text()
    assert "analytics = false" in config and 'type = "reflink,copy"' in config and "remote" not in config
