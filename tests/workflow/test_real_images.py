"""A class whose annotated set comes from real images: the rule, on a data set of a few images in its own format."""

import numpy as np
import pytest
import torch
import yaml
from conftest import run_snakemake
from PIL import Image

from onemask.config import REPOSITORY, load_study
from onemask.data.annotated import read_annotated
from onemask.errors import OnemaskError
from onemask.labels import read_labels
from onemask.stylegan2.checkpoint import save_generator
from onemask.stylegan2.generator import Generator

ANNOTATED = "resources/annotated/test/face.npz"
SIZES = {"exemplars": 2, "tuning": 1, "supervised": 1, "test": 2, "rare_exemplars": 1, "rare_test_positives": 1}


@pytest.fixture
def study(tmp_path):
    """A configuration file: eight faces, half of them of CelebA's test split, and an untrained generator."""
    root = tmp_path / "CelebAMask-HQ"
    (root / "CelebA-HQ-img").mkdir(parents=True)
    (root / "CelebAMask-HQ-mask-anno/0").mkdir(parents=True)
    lines = ["idx orig_idx orig_file", *(f"{n} {182_638 if n % 2 else 1} x.jpg" for n in range(8))]
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(lines))
    face, below = np.zeros((2, 64, 64), np.uint8)
    face[16:48, 16:48], below[52:] = 255, 255
    for number in range(8):
        Image.fromarray(np.full((96, 96, 3), 20 * number, np.uint8)).save(root / f"CelebA-HQ-img/{number}.jpg")
        for part in ("skin", "eye_g", "mouth", "cloth"):
            mask = below if part == "cloth" else face
            Image.fromarray(mask).save(root / f"CelebAMask-HQ-mask-anno/0/{number:05d}_{part}.png")
    torch.manual_seed(0)
    save_generator(tmp_path / "net.safetensors", Generator(8, 8, 32, channel_base=128, channel_max=8, mapping_layers=2))
    entry = {
        "generator": {"source": "checkpoint", "file": str(tmp_path / "net.safetensors")},
        "annotated": {"source": "real"},
        "real": {"data_set": "celebamask_hq", "root": str(root), "steps": 2, "perceptual": False, "min_psnr": -100},
        "annotated_set": SIZES,
    }
    path = tmp_path / "real.yaml"
    path.write_text(yaml.safe_dump({"study": "test", "classes": {"face": entry}}))
    return path


def test_real_images_become_the_class_s_annotated_set(tmp_path, study):
    finished = run_snakemake("--cores", "1", ANNOTATED, "--configfile", str(study), directory=tmp_path)
    assert finished.returncode == 0, finished.stdout[-3000:]
    annotated = read_annotated(tmp_path / ANNOTATED, read_labels(REPOSITORY / "config/labels/face.yaml"))
    assert {name: len(annotated.splits[name]) for name in ("exemplars", "tuning", "supervised", "test")} == {
        name: SIZES[name] for name in ("exemplars", "tuning", "supervised", "test")
    }
    assert annotated.metadata["inversion"]["left_out"] == 0 and annotated.metadata["real"] == "celebamask_hq"
    assert (annotated.label_maps[:, 10:20, 10:20] == 6).all()  # the mouth, which lies on the skin


def test_a_data_set_without_a_mapping_or_a_section_is_one_line():
    def face(**changes):
        return {"study": "test", "classes": {"face": {"annotated": {"source": "real"}, **changes}}}

    with pytest.raises(OnemaskError, match="real: belongs to `annotated: {source: real}`"):
        load_study(face())
    with pytest.raises(OnemaskError, match=r"real.data_set.*celebamask_hq"):
        load_study(face(real={"data_set": "celebamaskhq", "root": "/x"}))
    with pytest.raises(OnemaskError, match="generator: source real is not for this file"):
        load_study(face(real={"data_set": "celebamask_hq", "root": "/x"}, generator={"source": "real"}))


def test_the_authors_release_needs_no_inversion(tmp_path, study):
    (tmp_path / "release").mkdir()
    torch.save((torch.randn(6, 8, 8), 0), tmp_path / "release/latents.pt")
    torch.save(torch.full((6, 16, 16), 2), tmp_path / "release/labels.pt")
    content = yaml.safe_load(study.read_text())
    content["classes"]["face"]["real"] = {"data_set": "released", "root": str(tmp_path / "release")}
    study.write_text(yaml.safe_dump(content))
    finished = run_snakemake("--cores", "1", ANNOTATED, "--configfile", str(study), directory=tmp_path)
    assert finished.returncode == 0, finished.stdout[-3000:]
    annotated = read_annotated(tmp_path / ANNOTATED, read_labels(REPOSITORY / "config/labels/face.yaml"))
    assert annotated.label_maps.shape == (6, 32, 32) and (annotated.label_maps == 2).all()
