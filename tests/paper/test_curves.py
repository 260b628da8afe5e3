"""What is drawn is what the logs say, and equal figures are equal bytes."""

import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.colours import CLASS_COLOURS
from onemask.paper.curves import SWAV_PANELS, draw_curves, save_figure


def logs(*names):
    return {
        name: pd.DataFrame({"step": [0, 1, 2]} | {column: [3.0, 2.0, i + 0.5] for column in SWAV_PANELS})
        for i, name in enumerate(names)
    }


def test_each_panel_has_each_class_in_its_colour():
    figure = draw_curves(logs("cat", "face", "dog"), SWAV_PANELS, "study x")
    assert [axes.get_ylabel() for axes in figure.axes] == list(SWAV_PANELS.values())
    for axes in figure.axes:
        assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 2, 0.5], [3, 2, 1.5], [3, 2, 2.5]]
        assert [line.get_color() for line in axes.lines][:2] == [CLASS_COLOURS["cat"], CLASS_COLOURS["face"]]
    assert len(set(CLASS_COLOURS.values())) == len(CLASS_COLOURS)


def test_a_log_without_a_column_is_one_line():
    with pytest.raises(OnemaskError, match="training log of cat: has no column 'local'"):
        draw_curves({"cat": logs("cat")["cat"].drop(columns="local")}, SWAV_PANELS, "")


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_equal_figures_are_equal_bytes(tmp_path, ending):
    for name in ("a", "b"):
        save_figure(tmp_path / f"{name}.{ending}", draw_curves(logs("cat", "face"), SWAV_PANELS, "study x"))
    first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
    assert first == second and len(first) > 1000
