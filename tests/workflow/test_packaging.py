"""Versions and files of the repository that must agree with each other."""

import ast
import re
import tomllib
from importlib.metadata import distributions

import pytest
import yaml
from conftest import ROOT, run_snakemake

CONDA_NAMES = {"matplotlib": "matplotlib-base", "snakemake": "snakemake-minimal"}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints(part=0):
    """Pins of the direct dependencies (part 0), or of what those need in turn (part 1)."""
    lines = (ROOT / "constraints.txt").read_text().split("# What these need in turn")[part].splitlines()[part:]
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pin) == 2 and "+" not in pin[1] for pin in pins), "exact versions, without local suffixes"
    return {canonical(name): version for name, version in pins}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {canonical(re.split(r"[<>=\[ ]", requirement)[0]) for requirement in requirements}


def test_every_direct_dependency_is_pinned_exactly():
    extras = project()["optional-dependencies"]
    pinned = [names(extras[extra]) for extra in ("browser", "dev", "oracle", "remotes", "score")]
    needed = names(project()["dependencies"]).union(*pinned)
    assert needed == set(constraints())


def test_what_is_installed_is_what_is_pinned():
    installed = {canonical(item.name): item.version.split("+")[0] for item in distributions() if item.name}
    pins = constraints() | constraints(1)
    assert not {
        name: (version, installed[name]) for name, version in pins.items() if installed.get(name, version) != version
    }


def test_conda_pins_equal_pips():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = dict(entry.split("=") for entry in dependencies if isinstance(entry, str) and "=" in entry)
    [pip] = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    torch = dict(entry.split("==") for entry in pip if "==" in entry)
    python = conda.pop("python")
    assert project()["requires-python"] == f">={python}"
    expected = {name: constraints()[name] for name in names(project()["dependencies"])}
    assert {**conda, **torch} == {CONDA_NAMES.get(name, name): version for name, version in expected.items()}


def test_the_container_copies_files_that_there_are_and_installs_the_pins():
    recipe = (ROOT / "apptainer.def").read_text()
    lines = re.search(r"^%files\n(.*?)\n\n", recipe, re.M | re.S)[1].splitlines()
    pairs = [line.split() for line in lines]
    assert all(len(pair) == 2 and (ROOT / pair[0]).exists() for pair in pairs)
    assert all(pair[1] == f"/opt/onemask/{pair[0]}" for pair in pairs)
    assert "-c /opt/onemask/constraints.txt torch -e '/opt/onemask[" in recipe


def test_every_dependency_has_a_reason():
    reasons = (ROOT / "docs/dependencies.md").read_text()
    extras = project()["optional-dependencies"]
    for name in names(project()["dependencies"]) | {n for extra in extras.values() for n in names(extra)}:
        assert re.search(rf"\b{name.replace('-', '[-_]')}\b", reasons), name


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project()["version"]
    assert citation["license"] == project()["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_ci_runs_the_tests_and_make_sets_up():
    assert "make lint test" in (ROOT / ".ci/run").read_text()
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    assert re.search(r"^test: \$\(STAMP\)$", (ROOT / "Makefile").read_text(), re.M)


def profile(name):
    return yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text())


def test_profiles_name_rules_that_there_are_and_agree_in_what_is_no_resource():
    rules = {
        name
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(r"^(?:rule|use rule \w+ as) (\w+)", path.read_text(), re.M)
    }
    own = {"resources", "set-resources", "set-threads", "default-resources"}
    own |= {"executor", "jobs", "latency-wait", "retries"}  # a cluster's
    for name in ("default", "gpu", "slurm"):
        assert {entry.split(":")[0] for entry in profile(name).get("set-resources", [])} <= rules
        assert {entry.split("=")[0] for entry in profile(name).get("set-threads", [])} <= rules
        assert {k: v for k, v in profile(name).items() if k not in own} == {
            k: v for k, v in profile("default").items() if k not in own
        }
        assert any(entry.startswith("mem_mb=") for entry in profile(name)["resources"])


def rules_and_scripts():
    """Script of each rule; a rule made by `use rule` has its parent's, unless it names its own."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    starts = r"^(?:rule (\w+)|use rule (\w+) as (\w+) with):$"
    own, parents = {}, {}
    for head, block in zip(re.finditer(starts, text, re.M), re.split(starts, text, flags=re.M)[4::4], strict=True):
        name = head[1] or head[3]
        parents[name] = head[2]
        own[name] = re.search(r'"../../scripts/(\w+\.py)"', block)
    scripts = {}
    for name in own:
        source = name
        while source and not own[source]:
            source = parents[source]
        scripts[name] = source and own[source][1]
    return scripts


def test_the_gpu_profile_names_every_rule_whose_script_takes_one():
    takes_one = {"device", "read_class", "read_method"}  # of onemask.jobs and of onemask.evaluation.inputs

    def on_a_device(script):
        tree = ast.parse((ROOT / "scripts" / script).read_text())
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        return any(alias.name in takes_one for node in imports for alias in node.names)

    expected = {name for name, script in rules_and_scripts().items() if script and on_a_device(script)}
    assert {entry.split(":")[0] for entry in profile("gpu")["set-resources"]} == expected


@pytest.mark.extended  # needs the extra `slurm`
def test_on_a_cluster_s_gpus_both_profiles_are_heard(tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    profiles = ("--profile", str(ROOT / "profiles/gpu"), "--workflow-profile", str(ROOT / "profiles/slurm"))
    target = "results/demo/clustering/face/swav.safetensors"
    plan = run_snakemake("--dry-run", *profiles, target, directory=tmp_path).stdout
    asked = dict(re.findall(r"rule (\w+):(?s:.*?)resources: (.*)", plan))
    assert {"runtime=120", "gpu=1"} <= set(asked["train_swav"].split(", "))
    assert "runtime=120" in asked["fetch_generator"] and "gpu" not in asked["fetch_generator"]


def test_a_profile_in_place_of_the_default_keeps_its_resources(tmp_path):
    """The script of a rule that the profile gives a GPU sees it."""
    plan = run_snakemake(
        "--dry-run", "--workflow-profile", str(ROOT / "profiles/gpu"), "results/demo/clustering/face/swav.safetensors",
        directory=tmp_path,
    ).stdout  # fmt: skip
    assert re.search(r"rule train_swav:(?s:.*?)resources: .*gpu=1", plan)
