"""Your own generator, as docs/your-own.md has it: a checkpoint, an annotated image, and what becomes of them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import planned, run_snakemake
from PIL import Image
from pycocotools.coco import COCO
from typer.testing import CliRunner

from onemask.cli import app
from onemask.config import REPOSITORY
from onemask.data.annotated import read_annotated
from onemask.labels import read_labels
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.latents import in_every_layer

pytestmark = pytest.mark.extended  # minutes: an inversion, three clusterings, ten methods
FACES, LABELS = (REPOSITORY / f"config/labels/{name}.yaml" for name in ("face", "mine"))
QUICK = {
    "swav": {"steps": 20, "dim": 64, "prototypes": 100},
    "simclr": {"steps": 15, "dim": 64},
    "kmeans": {"images": 8, "clusters": 50},
    "heads": {"epochs": 20},
}


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> Path:
    """A user's folder: the zoo's face generator as their checkpoint, one image to learn from and three to test on."""
    folder = tmp_path_factory.mktemp("own")
    own = folder / "resources/own"
    for name in ("images/test", "label_maps"):
        (own / name).mkdir(parents=True)
    shutil.copyfile(REPOSITORY / "zoo/generators/face.safetensors", own / "network.pkl")
    annotated = read_annotated(REPOSITORY / "zoo/annotated/face.npz", read_labels(FACES))
    generator = load_generator(own / "network.pkl")
    chosen = [*annotated.indices("exemplars")[:1], *annotated.indices("test")[:3]]
    with torch.no_grad():
        images = to_pixels(generator(in_every_layer(annotated.ws[chosen], generator.num_ws)), generator.resolution)
    for name, image, number in zip(["images/a", *(f"images/test/{n}" for n in "bcd")], images, chosen, strict=True):
        Image.fromarray(image).save(own / f"{name}.png")
        Image.fromarray(annotated.label_maps[number]).save(own / f"label_maps/{Path(name).name}.png")
    return folder


def test_a_table_and_a_picture_come_of_a_checkpoint_and_one_image(user):
    (user / "quick.yaml").write_text(yaml.safe_dump({"study": "own", **QUICK}))
    targets = ["results/table2.tex", "results/own/gallery/mine.png"]
    arguments = ["--cores", "2", "--configfile", str(user / "quick.yaml"), "--", *targets]
    finished = run_snakemake(*arguments, directory=user)
    assert finished.returncode == 0, finished.stdout[-3000:]
    rows = pd.read_csv(user / "results/own/table2.csv").set_index("method")
    assert set(rows["class"]) == {"mine"}
    scores = rows.loc[["copy_mask", "datasetgan", "hfc_kmeans", "hfc_swav_mlp", "hfc_swav_fcn"], "wiou_mean"]
    assert (scores > 0).all() and scores["hfc_swav_fcn"] > scores["copy_mask"]
    assert Image.open(user / targets[1]).width > 500
    again = run_snakemake("-n", *arguments[2:], directory=user)
    assert "Nothing to be done" in again.stdout and not planned(again.stdout)


def test_a_labelled_data_set_comes_of_the_same_files(user):
    own, out = user / "resources/own", user / "out"
    command = ["annotate", str(own / "network.pkl"), str(out), "--count", "12", "--method", "repurposegan_mlp"]
    command += ["--label-map", str(own / "label_maps/a.png"), "--image", str(own / "images/a.png")]
    command += ["--labels", str(LABELS)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    coco = COCO(str(out / "annotations.json"))
    assert len(coco.getImgIds()) == 12 and len(coco.getAnnIds()) > 24
    masks = [coco.annToMask(coco.loadAnns([number])[0]) for number in coco.getAnnIds()]
    assert all(mask.shape == (64, 64) and mask.any() for mask in masks) and len(np.unique(masks)) == 2
