from pathlib import Path

import pandas as pd
import pytest

from onemask.files import write_csv
from onemask.paper import fig_sdanet
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
    loss, iou = fig_sdanet.draw(pd.DataFrame(rows)).axes
    assert [line.get_label() for line in iou.lines] == ["real scans alone", "1:1", "1:10"]
    assert iou.lines[1].get_ydata() == pytest.approx([25, 35]) and loss.lines[0].get_ydata() == pytest.approx([2, 1])
