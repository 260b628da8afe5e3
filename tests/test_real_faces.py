from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from onemask.config import load_study
from onemask.data.polygons import read_polygons
from onemask.errors import OnemaskError
from onemask.labels import read_labels
from onemask.real_faces import load_real_faces, require_every_label

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "config/real_faces/study.yaml"


def test_the_annotated_face_is_not_among_the_unseen() -> None:
    study = load_real_faces(STUDY)
    annotation = read_polygons(ROOT / study.annotation, read_labels(ROOT / f"config/labels/{study.labels}.yaml"))
    assert annotation.seed not in {*study.unseen, *study.measured.seeds}
    assert len(set(study.unseen)) == len(study.unseen) >= 10
    assert annotation.image_size % study.resolution == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"swav": {"temprature": 0.1}}, "swav.temprature: unknown key; did you mean 'temperature'"),
        ({"resolution": 100}, "resolution: "),
        ({"wheel": {"requirement": "random-face", "sha256": "0" * 64}}, "wheel.requirement: "),
        ({"unseen": []}, "unseen: "),
    ],
)
def test_a_bad_value_is_one_line_with_its_key(tmp_path: Path, change: dict, message: str) -> None:
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(yaml.safe_load(STUDY.read_text()) | change))
    with pytest.raises(OnemaskError, match=message) as raised:
        load_real_faces(tmp_path / "study.yaml")
    assert "\n" not in str(raised.value) and "study.yaml" in str(raised.value)


def test_an_exemplar_without_a_label_to_be_learnt_is_one_line_that_names_its_file():
    require_every_label("e.json", np.array([[0, 1], [2, 1]]), ["background", "skin", "ear"])
    with pytest.raises(OnemaskError, match="e.json: holds no 'ear', a label to be learnt; draw it"):
        require_every_label("e.json", np.array([[0, 1], [1, 1]]), ["background", "skin", "ear"])


def test_measured_methods_are_the_demos_with_settings_of_their_own():
    measured, methods = load_real_faces(STUDY).measured, load_study({"study": "demo"}).methods
    chosen = measured.chosen(methods)
    assert list(chosen) == measured.methods and set(measured.seeds).isdisjoint(load_real_faces(STUDY).unseen)
    assert chosen["repurposegan_mlp"].settings == methods["repurposegan_mlp"].settings | {"upsampling": "bilinear"}
    with pytest.raises(OnemaskError, match=r"measured.methods: 'supervised_fcn' is not one of copy_mask"):
        measured.model_copy(update={"methods": ["supervised_fcn"]}).chosen(methods)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shown": "x"}, "shown, settings: 'x' is not among"),
        ({"cases": {"Glasses": [1]}}, "Glasses: at most 8 of the seeds 2000"),
    ],
)
def test_a_figure_shows_what_was_measured(tmp_path, change, message):
    content = yaml.safe_load(STUDY.read_text())
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content | {"measured": content["measured"] | change}))
    with pytest.raises(OnemaskError, match=message):
        load_real_faces(tmp_path / "study.yaml")
