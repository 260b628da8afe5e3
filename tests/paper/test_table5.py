import math

import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.table5 import frames, make

from .common import OPTIONS, PUBLISHED, check_latex, check_page, outputs_in, row_of, write_rows

SECONDS = {  # class, method, path: generator included, excluded
    ("face", "swav_mlp", "authors"): (0.5, 0.25),
    ("face", "swav_mlp", "native"): (0.125, 0.0625),
    ("face", "datasetgan", "authors"): (0.2, 0.1),
    ("car", "swav_mlp", "authors"): (0.5, 0.25),
    ("car", "generator", "native"): (0.025, 0.025),
}
HARDWARE = {"images": 30, "threads": 2, "device": "cpu", "hardware": "Some CPU & 1_x"}


def rows(cls):
    return [
        {"study": "demo_x", "class": name, "method": method, "path": path, "generator": generator}
        | {"seconds": seconds, "seconds_low": seconds, "seconds_high": 1.04 * seconds, "fps": 1 / seconds}
        | HARDWARE
        for (name, method, path), pair in SECONDS.items()
        for generator, seconds in zip(("included", "excluded"), pair, strict=True)
        if name == cls and (method, generator) != ("generator", "excluded")
    ]


@pytest.fixture
def made(tmp_path):
    paths = [write_rows(tmp_path / f"{cls}.csv", rows(cls)) for cls in ("face", "car")]
    outputs = outputs_in(tmp_path)
    make({"rows": paths, "published": PUBLISHED}, outputs, OPTIONS)
    return pd.read_csv(outputs["csv"]), open(outputs["tex"]).read()


def test_frames_per_second_and_the_speed_up(made):
    mlp, gan, car = made[0].to_dict("records")
    assert (mlp["authors_included"], mlp["native_included"], mlp["speed_up_included"]) == (2, 8, 4)
    assert (mlp["native_excluded"], mlp["speed_up_excluded"], mlp["published"]) == (16, 4, 2.27)
    assert gan["authors_included"] == 5 and math.isnan(gan["native_included"]) and math.isnan(gan["speed_up_excluded"])
    assert (car["class"], car["published"]) == ("car", 2.32)


def test_latex_names_the_hardware_and_marks_the_fastest(made):
    text = made[1]
    check_latex(text, tabulars=1)
    assert r"Some CPU \& 1\_x (cpu, threads: 2)" in text and "median of 30 images" in text and "V100" in text
    assert "The generator alone: car 40.0." in text and "generator &" not in text
    fastest = [r"2.00", r"\textbf{8.00}", r"4.0$\times$", "4.00", r"\textbf{16.0}", r"4.0$\times$", r"\textit{2.27}"]
    assert row_of(text, r"HFC + SwAV\_x (MLP)") == fastest
    assert row_of(text, "DatasetGAN")[:3] == [r"\textbf{5.00}", "--", "--"]


@pytest.mark.parametrize(
    ("fps", "text"), [(0.854, "0.85"), (9.876, "9.88"), (12.34, "12.3"), (123.4, "123"), (1234.6, "1235")]
)
def test_three_digits(fps, text):
    assert frames(fps) == text


def test_another_file_is_one_line(tmp_path):
    path = write_rows(tmp_path / "face.csv", [{"study": "s", "class": "face", "method": "x"}])
    with pytest.raises(OnemaskError, match="face.csv: has no column 'path'; run the rule"):
        make({"rows": [path], "published": PUBLISHED}, outputs_in(tmp_path), OPTIONS)
    with pytest.raises(OnemaskError, match="none.csv: not a readable csv"):
        make({"rows": [tmp_path / "none.csv"], "published": PUBLISHED}, outputs_in(tmp_path), OPTIONS)


def test_it_fits_the_page(made, tmp_path):
    check_page(made[1], tmp_path)
