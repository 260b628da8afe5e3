"""What a study lacks before it starts, and the operations that its hours are counted from."""

import pytest

from onemask import preflight
from onemask.config import load_study
from onemask.preflight import SUSTAINED, Stage, needs, stages, table
from onemask.sections import SwAVSettings
from onemask.stylegan2.generator import Generator

PAPER, DEMO = load_study({"study": "paper"}), load_study({"study": "demo"})


def test_the_demo_asks_nobody_for_a_file(tmp_path):
    found = [need.what for need in needs(DEMO, tmp_path)]
    assert len(found) == 2 and "of disk" in found[0] and "a GPU of" in found[1]


def test_what_is_missing_is_named_with_its_remedy_until_it_is_there(tmp_path):
    first = {need.what: need for need in needs(PAPER, tmp_path)}
    assert not first["car: PASCAL-Part"].met and "JPEGImages" in first["car: PASCAL-Part"].remedy
    assert not first["face: NVIDIA Source Code License"].met
    for folder in ("Annotations_Part", "JPEGImages"):
        (tmp_path / "resources/data/PASCAL-Part" / folder).mkdir(parents=True)
    accepted = PAPER.model_copy(update={"accepted_licences": ["NVIDIA Source Code License"]})
    then = {need.what: need.met for need in needs(accepted, tmp_path)}
    assert then["car: PASCAL-Part"] and then["face: NVIDIA Source Code License"] and not then["baggage: PIDRay"]
    report = table(PAPER, list(first.values()), [Stage("SwAV", 3, SUSTAINED * 7200, "as said")])
    assert f"| car: PASCAL-Part | {tmp_path}/resources/data/PASCAL-Part: PASCAL-Part is not there" in report
    assert "| SwAV | 3 | 2.0 | as said |" in report and "| together | 3 | 2.0 | |" in report


def test_an_archive_of_pidray_is_looked_at_down_to_its_files(tmp_path):
    root = tmp_path / "resources/data/PIDRay"
    for folder in ("annotations", "train", "test"):
        (root / folder).mkdir(parents=True)
    (root / "annotations/train.json").touch()
    [missing] = [need for need in needs(PAPER, tmp_path) if need.what == "baggage: PIDRay"]
    assert not missing.met and "annotations/test.json" in missing.remedy
    (root / "annotations/test.json").touch()
    assert [need.met for need in needs(PAPER, tmp_path) if need.what == "baggage: PIDRay"] == [True]
    own = load_study({"study": "demo", "classes": {"baggage": {"scans": {"root": "mine"}}}})
    [missing] = [need for need in needs(own, tmp_path) if need.what == "baggage: PIDRay"]
    assert not missing.met and f"{tmp_path}/mine" in missing.remedy


def test_a_perceptual_network_that_is_asked_for_is_looked_for(tmp_path):
    study = load_study({"study": "paper", "classes": {"face": {"real": {"vgg16": "vgg16.pt"}}}})
    [missing] = [need for need in needs(study, tmp_path) if need.what == "face: vgg16.pt"]
    assert not missing.met and "vgg16: null" in missing.remedy
    (tmp_path / "vgg16.pt").touch()
    assert [need.met for need in needs(study, tmp_path) if need.what == "face: vgg16.pt"] == [True]


def test_operations_of_an_image_are_those_of_the_generator_s_convolutions():
    entry = DEMO.classes["face"]
    made = entry.generator_training
    generator = Generator(made.z_dim, made.w_dim, entry.resolution, made.channel_base, made.channel_max)
    assert preflight.channels(entry) == sum(generator.feature_channels)
    assert preflight.channels(PAPER.classes["horse"]) == 5376
    by_hand = sum(
        2 * parameter.numel() * int(name.split(".b")[1].split(".")[0]) ** 2
        for name, parameter in generator.named_parameters()
        if name.endswith((".conv0.weight", ".conv1.weight"))
    )
    assert preflight.synthesis(entry) == by_hand


def test_a_swav_training_without_the_local_loss_costs_half_the_products():
    entry = PAPER.classes["face"]
    full = preflight.swav(entry, SwAVSettings(steps=1, images_per_step=1, pixels=10**6, dim=512, prototypes=4000))
    half = SwAVSettings(steps=1, images_per_step=1, pixels=10**6, dim=512, prototypes=4000, local_loss=False)
    assert preflight.swav(entry, half) == pytest.approx(full / 2, rel=0.01)


def test_every_stage_of_the_paper_s_study_costs_hours():
    fits = [("face", method, 20) for method in PAPER.methods]
    found = stages(PAPER, [("face", PAPER.classes["face"].swav)], fits)
    assert [stage.jobs for stage in found] == [1, 5, 1, len(fits), 117, 12]
    assert all(stage.hours > 0.01 for stage in found)
