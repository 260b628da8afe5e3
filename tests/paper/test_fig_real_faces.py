import numpy as np
import pandas as pd

from onemask.files import write_csv
from onemask.paper.fig_real_faces import choose, make

from .common import ROOT

SEEDS = np.array([99, *range(2000, 2010)])


def faces():
    points = np.zeros((len(SEEDS), 468, 2), np.float32)
    points[:, 263, 0] = 0.5
    points[:, 14, 1] = [0.4, *np.linspace(0, 0.3, 10)]  # the annotated face has the widest open mouth
    scores = np.ones(len(SEEDS))
    points[6, 14, 1], scores[6] = 9, 0.1  # no face was found
    images = np.full((len(SEEDS), 160, 160, 3), 90, np.uint8)
    return {"seeds": SEEDS, "points": points, "scores": scores, "images": images}


def rows():
    scores = {99: 0, 2004: 0.1, 2007: 0.2}
    return [{"method": "m", "seed": int(s), "part": p, "iou": scores.get(int(s), 0.9)} for s in SEEDS for p in "ab"]


def test_mouths_and_failures_are_found_among_unseen_faces():
    chosen = choose(faces(), pd.DataFrame(rows()), {"Glasses": [2001]}, 2)
    assert list(chosen.values()) == [[2001], [2009, 2008], [2004, 2007]]


def test_the_figure_is_drawn(tmp_path):
    np.savez(tmp_path / "faces.npz", **faces())
    np.savez(tmp_path / "maps.npz", label_maps=np.ones((len(SEEDS), 256, 256), np.uint8))
    write_csv(tmp_path / "rows.csv", rows(), list(rows()[0]))
    inputs = {"landmarks": tmp_path / "faces.npz", "label_maps": tmp_path / "maps.npz", "rows": tmp_path / "rows.csv"}
    inputs["labels"] = ROOT / "config/labels/face.yaml"
    options = {"title": "HFC", "cases": {"Glasses": [2001, 2002]}, "columns": 8, "opacity": 0.5}
    make(inputs, {"png": tmp_path / "f.png", "pdf": tmp_path / "f.pdf"}, options)
    assert (tmp_path / "f.png").stat().st_size > 5000 and (tmp_path / "f.pdf").is_file()
