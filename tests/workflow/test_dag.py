"""The whole workflow at the `test` study, from renders to Table 2: structure and plumbing, not quality."""

import csv
import json
import math
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, planned, run_snakemake
from PIL import Image

from onemask.config import load_study
from onemask.data.annotated import read_annotated
from onemask.evaluation.claims import read_claims
from onemask.files import read_safetensors, sha256
from onemask.labels import read_labels

STUDY = load_study({"study": "test"})
TARGETS = ["results/table2.tex", "results/table2.csv", "results/metrics.json"]
MEMORY = r"^rule (\w+):(?:(?!^rule )[\s\S])*?mem_mb=(?:memory\()?(\d+)"
METHODS = [(name, method) for name in STUDY.class_names for method in STUDY.methods_of(name)]


def run(directory, *arguments):
    return run_snakemake("--config", "study=test", *arguments, directory=directory)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory in which the whole study has been run."""
    directory = tmp_path_factory.mktemp("dag")
    finished = run(directory, "--cores", "2", "--", *TARGETS)
    assert finished.returncode == 0, finished.stdout[-6000:]
    return directory


@pytest.fixture(scope="module")
def paper(folder):
    """The same directory with every table, figure and claim beside Table 2."""
    finished = run(folder, "--cores", "2", "--", "paper")
    assert finished.returncode == 0, finished.stdout[-6000:]
    return folder


def rows(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_job_leaves_a_log_and_nothing_temporary(folder):
    root = folder / "results/test/logs"
    logs = {path.relative_to(root).parts[0] for path in root.rglob("*.log")}
    assert {"render_dataset", "train_generator", "train_annotator", "train_swav", "one_shot", "table2.log"} <= logs
    assert not [path for path in folder.rglob("*.part*") if ".snakemake" not in path.parts]


def test_generators_are_trained_at_the_studys_size(folder):
    for name in STUDY.class_names:
        tensors, metadata = read_safetensors(folder / f"resources/generators/test/{name}.safetensors")
        assert metadata["architecture"]["resolution"] == 32
        assert all(np.isfinite(tensor.float().numpy()).all() for tensor in tensors.values())
    log = rows(folder / "results/test/generators/face/metrics.csv")
    assert [float(row["kimg"]) for row in log] == pytest.approx([0.992, 1.984, 2.0])  # snapshots are whole steps of 16


def script(folder, name, *arguments):
    command = [sys.executable, ROOT / "scripts" / name, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_end_of_make_demo_shows_the_table_and_how_far_annotators_agree(folder):
    shown = script(folder, "show_table.py", "results/table2.csv")
    for name in STUDY.class_names:
        assert re.search(rf"^{name} +wIoU .*published wIoU  FG-IoU$", shown, re.M)
        assert re.search(rf"^{name} +wIoU_fg [\d.]+   mIoU [\d.]+$", shown, re.M)
    assert "HFC + SwAV (FCN)" in shown and "results/table2.tex" in shown


def test_make_timings_has_a_row_for_each_rule_that_took_long(folder):
    shown = script(folder, "timings.py", "results/test/benchmarks")
    counts = dict(re.findall(r"^\| (\w+) \| (\d+) \|", shown, re.M))
    assert counts["one_shot"] == str(len(METHODS)) and int(counts["train_swav"]) == len(STUDY.class_names)


def test_annotated_sets_hold_the_configured_splits(folder):
    sizes = STUDY.annotated_set
    for name in STUDY.class_names:
        labels = read_labels(ROOT / f"config/labels/{name}.yaml")
        annotated = read_annotated(folder / f"resources/annotated/test/{name}.npz", labels)
        for split in ("exemplars", "test", "tuning", "supervised"):
            assert len(annotated.indices(split)) == getattr(sizes, split)
        splits = [set(annotated.indices(split)) for split in ("exemplars", "test", "tuning", "supervised")]
        assert len(set.union(*splits)) == sum(map(len, splits))


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_rows_are_one_per_exemplar_image_and_label(folder, name, method):
    found = rows(folder / f"results/test/one_shot/{name}/{method}.csv")
    fits = 1 if STUDY.methods[method].fit_split == "supervised" else STUDY.annotated_set.exemplars
    labels = read_labels(ROOT / f"config/labels/{name}.yaml")
    keys = [(row["exemplar"], row["image"], row["label"]) for row in found]
    assert len(set(keys)) == len(keys) == fits * STUDY.annotated_set.test * len(labels)
    assert {(row["study"], row["class"], row["method"]) for row in found} == {("test", name, method)}
    for row in found:
        union = int(row["area_true"]) + int(row["area_predicted"]) - int(row["intersection"])
        assert int(row["union"]) == union
        assert row["iou"] == "" if union == 0 else float(row["iou"]) == pytest.approx(int(row["intersection"]) / union)


def test_the_table_holds_every_method_of_every_class(folder):
    table = rows(folder / "results/table2.csv")
    assert [(row["class"], row["method"]) for row in table] == METHODS
    assert all(0 <= float(row["wiou_mean"]) <= float(row["wiou_fg_mean"]) <= 100 for row in table)
    metrics = json.loads((folder / "results/metrics.json").read_text())
    assert {(name, method) for name in metrics for method in metrics[name]} == set(METHODS)
    assert r"\texttt{test}" in (folder / "results/table2.tex").read_text()


def test_published_files_are_the_studys(folder):
    for name in ("table2.tex", "table2.csv", "metrics.json"):
        assert (folder / "results" / name).read_bytes() == (folder / "results/test" / name).read_bytes()


def test_no_job_took_more_memory_than_its_rule_declares(folder):
    declared = {
        rule: int(mem)
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for rule, mem in re.findall(MEMORY, path.read_text(), re.M)
    }
    root = folder / "results/test/benchmarks"
    peaks = [
        (path.relative_to(root).parts[0].removesuffix(".tsv"), float(row["max_rss"]))
        for path in root.rglob("*.tsv")
        for row in rows_of_benchmark(path)
    ]
    assert {"train_generator", "train_swav", "one_shot"} <= {rule for rule, _ in peaks}
    assert not [(rule, peak) for rule, peak in peaks if peak >= min(declared.get(rule, 3000), 3000)]


def rows_of_benchmark(path):
    with open(path, newline="") as stream:
        return [row for row in csv.DictReader(stream, delimiter="\t") if row["max_rss"] not in ("NA", "-")]


def test_a_second_run_has_nothing_to_do(folder):
    assert "Nothing to be done" in run(folder, "--cores", "1", "--", *TARGETS).stdout


@pytest.mark.parametrize("cores", ["1", "8"])
def test_another_number_of_cores_gives_the_same_bytes(folder, cores):
    """Everything behind the table but training, made again."""
    made = ["results/table2.csv", "results/table2.tex", "results/test/clustering/face/swav.safetensors"]
    before = [sha256(folder / path) for path in made]
    again = run(folder, "--cores", cores, "--forcerun", "train_swav", "fit_kmeans", "one_shot", "--", *TARGETS)
    assert again.returncode == 0, again.stdout[-3000:]
    assert planned(again.stdout)["one_shot"] == len(METHODS)
    assert [sha256(folder / path) for path in made] == before


TABLES = ["1", "2", "4", "5", "6", "7", "8", "9", "10", "A1", "_ablations", "_renders"]
FIGURES = ["1", "2", "6", "7", "9", "11", "B1", "12", "14a", "14b", "14c", "_sinkhorn", "13", "C3", "C4"]


def test_every_table_and_figure_is_made_and_names_the_study(paper):
    for name in TABLES:
        assert r"\texttt{test}" in (paper / f"results/table{name}.tex").read_text(), name
        assert rows(paper / f"results/table{name}.csv"), name
    for name in FIGURES:
        assert (paper / f"results/fig{name}.pdf").read_bytes().startswith(b"%PDF")
        with Image.open(paper / f"results/fig{name}.png") as picture:
            assert min(picture.size) > 300


def test_every_claim_of_the_paper_has_a_verdict_or_a_reason(paper):
    claims = rows(paper / "results/claims.csv")
    known = [claim.id for claim in read_claims(ROOT / "config/claims.yaml")]
    assert [row["id"] for row in claims if row["scope"] == "all"] == known
    assert all(row["note"] for row in claims if row["verdict"] == "not tested")
    report = (paper / "results/report.tex").read_text()
    assert report.count(r"\begin{table}") >= len(TABLES) and report.count(r"\includegraphics") == len(FIGURES)


def test_experiments_hold_every_run_and_a_rare_label_its_own_test_images(paper):
    for name, experiment in STUDY.experiments.items():
        found = rows(paper / f"results/test/experiments/{name}.csv")
        runs = {tuple(row[key] for key in ("class", "method", "shots", "replicate", *experiment.grid)) for row in found}
        points = math.prod(map(len, experiment.grid.values()))
        classes = len(experiment.classes or STUDY.class_names)
        assert len(runs) == points * classes * math.prod(
            map(len, (experiment.methods, experiment.shots, experiment.replicates))
        )
    rare = rows(paper / "results/test/rare/face/teeth/hfc_swav_fcn.csv")
    assert {row["label"] for row in rare} <= {"background", "teeth"}


def test_the_case_study_learns_its_items_from_scans_in_pidrays_layout(paper):
    (case,) = [name for name, entry in STUDY.classes.items() if entry.case_study]
    assert (paper / f"results/test/pidray/{case}/annotations/train.json").is_file()
    report = json.loads((paper / f"results/test/renders/{case}.json").read_text())
    assert report == {"images": STUDY.classes[case].scans.train, "left_out": {}}
    classes = [{row["class"] for row in rows(paper / f"results/test/table{name}.csv")} for name in ("2", "6")]
    assert case not in classes[0] and classes[1] == {case}


def test_an_archive_of_the_user_s_is_read_by_the_same_rules(paper, tmp_path):
    (case,) = [name for name, entry in STUDY.classes.items() if entry.case_study]
    archive = tmp_path / "PIDRay"
    shutil.copytree(paper / f"results/test/pidray/{case}", archive)
    (archive / "train/train_000003.png").write_bytes(b"cut off")
    scans = {"root": str(archive), "crop": 24, "skip_bad": True}
    target = f"results/test/renders/{case}.json"

    def read(**changes):
        own = json.dumps({case: {"scans": scans | changes}})
        return run_snakemake("--cores", "1", target, "--config", "study=test", f"classes={own}", directory=tmp_path)

    assert read().returncode == 0
    report = json.loads((tmp_path / target).read_text())
    assert report == {"images": STUDY.classes[case].scans.train - 1, "left_out": {"unreadable images": 1}}
    assert not (tmp_path / "results/test/pidray").exists()
    strict = read(skip_bad=False)
    assert strict.returncode and "train_000003.png: not a readable image" in strict.stdout


def test_every_loss_of_the_generator_is_tried_beside_the_paper(paper):
    (case,) = [name for name, entry in STUDY.classes.items() if entry.case_study]
    for loss in STUDY.losses.presets:
        log = rows(paper / f"results/test/losses/{case}/{loss}.{STUDY.losses.trial_kimg}k/metrics.csv")
        terms = {name for name in ("gradient_penalty", "path_length") if any(float(row[name]) for row in log)}
        assert terms == ({"gradient_penalty", "path_length"} if loss == "baggan" else set())


def test_downstream_trainings_share_their_test_images_and_their_budget(folder):
    finished = run(folder, "--cores", "2", "--", "downstream")
    assert finished.returncode == 0, finished.stdout[-6000:]
    settings, found = STUDY.downstream, rows(folder / "results/test/downstream.csv")
    conditions = {(row["method"], row["ratio"], row["replicate"]) for row in found}
    assert len(conditions) == (1 + len(settings.methods) * len(settings.ratios)) * settings.runs
    assert len(found) == len(conditions) * settings.test
    truths = {
        tuple((row["image"], row["label"], row["area_true"]) for row in rows(path))
        for path in (folder / "results/test/downstream/face").glob("*.csv")
        if not path.name.endswith(".curve.csv")
    }
    assert len(truths) == 1
    steps = {(row["method"], row["step"]) for row in rows(folder / "results/test/downstream_curves.csv")}
    assert {step for method, step in steps if method == "real"} == {step for _, step in steps} == {"2", "4"}
    assert r"\texttt{test}" in (folder / "results/table3.tex").read_text()
    assert not list((folder / "results/test/downstream").rglob("*.state.safetensors"))
    claims = {row["id"]: row for row in rows(folder / "results/claims_downstream.csv") if row["scope"] == "all"}
    assert claims["helps_1"]["replicates"] == str(settings.runs) and claims["helps_1"]["p"]
    assert claims["helps_5"]["verdict"] == "not tested"  # for want of such a ratio
    assert "Table 3" in (folder / "results/report_downstream.tex").read_text()


def test_controls_change_one_thing_each(folder):
    finished = run(folder, "--cores", "2", "--", "results/table_controls.tex")
    assert finished.returncode == 0, finished.stdout[-6000:]
    found = rows(folder / "results/test/table_controls.csv")
    table = {(row["real"], row["steps"], row["method"]): row for row in found}
    assert list(table) == [("8", "4", method) for method in ("real", "hfc_kmeans", "renders", "annotator")] + [
        ("4", "2", method) for method in ("real", "hfc_kmeans")
    ]
    assert {row["images"] for row in table.values()} == {str(STUDY.downstream.test)}
    few = folder / "results/test/controls/few/face"
    assert {row["step"] for row in rows(few / "real.0.0.curve.csv")} == {"2"}


def test_sdanet_learns_from_scans_and_from_baggans_data_set(folder):
    finished = run(folder, "--cores", "2", "--", "downstream")
    assert finished.returncode == 0, finished.stdout[-6000:]
    table, settings = rows(folder / "results/table_sdanet.csv"), STUDY.sdanet
    assert [row["ratio"] for row in table] == ["0", *map(str, settings.ratios)]
    assert {row["images"] for row in table} == {str(settings.test)}
    claims = {row["id"]: row for row in rows(folder / "results/claims_downstream.csv")}
    assert claims["sdanet_1"]["replicates"] == str(settings.runs) and claims["sdanet_10"]["verdict"] == "not tested"
    data_set = folder / f"results/test/sdanet/baggage/{settings.method}.0"
    assert len(list((data_set / "images").iterdir())) == settings.real * max(settings.ratios)


def test_after_the_paper_nothing_is_left_to_do(paper):
    assert "Nothing to be done" in run(paper, "--cores", "1", "--", *TARGETS, "paper").stdout


def test_a_training_that_was_over_is_not_repeated(folder):
    """Resume state outlives the outputs: remaking them trains no step."""
    target = "results/test/generators/cat/generator.safetensors"
    before = sha256(folder / target)
    (folder / target).unlink()
    again = run(folder, "--cores", "1", "--", target)
    assert again.returncode == 0, again.stdout[-3000:]
    assert planned(again.stdout) == {"train_generator": 1}
    assert sha256(folder / target) == before


def test_a_larger_budget_goes_on_and_other_settings_or_another_start_train_anew(folder):
    generators = folder / "results/test/generators"

    def trained(**settings):
        classes = json.dumps({"horse": {"generator_training": settings}})
        target = "results/test/generators/horse/generator.safetensors"
        finished = run(folder, f"classes={classes}", "--cores", "1", "--", target)
        assert finished.returncode == 0, finished.stdout[-3000:]
        return rows(generators / "horse/metrics.csv"), sha256(folder / target)

    first = rows(generators / "horse/metrics.csv")
    (own,) = generators.glob("horse.state.*/state.safetensors")
    shutil.copyfile(own, folder / "start.safetensors")
    longer, _ = trained(kimg=0.128)
    assert longer[: len(first)] == first and len(longer) == len(first) + 1
    other, _ = trained(learning_rate=0.001)
    assert len(other) == len(first) and other[0]["loss_d"] != first[0]["loss_d"]
    (others,) = set(generators.glob("horse.state.*/state.safetensors")) - {own}
    started, before = trained(kimg=0.128, start_from="start.safetensors")
    assert [row["kimg"] for row in started] == ["0.128"]
    shutil.copyfile(others, folder / "start.safetensors")
    assert trained(kimg=0.128, start_from="start.safetensors")[1] != before


@pytest.mark.parametrize("method", ["repurposegan_mlp", "hfc_swav_mlp"])
def test_tuning_gives_every_method_its_trials_on_the_tuning_split(folder, method):
    target = f"results/test/tuning/face/{method}.csv"
    tuned = run(folder, "--cores", "1", "--", target)
    assert tuned.returncode == 0, tuned.stdout[-3000:]
    trials = rows(folder / target)
    assert [row["trial"] for row in trials] == [str(number) for number in range(STUDY.tuning.trials)]
    assert trials[0]["settings"] == "{}" and json.loads(trials[1]["settings"])
    assert all(0 <= float(row["wiou_fg"]) <= 1 for row in trials)
