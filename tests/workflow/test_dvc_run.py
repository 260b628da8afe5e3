"""DVC for real, on a copy of the workflow whose scripts only say what they were given: a few minutes, so extended."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, planned, run_snakemake

TARGETS = ["results/table2.tex", "results/table2.csv", "results/metrics.json"]
# Outputs depend on params and inputs, so that a changed value changes them; csv and json are as DVC reads them.
STUB = r"""
import hashlib, json
from pathlib import Path
params = {name: str(value) for name, value in snakemake.params.items() if name != "code"}
files = [each for path in map(Path, snakemake.input) for each in (sorted(path.iterdir()) if path.is_dir() else [path])]
given = json.dumps(params, sort_keys=True).encode() + b"".join(path.read_bytes() for path in files)
with open(".snakemake/made.txt", "a") as made:
    made.writelines(f"{path}\n" for path in snakemake.output)
value = int(hashlib.sha256(given).hexdigest()[:6], 16)
for path in snakemake.output:
    text = str(value)
    if Path(path).suffix[1:].isdigit() or not Path(path).suffix:  # folders: pidray/<class>, milestones, <method>.<run>
        Path(path).mkdir(parents=True, exist_ok=True)
        path = f"{path}/content.txt"
    if path.endswith(".json"):
        text = json.dumps({"face": {"hfc_swav_fcn": {"wiou": value}}})
    elif path.endswith(".csv"):
        text = f"step,loss,row,wiou_fg_mean\n0,{value},face,{value}\n"
    Path(path).write_text(text)
"""
pytestmark = pytest.mark.extended


def run(folder, *command):
    paths = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)


def dvc(folder, *arguments):
    done = run(folder, sys.executable, "-m", "dvc", *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def commit(folder, message):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["add", "-A"], [*who, "commit", "--allow-empty", "-qm", message]):
        assert run(folder, "git", *command).returncode == 0


def set_temperature(folder, value):
    path = folder / "config/config.yaml"
    path.write_text(f"study: demo\nswav: {{temperature: {value}}}\n")


def made(folder):
    """What the stubs have written so far, a path per output."""
    return (folder / ".snakemake/made.txt").read_text().splitlines()


def check_made(paths):
    """SwAV and what reads it: Snakemake finds nothing else to do in a stage that DVC starts."""
    assert any(path.endswith("clustering/face/swav.safetensors") for path in paths)
    assert not [path for path in paths if path.startswith("resources/") or "/kmeans" in path or "datasetgan" in path]


def stubbed(root):
    """A repository of its own in `root`: the workflow with scripts that only say what they were given."""
    for name in run(ROOT, "git", "ls-files").stdout.split():
        if not name.startswith(("tests/", "docs/")) and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    (root / "dvc.lock").unlink(missing_ok=True)
    for script in (root / "scripts").glob("*.py"):
        script.write_text(STUB)
    assert run(root, "git", "init", "-q").returncode == 0
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = stubbed(tmp_path_factory.mktemp("dvc"))
    set_temperature(root, 0.1)
    commit(root, "copy")
    dvc(root, "repro", "--quiet")
    commit(root, "first")
    return root


def test_repro_runs_every_stage_and_a_second_one_nothing(folder):
    assert all((folder / target).is_file() for target in TARGETS)
    assert "Running stage" not in dvc(folder, "repro")
    assert "up to date" in dvc(folder, "status")


def test_dvc_answers_what_changed(folder):
    set_temperature(folder, 0.25)
    assert "swav" in dvc(folder, "params", "diff")
    before = len(made(folder))
    ran = dvc(folder, "repro")
    assert "Running stage 'annotated'" in ran and "Running stage 'table2'" in ran
    check_made(made(folder)[before:])
    assert "wiou" in dvc(folder, "metrics", "show")
    [changed] = json.loads(dvc(folder, "metrics", "diff", "--json")).values()
    assert changed["face.hfc_swav_fcn.wiou"]["diff"]
    assert {"SwAV's loss", "weighted IoU"} <= set(json.loads(dvc(folder, "plots", "diff", "--json"))["data"])


def test_an_experiment_overrides_a_key_and_runs_what_depends_on_it(folder):
    set_temperature(folder, 0.1)
    dvc(folder, "repro", "--quiet")
    commit(folder, "before the experiment")
    before = len(made(folder))
    ran = dvc(folder, "exp", "run", "-S", "config/config.yaml:+swav.dim=64", "table2")
    assert "dim: 64" in (folder / "config/config.yaml").read_text()
    assert "Running stage 'clustering'" in ran
    check_made(made(folder)[before:])
    assert "swav.dim" in dvc(folder, "exp", "show", "--csv")


def test_after_a_b_a_snakemake_agrees_that_nothing_is_to_be_done(folder):
    """DVC's run cache may put older results back: Snakemake must still find them its own."""
    set_temperature(folder, 0.1)
    dvc(folder, "repro")
    done = run_snakemake("--dry-run", *TARGETS, root=folder)
    assert planned(done.stdout) == {}, done.stdout[-2000:]
