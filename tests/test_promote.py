"""What `make zoo` leaves in zoo/: files with their checksums in the study, and cards that say how they came about."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from onemask.config import REPOSITORY, load_study
from onemask.errors import OnemaskError
from onemask.files import sha256, write_json
from onemask.zoo import annotated_card, annotator_card, generator_card

STUDY = load_study({"study": "demo"})
SCORE = {"features": "EfficientNet-Lite0", "samples": 2000, "frechet_distance": 123.456}


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("kimg,loss_g\n0.5,1\n220.0,2\n")
    return path


@pytest.mark.parametrize(("name", "loss"), [("car", "the loss of StyleGAN2-ADA"), ("baggage", "a Wasserstein loss")])
def test_a_generator_s_card_says_how_it_was_trained_and_how_good_it_is(metrics, name, loss):
    card = generator_card(STUDY, name, metrics, SCORE)
    entry = STUDY.classes[name]
    images = entry.scans.train if entry.scans else entry.generator_training.renders
    assert f"# Generator of the demo's {name} world" in card and f"StyleGAN2 at 64 px, {loss}" in card
    assert f"trained on {images:,} of our own renders" in card and ("packing: easy" in card) == (name == "baggage")
    assert "images seen: 220 thousand" in card and "renders, psi 1: 123.46 (not FID: other features)" in card
    settings = json.loads(card.split("```json\n")[1].split("```")[0])
    assert settings["kimg"] == entry.generator_training.kimg and "renders" not in settings


def test_cards_of_what_is_in_the_zoo_are_made_again_from_it():
    annotators = STUDY.classes["cat"].annotators
    card = annotator_card(STUDY, "cat", "first", REPOSITORY / annotators["first"].file)
    assert card == (REPOSITORY / annotators["first"].file).with_suffix(".md").read_text()
    path = REPOSITORY / STUDY.classes["horse"].annotated.file
    assert annotated_card(STUDY, "horse", path, REPOSITORY) == path.with_suffix(".md").read_text()


def test_without_a_training_s_file_the_command_that_makes_it_is_named(tmp_path):
    with pytest.raises(OnemaskError, match="metrics.csv: nothing to promote; make it with `snakemake --cores all "):
        generator_card(STUDY, "car", tmp_path / "metrics.csv", SCORE)


@pytest.fixture
def root(tmp_path, metrics):
    """As much of the repository as promoting car's generator takes, and a training's results."""
    (tmp_path / "scripts").mkdir()
    shutil.copyfile(REPOSITORY / "scripts/promote.py", tmp_path / "scripts/promote.py")
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    (tmp_path / "zoo/generators").mkdir(parents=True)
    made = tmp_path / "results/demo/generators/car"
    made.mkdir(parents=True)
    (made / "generator.safetensors").write_bytes(np.random.default_rng(0).bytes(100))
    (made / "samples.png").write_bytes(b"picture")
    shutil.copyfile(metrics, made / "metrics.csv")
    write_json(made / "score.json", SCORE)
    return tmp_path


def promote(root, *arguments):
    return subprocess.run(
        [sys.executable, root / "scripts/promote.py", *arguments], cwd=root, capture_output=True, text=True
    )


def test_promoting_copies_the_file_and_its_samples_and_keeps_its_checksum(root):
    before = yaml.safe_load((root / "config/studies/demo.yaml").read_text())
    finished = promote(root, "generators", "car")
    assert finished.returncode == 0 and finished.stdout == "zoo: generators of car\n", finished.stderr
    made, kept = root / "results/demo/generators/car", root / "zoo/generators"
    assert (kept / "car.safetensors").read_bytes() == (made / "generator.safetensors").read_bytes()
    assert (kept / "car.png").read_bytes() == b"picture" and "220 thousand" in (kept / "car.md").read_text()
    before["classes"]["car"]["generator"]["sha256"] = sha256(kept / "car.safetensors")
    assert yaml.safe_load((root / "config/studies/demo.yaml").read_text()) == before


def test_what_was_not_trained_is_not_promoted(root):
    study = (root / "config/studies/demo.yaml").read_text()
    finished = promote(root, "generators", "cat")
    assert finished.returncode == 1 and "cat/generator.safetensors: nothing to promote" in finished.stderr
    assert (root / "config/studies/demo.yaml").read_text() == study
