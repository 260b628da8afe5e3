"""Figures 11, B1, 14 and of Sinkhorn: what is drawn is what the csv files say, legibly, in colours of one's own."""

import itertools
import subprocess
import sys

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import area_rows, read_rows, write_rows
from onemask.paper import drawing, fig11, fig14a, fig14b, fig14c, fig_sinkhorn, figB1
from onemask.paper.colours import CLASS_COLOURS, METHOD_COLOURS, method_line

METHODS = {
    "hfc_swav_fcn": {"title": "HFC + SwAV (FCN)"},
    "datasetgan": {"title": "DatasetGAN"},
    "lagm": {"title": "LAGM"},
}
SWEEPS = {"fig14a": fig14a, "fig14b": fig14b, "fig14c": fig14c, "fig_sinkhorn": fig_sinkhorn}
LABELS = {"face": ["background", *"abcdef"], "car": ["background", "a", "b"]}


@pytest.fixture
def metrics(tmp_path):
    """Csv files of two methods on two classes: two exemplars, four images; car has no datasetgan."""
    rng = np.random.default_rng(0)
    paths = []
    for name, method in [("face", "hfc_swav_fcn"), ("face", "datasetgan"), ("car", "hfc_swav_fcn")]:
        true = rng.integers(0, len(LABELS[name]), (4, 8, 8))
        tables = []
        for exemplar in range(2):
            predicted = np.where(rng.random(true.shape) < 0.3, 0, true)
            tables.append(area_rows(predicted, true, LABELS[name]).assign(exemplar=exemplar))
        rows = pd.concat(tables).assign(**{"study": "demo_x", "class": name, "method": method})
        paths.append(tmp_path / f"{name}.{method}.csv")
        write_rows(paths[-1], rows)
    return paths


def experiment(path, grid, classes=("face",), level=lambda point: 0.2):
    """An experiment's csv: three exemplars, two images, the score set by the point of the grid."""
    rows = [
        {"study": "demo_x", "class": name, "method": "hfc_swav_mlp", "shots": 1, "replicate": 0}
        | dict(zip(grid, values, strict=True))
        | {"exemplar": exemplar, "image": image}
        | dict.fromkeys(
            ("wiou", "wiou_fg", "miou", "fg_iou"), level(dict(zip(grid, values, strict=True))) + exemplar / 100
        )
        for name in classes
        for values in itertools.product(*grid.values())
        for exemplar in range(3)
        for image in range(2)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def sweeps(tmp_path):
    """Inputs of the figures of Section 9."""
    grids = {
        "fig14a": {"swav.perturbation.strength": [0.1, 0.9]},
        "fig14b": {"swav.dim": [16, 64], "swav.prototypes": [100, 1000]},
        "fig14c": {"swav.marginals": ["uniform", "pixel_distribution"], "swav.patch_size": [4, 8]},
        "sinkhorn": {"swav.epsilon": [0.02, 0.2], "swav.prototypes": [100, 1000]},
        "sinkhorn_iterations": {"swav.sinkhorn_iterations": [1, 10]},
    }
    paths = {name: experiment(tmp_path / f"{name}.csv", grid) for name, grid in grids.items()}
    inputs = {name: {"rows": paths[name]} for name in ("fig14a", "fig14b", "fig14c")}
    return inputs | {"fig_sinkhorn": {"rows": paths["sinkhorn"], "iterations": paths["sinkhorn_iterations"]}}


def lines(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def drawn(monkeypatch, module, inputs, options=None):
    """The figure that a module's make draws, which nothing writes."""
    figures = []
    monkeypatch.setattr(module, "write_figure", lambda outputs, draw: figures.append(draw()))
    module.make(inputs, {}, options or {})
    return figures[0]


def test_every_method_has_a_line_of_its_own_and_every_class_a_colour():
    styles = [tuple(sorted(style.items())) for style in METHOD_COLOURS.values()]
    assert len(set(styles)) == len(styles) == 11
    assert len(set(CLASS_COLOURS.values())) == len(CLASS_COLOURS)
    assert method_line("unheard_of")["color"] not in {style["color"] for style in METHOD_COLOURS.values()}


def test_fig11_has_a_panel_per_class_and_a_line_per_method(monkeypatch, metrics):
    figure = drawn(monkeypatch, fig11, {"rows": metrics}, {"methods": METHODS})
    assert [axes.get_title() for axes in figure.axes] == ["face", "car"]
    face, car = (lines(axes) for axes in figure.axes)
    assert [name for name in face if not name.startswith("_")] == ["HFC + SwAV (FCN)", "DatasetGAN"]
    assert "DatasetGAN" not in car
    scores = read_rows(metrics[:1]).groupby(["exemplar", "image"])["iou"].mean()
    assert face["HFC + SwAV (FCN)"][10] == pytest.approx((scores > 0.5).mean())
    colour = figure.axes[0].lines[0].get_color()
    assert matplotlib.colors.same_color(colour, METHOD_COLOURS["hfc_swav_fcn"]["color"])
    assert "demo_x, 2 exemplars" in figure.get_suptitle()


def test_the_legend_names_methods_that_a_class_lacks(monkeypatch, metrics):
    """datasetgan is not on the first class drawn."""
    figure = drawn(monkeypatch, fig11, {"rows": metrics[::-1]}, {"methods": METHODS})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["HFC + SwAV (FCN)", "DatasetGAN"]


def test_figb1_has_a_panel_per_label_but_the_background(monkeypatch, metrics):
    figure = drawn(monkeypatch, figB1, {"rows": metrics}, {"methods": METHODS})
    shown = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert shown == ["face: mIoU", *"abcdef", "car: mIoU", "a", "b"]
    assert len(figure.legends) == 1


def test_fig14a_draws_means_and_deviations_over_exemplars(monkeypatch, tmp_path):
    path = experiment(
        tmp_path / "fig14a.csv",
        {"swav.perturbation.strength": [0.9, 0.1]},
        ("face", "car"),
        lambda point: point["swav.perturbation.strength"] / 10,
    )
    figure = drawn(monkeypatch, fig14a, {"rows": path})
    for axes in figure.axes:
        assert lines(axes) == {name: pytest.approx([2, 10]) for name in ("face", "car")}
        assert axes.lines[0].get_color() == CLASS_COLOURS["face"]
        band = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert (band.min(), band.max()) == pytest.approx((2 - 1, 10 + 1))
    assert "3 exemplars" in figure.get_suptitle()


def test_fig14b_writes_every_cell_s_number(monkeypatch, sweeps):
    figure = drawn(monkeypatch, fig14b, sweeps["fig14b"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["21.0\n±1.0"] * 4
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["16", "64"]


def test_fig14c_has_both_constraints_and_random_pixels_where_the_grid_has_them(monkeypatch, sweeps, tmp_path):
    figure = drawn(monkeypatch, fig14c, sweeps["fig14c"])
    assert set(lines(figure.axes[0])) == {"uniform constraint", "pixel distribution"}
    grid = {"swav.sampling": ["patches", "random_pixels"], "swav.patch_size": [4, 8]}
    path = experiment(tmp_path / "x.csv", grid, level=lambda point: 0.3 if point["swav.sampling"] == "patches" else 0.1)
    found = lines(drawn(monkeypatch, fig14c, {"rows": path}).axes[0])
    assert found["random pixels"] == pytest.approx([11, 11]) and found["uniform constraint"] == pytest.approx([31, 31])


def test_the_sinkhorn_figure_marks_20_over_k(monkeypatch, sweeps):
    figure = drawn(monkeypatch, fig_sinkhorn, sweeps["fig_sinkhorn"])
    marks = [
        line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":" and len(line.get_xdata())
    ]
    assert marks == pytest.approx([0.2, 0.02])
    assert lines(figure.axes[1]) == {"face": pytest.approx([21, 21])}


def test_figures_drawn_again_are_the_same_bytes_without_torch(metrics, sweeps, tmp_path):
    """One process draws all of them twice."""
    inputs = sweeps | {name: {"rows": [str(path) for path in metrics]} for name in ("fig11", "figB1")}
    program = (
        "import sys; from importlib import import_module\n"
        f"for name, inputs in {inputs!r}.items():\n"
        "    for copy in 'ab':\n"
        f"        outputs = {{kind: f'{tmp_path}/{{name}}.{{copy}}.{{kind}}' for kind in ['pdf']}}\n"
        f"        import_module(f'onemask.paper.{{name}}').make(inputs, outputs, {{'methods': {METHODS!r}}})\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    for name in inputs:
        first, second = ((tmp_path / f"{name}.{copy}.pdf").read_bytes() for copy in "ab")
        assert first == second and len(first) > 1000, name


def test_no_text_is_smaller_than_seven_points_and_no_figure_wider_than_the_page(monkeypatch, metrics, sweeps):
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda path, figure: figures.append(figure))
    for module, name in [
        (fig11, None),
        (figB1, None),
        (fig14a, "fig14a"),
        (fig14b, "fig14b"),
        (fig_sinkhorn, "fig_sinkhorn"),
    ]:
        module.make(sweeps.get(name, {"rows": metrics}), {"pdf": "x.pdf"}, {"methods": METHODS})
    assert len(figures) == 5
    for figure in figures:
        assert figure.get_figwidth() <= drawing.PAGE
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 7


def test_a_csv_without_the_grid_s_column_is_one_line(tmp_path):
    path = experiment(tmp_path / "x.csv", {"swav.dim": [16]})
    with pytest.raises(OnemaskError, match="x.csv: has no column 'swav.perturbation.strength'"):
        fig14a.make({"rows": path}, {"pdf": str(tmp_path / "x.pdf")}, {})


def test_sweeps_state_their_settings_and_the_other_heads_score_there(monkeypatch, sweeps, tmp_path):
    reference = experiment(tmp_path / "sweep_fcn.csv", {}, level=lambda point: 0.3)
    options = {
        "swept": "HFC + SwAV (MLP)",
        "base": {"swav.steps": 100, "swav.dim": 128},
        "reference": "HFC + SwAV (FCN)",
    }
    for name, module in SWEEPS.items():
        inputs = sweeps[name] | {"reference": reference}
        assert drawn(monkeypatch, module, inputs, options).get_suptitle().splitlines()[1:] == [
            "study demo_x, 3 exemplars",
            "HFC + SwAV (MLP), ± one standard deviation over fits",
            "steps 100, dim 128",
            "HFC + SwAV (FCN) at the default point: 31.0 ± 1.0 (face)",
        ]
        alone = drawn(monkeypatch, module, sweeps[name] | {"reference": []}, {"base": {}, "reference": None})
        assert len(alone.get_suptitle().splitlines()) == 2
