from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onemask.files import write_csv
from onemask.paper.table_real_faces import make

from .common import check_latex, outputs_in, row_of


def rows(method, eye):
    scores = {99: 0.8, 2000: eye, 2001: eye + 0.1}
    return [
        {"method": method, "seed": seed, "part": part, "iou": score if part == "eye" else 0.5}
        for seed, score in scores.items()
        for part in ("eye", "eyebrow", "mouth", "face")
    ]


def test_the_annotation_comes_first_and_the_best_method_is_bold(tmp_path):
    inputs = {"rows": [str(tmp_path / f"{name}.csv") for name in ("a", "b")], "landmarks": str(tmp_path / "l.npz")}
    for path, table in zip(inputs["rows"], (rows("a", 0.3), rows("b", 0.4)), strict=True):
        write_csv(path, table, list(table[0]))
    np.savez(inputs["landmarks"], seeds=np.array([99, 2000, 2001, 2002]))
    outputs = outputs_in(tmp_path)
    make(inputs, outputs, {"titles": {"a": "A_1", "b": "B"}, "note": "Note_1."})
    table = pd.read_csv(outputs["csv"]).set_index(["method", "part"])
    assert table.loc[("annotation", "eye"), "iou_mean"] == pytest.approx(80)
    assert table.loc[("a", "eye"), "iou_mean"] == pytest.approx(35) and table.loc[("a", "eye"), "faces"] == 2
    text = Path(outputs["tex"]).read_text()
    check_latex(text, tabulars=1)
    assert r"Note\_1." in text and "2 unseen faces of 3" in text and r"\textbf{45.0}" in row_of(text, "B")[0]
    assert row_of(text, "The annotation itself")[0] == "80.0" and "textbf" not in row_of(text, r"A\_1")[0]
