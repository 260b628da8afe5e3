import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from onemask.data.annotated import AnnotatedSet, write_annotated
from onemask.errors import OnemaskError
from onemask.paper.table1 import generator_facts, make
from onemask.stylegan2.checkpoint import load_generator

from .common import PUBLISHED, ROOT, check_latex, check_page, outputs_in, row_of

SHAPES = {
    "mapping.fc0.weight": (2, 2),  # 4
    "mapping.w_avg": (2,),
    "synthesis.b4.const": (3, 4, 4),  # 48
    "synthesis.b4.conv1.weight": (3, 3, 3, 3),  # 81
    "synthesis.b4.conv1.affine.weight": (3, 2),  # 6
    "synthesis.b4.conv1.noise_const": (4, 4),
    "synthesis.b8.conv0.weight": (5, 3, 3, 3),  # 135
    "synthesis.b8.conv1.weight": (5, 5, 3, 3),  # 225
    "synthesis.b8.conv1.noise_strength": (),  # 1
    "synthesis.b8.torgb.weight": (3, 5, 1, 1),  # 15
}


def write_generator(path, **metadata):
    tensors = {name: np.zeros(shape, np.float16) for name, shape in SHAPES.items()}
    save_file(tensors, path, {"onemask": json.dumps({"architecture": {"resolution": 8}, **metadata})})
    return str(path)


def write_set(path, rare):
    """Twelve samples: 2 exemplars, 1 tuning, 4 supervised, 5 test; the rare labels have splits of their own."""
    splits = {"exemplars": [0, 1], "tuning": [2], "supervised": [3, 4, 5, 6], "test": [7, 8, 9, 10, 11]}
    for number, label in enumerate(rare):
        splits |= {f"rare_exemplars/{label}": [0, 1], f"rare_test/{label}": [0] * (3 + number)}
    maps = np.zeros((12, 8, 8), np.uint8)
    indices = {name: np.array(values) for name, values in splits.items()}
    write_annotated(path, AnnotatedSet(np.zeros((12, 2)), maps, {label: maps > 0 for label in rare}, indices))
    return str(path)


@pytest.fixture
def made(tmp_path):
    rare = {"face": ["eye_g", "teeth", "cloth"], "cat": []}
    inputs = {
        "generators": [write_generator(tmp_path / "face.st", kimg=400.0), write_generator(tmp_path / "cat.st")],
        "annotated": [write_set(tmp_path / f"{name}.npz", labels) for name, labels in rare.items()],
        "labels": [str(ROOT / f"config/labels/{name}.yaml") for name in rare],
        "published": PUBLISHED,
    }
    classes = {"face": {"source": "own renders", "renders": 40_000}, "cat": {"source": "fetched", "renders": None}}
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, {"study": "demo_x", "classes": classes})
    return pd.read_csv(outputs["csv"]).set_index(["source", "class"]), open(outputs["tex"]).read()


def test_facts_are_those_of_the_files(made):
    face = made[0].loc["ours", "face"]
    assert face["parameters"] == 4 + 48 + 81 + 6 + 135 + 225 + 1 + 15
    assert (face["features"], face["blocks"], face["resolution"], face["kimg"]) == (13, 2, "8", 400)
    assert face["unlabelled_images"] == 40_000 and face["annotated_images"] == 12
    assert face[["exemplars", "tuning", "supervised", "test"]].tolist() == [2, 1, 4, 5]
    assert (face["rare_labels"], face["rare_exemplars"], face["rare_test"]) == ("eye_g, teeth, cloth", 2, "3, 4, 5")
    assert face["parts"] == 7


def test_published_rows_stand_beside(made):
    face = made[0].loc["published", "face"]
    assert (face["unlabelled_images"], face["resolution"], face["annotated"]) == (700_000, "1024x1024", "CelebAMask-HQ")
    assert made[1].count(r"\textit{1,672,266}") == 1


def test_what_a_class_lacks_is_a_dash_with_a_footnote(made):
    table, text = made
    check_latex(text, tabulars=1)
    assert row_of(text, "Rare labels") == [r"eye\_g, teeth, cloth", "--"]
    assert row_of(text, "Training images shown (thousands)") == ["400", "--"]
    assert "--: cat has no rare label." in text and table.loc["ours", "cat"].isna()["rare_labels"]


def test_a_generators_header_tells_what_the_loaded_network_has():
    path = ROOT / "zoo/generators/face.safetensors"
    facts, generator = generator_facts(path), load_generator(path)
    assert facts["features"] == sum(generator.feature_channels)
    assert facts["parameters"] == sum(weight.numel() for weight in generator.parameters())
    assert (facts["resolution"], facts["blocks"]) == (generator.resolution, len(generator.block_ws))


@pytest.mark.parametrize("content", [None, b"other", "tensors"])
def test_another_file_is_one_line(tmp_path, content):
    path = tmp_path / "g.safetensors"
    if content == "tensors":
        save_file({"x": np.zeros(1)}, path)
    elif content:
        path.write_bytes(content)
    with pytest.raises(OnemaskError, match="g.safetensors: not a generator of onemask") as error:
        generator_facts(path)
    assert "\n" not in str(error.value)


def test_it_fits_the_page(made, tmp_path):
    check_page(made[1], tmp_path)
