"""What the workflow plans: rules, errors before any job, and what a change runs again.

Re-runs are planned on a copy of the workflow whose scripts only touch their outputs: Snakemake's own records are real.
"""

import os
import shutil

import pytest
from conftest import ROOT, planned, run_snakemake

from onemask.config import load_study
from onemask.real_faces import load_real_faces

DEMO, TEST = load_study({"study": "demo"}), load_study({"study": "test"})
CLASSES = len(DEMO.class_names)
METHODS = len(DEMO.methods)
ON_SWAV, ON_KMEANS = (sum(m.clustering == name for m in DEMO.methods.values()) for name in ("swav", "kmeans"))
CLUSTERINGS = dict.fromkeys(("train_swav", "train_simclr", "fit_kmeans", "sample_features"), CLASSES)
TABLE = {"table2": 1, "publish": 3}
TARGETS = ["results/table2.tex", "results/table2.csv", "results/metrics.json"]
FIGURE = "results/fig14a.pdf"
SWEEP = DEMO.experiments["fig14a"]
STRENGTHS = SWEEP.grid["swav.perturbation.strength"]
REDRAWN = {"gather_experiment": 1, "fig14a": 1, "publish": 1}
SEEDS = len(SWEEP.classes) * len(SWEEP.replicates)
NEW_POINT = {"vary_swav": SEEDS, "run_experiment": SEEDS, **REDRAWN}
STUB = """
from pathlib import Path
for path in snakemake.output:
    Path(path).write_text(path)
"""


def dry_run(*arguments, **where):
    return run_snakemake("--dry-run", *TARGETS, *arguments, **where)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the workflow, its demo run to the end by stubs."""
    root = tmp_path_factory.mktemp("workflow")
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "Snakefile", root)
    (root / "scripts").mkdir()
    for script in (ROOT / "scripts").glob("*.py"):
        (root / "scripts" / script.name).write_text(STUB)
    run = run_snakemake("--cores", "2", *TARGETS, FIGURE, root=root)
    assert run.returncode == 0, run.stdout[-3000:]
    return root


def test_lint_finds_nothing_but_missing_conda_environments():
    """One environment serves all rules: environment.yml, or `make`, before Snakemake starts."""
    lints = {line.strip() for line in run_snakemake("--lint").stdout.splitlines() if line.startswith("    * ")}
    assert lints == {"* Specify a conda environment or container for each rule.:"}


def test_preflight_lists_what_is_missing_and_counts_hours(tmp_path):
    finished = run_snakemake("--cores", "1", "preflight", "--config", "study=paper", directory=tmp_path)
    assert finished.returncode == 0, finished.stdout[-2000:]
    assert "| missing | what to do |" in finished.stdout and "| stage | jobs | GPU hours | counted |" in finished.stdout
    assert "baggage: PIDRay" in finished.stdout and "together" in finished.stdout


def test_real_faces_are_measured_by_every_method_of_theirs(tmp_path):
    targets = ("results/table_real_faces.tex", "results/fig_real_faces.png")
    jobs = planned(run_snakemake("--dry-run", *targets, directory=tmp_path).stdout)
    measured = load_real_faces(ROOT / "config/real_faces/study.yaml").measured
    one_each = ("fetch", "fetch_face_mesh", "generator", "landmarks", "swav")
    assert {name: count for name, count in jobs.items() if name not in ("publish", "all")} == {
        **{f"real_faces_{name}": 1 for name in one_each},
        "real_faces_cluster": 3,
        "real_faces_measure": len(measured.methods),
        "table_real_faces": 1,
        "fig_real_faces": 1,
    }


def test_demo_fetches_and_runs_every_method_on_every_class(tmp_path):
    jobs = planned(dry_run(directory=tmp_path).stdout)
    assert jobs == {
        "fetch_generator": CLASSES,
        "fetch_annotated_set": CLASSES,
        "annotator_report": CLASSES,
        **CLUSTERINGS,
        "one_shot": METHODS * CLASSES,
        "table2": 1,
        "publish": 3,
    }


@pytest.mark.parametrize("choice", ["--config study=test", f"--configfile {ROOT}/config/studies/test.yaml"])
def test_the_test_study_trains_everything(tmp_path, choice):
    jobs = planned(dry_run(*choice.split(), directory=tmp_path).stdout)
    assert jobs["train_generator"] == jobs["make_annotated_set"] == len(TEST.class_names)
    assert jobs["train_annotator"] == 2 * len(TEST.class_names)
    assert jobs["one_shot"] == sum(len(TEST.methods_of(name)) for name in TEST.class_names)


def test_the_paper_s_study_is_planned_as_a_whole_without_any_of_its_files(tmp_path):
    finished = run_snakemake("--dry-run", "paper", "downstream", "--config", "study=paper", directory=tmp_path)
    jobs = planned(finished.stdout)
    assert finished.returncode == 0 and jobs["fetch_checkpoint"] == jobs["convert_generator"] == CLASSES
    assert jobs["make_real_set"] == CLASSES + 1 and jobs["real_pairs"] == CLASSES - 1, "cats have too few real images"
    assert jobs["train_downstream"] == 3 * 39 and jobs["train_sdanet"] == 12
    assert not {"train_annotator", "render_pairs", "invert_renders", "simulate_pidray", "render_dataset"} & set(jobs)


def test_a_generator_of_one_s_own_and_a_folder_of_images_are_a_study(tmp_path):
    (tmp_path / "resources/own").mkdir(parents=True)
    (tmp_path / "resources/own/network.pkl").touch()
    jobs = planned(dry_run("--config", "study=own", directory=tmp_path).stdout)
    assert jobs["convert_generator"] == jobs["make_real_set"] == jobs["train_swav"] == 1
    assert jobs["one_shot"] == len(DEMO.methods) and "train_annotator" not in jobs


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("swav={temprature: 0.2}", "config of study demo: swav.temprature: unknown key; did you mean 'temperature'?"),
        ("swav={temperature: hot}", "config of study demo: swav.temperature: Input should be a valid number"),
        ("study=none", "config: no study 'none' in config/studies; there are demo"),
        ("classes={dog: {}}", "config: classes: 'dog' is no class; there are baggage, car, cat, face, horse"),
        ("methods={x: {module: y, title: z}}", "config: methods.x.module: 'y' is no module of onemask.segmenters"),
    ],
)
def test_a_bad_configuration_is_one_line_before_any_job(tmp_path, config, message):
    run = run_snakemake("--cores", "1", *TARGETS, "--config", config, directory=tmp_path)
    assert run.returncode == 1
    errors = [line for line in run.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith(f"error: {message}")
    assert "Traceback" not in run.stdout and "rule " not in run.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("file: zoo/none.safetensors", "zoo/none.safetensors: no such file; restore it"),
        (f"file: config/config.yaml, sha256: {'1' * 64}", "config/config.yaml: sha256 is "),
    ],
)
def test_a_missing_or_changed_zoo_file_is_one_line_in_the_output_and_the_log(tmp_path, source, message):
    target = "resources/generators/demo/face.safetensors"
    override = f"classes={{face: {{generator: {{{source}}}}}}}"
    run = run_snakemake("--cores", "1", target, "--config", override, directory=tmp_path)
    assert run.returncode == 1
    log = (tmp_path / "results/demo/logs/fetch_generator/face.log").read_text().strip()
    assert log.startswith("error: ") and message in log and "\n" not in log
    assert log in run.stdout.splitlines() and "Traceback" not in run.stdout
    assert not list((tmp_path / "resources").rglob("*.safetensors*"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("results/demo/one_shot/face/nothing.csv", "method 'nothing' is not in study demo; there are copy_mask, "),
        ("results/demo/one_shot/dog/copy_mask.csv", "class 'dog' is not in study demo; there are face, "),
        ("results/demo/gallery/dog.png", "class 'dog' is not in study demo"),
    ],
)
def test_a_target_of_an_unknown_class_or_method_is_one_line(tmp_path, target, message):
    run = run_snakemake("--dry-run", target, directory=tmp_path)
    errors = [line for line in run.stdout.splitlines() if line.startswith("error: ")]
    assert run.returncode == 1 and errors and errors[-1].startswith(f"error: {message}")
    assert "Traceback" not in run.stdout


def test_a_published_row_that_is_none_is_one_line_before_any_job(tmp_path):
    run = dry_run("--config", "methods={copy_mask: {published: Other/MLP}}", directory=tmp_path)
    assert run.returncode == 1 and "error: methods: published 'Other/MLP' is no row of the paper" in run.stdout


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in dry_run(root=finished).stdout


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("swav={temperature: 0.2}", {"train_swav": CLASSES, "one_shot": ON_SWAV * CLASSES, **TABLE}),
        ("kmeans={clusters: 7}", {"fit_kmeans": CLASSES, "one_shot": ON_KMEANS * CLASSES, **TABLE}),
        ("classes={cat: {swav: {steps: 3}}}", {"train_swav": 1, "one_shot": ON_SWAV, **TABLE}),
        ("heads={epochs: 3}", {"one_shot": METHODS * CLASSES, **TABLE}),
        ("methods={copy_mask: {settings: {epochs: 7}}}", {"one_shot": CLASSES, **TABLE}),
        ("methods={copy_mask: {title: Paste}}", {**TABLE}),
        ("table={decimals: 2}", {**TABLE}),
        ("version=2", {**CLUSTERINGS, "one_shot": METHODS * CLASSES, **TABLE}),
        ("experiments={fig14a: {exemplars: 3}}", {}),
        ("annotator={steps: 9}", {}),
        ("tuning={trials: 9}", {}),
    ],
)
def test_a_change_runs_its_rule_and_what_follows_and_nothing_else(finished, config, expected):
    assert planned(dry_run("--config", config, root=finished).stdout) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (f"experiments={{fig14a: {{grid: {{swav.perturbation.strength: {[*STRENGTHS[:-1], 0.95]}}}}}}}", NEW_POINT),
        (f"experiments={{fig14a: {{grid: {{swav.perturbation.strength: {STRENGTHS[:-1]}}}}}}}", REDRAWN),
        ("experiments={table7: {base: {swav.steps: 9}}}", {}),
        ("table={decimals: 2}", {}),
    ],
)
def test_a_new_value_of_a_sweep_runs_its_own_branch_alone(finished, config, expected):
    run = run_snakemake("--dry-run", FIGURE, "--config", config, root=finished)
    assert planned(run.stdout) == expected


def test_other_clustering_seeds_run_what_has_a_clustering(tmp_path):
    """Of Table 10's five methods three have one; each has one run a shot and seed, the others one a shot."""
    target = "results/demo/experiments/table10.csv"
    choices = ([], ["--config", "clustering_seeds=3"])
    jobs = [planned(run_snakemake("--dry-run", target, *each, directory=tmp_path).stdout) for each in choices]
    shots = len(DEMO.experiments["table10"].shots)
    assert jobs[1]["run_experiment"] - jobs[0]["run_experiment"] == 2 * shots * 3


def test_an_experiment_or_a_variant_that_nobody_configured_is_one_line(tmp_path):
    first = next(iter(DEMO.experiments))
    for target, message in [
        ("results/demo/experiments/none.csv", f"experiment 'none' is not in study demo; there are {first}, "),
        (f"results/demo/variants/face/swav/{'0' * 12}.safetensors", f"results/demo/variants/face/swav/{'0' * 12}"),
        ("results/demo/rare/cat/teeth/hfc_kmeans.csv", "rare label of cat 'teeth' is not in study demo; there are"),
    ]:
        run = run_snakemake("--dry-run", target, directory=tmp_path)
        assert run.returncode == 1 and f"error: {message}" in run.stdout and "Traceback" not in run.stdout


def test_fresh_file_times_alone_run_nothing(finished):
    for path in [*finished.glob("resources/**/*.*"), *finished.glob("scripts/*"), *finished.glob("config/labels/*")]:
        os.utime(path)
    assert planned(dry_run(root=finished).stdout) == {}
