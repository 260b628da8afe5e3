from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from onemask.config import REPOSITORY
from onemask.evaluation.pictures import save_arrays
from onemask.files import write_csv
from onemask.labels import read_labels
from onemask.paper import fig_sdanet, fig_sdanet_examples
from onemask.paper.pictures import MARGIN, STEP
from onemask.paper.table_sdanet import make

from .common import PUBLISHED, check_latex, check_page, outputs_in, row_of

ITEMS = ("hammer", "wrench")
SETTINGS = {"body": "light", "real": 40, "steps": 300, "batch": 4}


def write(folder, ratio, run, iou):
    """IoU of the second item is .2 below the first's."""
    shared = {"study": "demo_x", "class": "baggage", "method": "swav" if ratio else "real", "ratio": ratio, "run": run}
    rows = [
        {**shared, "item": item, "iou": iou - 0.2 * number, "ap": iou / 2, "ap_box": iou / 3, "images": 9}
        for number, item in enumerate(ITEMS)
    ]
    path = folder / f"{ratio}.{run}.csv"
    write_csv(path, rows, list(rows[0]))
    return str(path)


def test_gains_are_taken_run_by_run_beside_the_published(tmp_path):
    scores = {0: (0.4, 0.6), 1: (0.5, 0.6), 5: (0.7, 0.9)}
    rows = [write(tmp_path, ratio, run, iou) for ratio, both in scores.items() for run, iou in enumerate(both)]
    outputs = outputs_in(tmp_path)
    make({"rows": rows, "published": PUBLISHED}, outputs, {"settings": SETTINGS, "title": "HFC + SwAV_x"})
    table = pd.read_csv(outputs["csv"]).set_index("ratio")
    assert table.loc[0, "iou_mean"] == pytest.approx(40) and table.loc[5, "iou_mean"] == pytest.approx(70)
    assert table.loc[1, "gain_mean"] == pytest.approx(5) and table.loc[5, "gain_std"] == pytest.approx(0)
    assert list(table["published_gain"].fillna(-1)) == [-1, 1.07, 2.51]
    text = Path(outputs["tex"]).read_text()
    check_latex(text, tabulars=1)
    assert row_of(text, "1:5")[0].startswith(r"\textbf{70.0}") and "2 runs" in text and "SwAV\\_x" in text
    assert "--" in row_of(text, "Real images alone")
    check_page(text, tmp_path)


def test_curves_have_a_line_per_ratio_at_the_mean_of_the_runs():
    rows = [
        {"study": "demo", "ratio": ratio, "run": run, "step": step, "loss": 3 - step, "iou": 0.1 * (step + run + ratio)}
        for ratio in (0, 1, 10)
        for run in (0, 1)
        for step in (1, 2)
    ]
    scores = [
        {"ratio": ratio, "run": run, "item": item, "iou": 0.1 * (run + ratio + place)}
        for ratio in (0, 1, 10)
        for run in (0, 1)
        for place, item in enumerate(("hammer", "wrench"))
    ]
    loss, iou, by_ratio = fig_sdanet.draw(pd.DataFrame(rows), pd.DataFrame(scores)).axes
    middles = [bars.lines[0].get_ydata()[0] for bars in by_ratio.containers]
    assert middles == pytest.approx([10, 20, 110])  # means over items and runs
    assert [label.get_text() for label in by_ratio.get_xticklabels()] == ["alone", "1:1", "1:10"]
    assert [line.get_label() for line in iou.lines] == ["real scans alone", "1:1", "1:10"]
    assert iou.lines[1].get_ydata() == pytest.approx([25, 35]) and loss.lines[0].get_ydata() == pytest.approx([2, 1])


def test_examples_show_the_scan_its_items_and_what_each_training_finds(tmp_path):
    labels = read_labels(REPOSITORY / "config/labels/baggage.yaml")
    items = list(labels.rare)
    truth = np.zeros((2, 64, 64), np.uint8)
    truth[:, 10:30, 10:30] = 1 + items.index("hammer")
    images = np.full((2, 64, 64, 3), 200, np.uint8)
    for ratio, found in ((0, truth), (5, np.zeros_like(truth))):
        save_arrays(tmp_path / f"{ratio}.npz", {"images": images, "truths": truth, "label_maps": found})
    options = {"study": "demo", "items": items, "ratios": [0, 5]}
    inputs = {"pictures": [tmp_path / "0.npz", tmp_path / "5.npz"], "labels": REPOSITORY / "config/labels/baggage.yaml"}
    fig_sdanet_examples.make(inputs, {"png": tmp_path / "e.png"}, options)
    pixels = np.asarray(Image.open(tmp_path / "e.png").convert("RGB")).astype(int)
    colour = np.array(ImageColor.getrgb(labels.rare["hammer"]))
    near = np.abs(pixels - (0.8 * colour + 0.2 * 200)).max(axis=2) < 6
    tiles = {column // STEP for column in np.flatnonzero(near[: pixels.shape[0] - 60].any(axis=0)) - MARGIN}
    assert tiles == {1, 2}  # the exact mask and the training that found it, not the scan and not the other
