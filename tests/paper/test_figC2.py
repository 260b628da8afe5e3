import pandas as pd
import pytest

from onemask.errors import OnemaskError
from onemask.paper.figC2 import SCORE, draw, make

from .common import write_rows
from .picture_files import drawn, outputs_in

OPTIONS = {"study": "demo_x", "class": "baggage", "loss": "baggan"}
METRICS = [
    {"kimg": 1, "loss_g": 0.5, "loss_d": 1.5, "ada_p": 0.0, "overfitting": 0.1},
    {"kimg": 2, "loss_g": 0.25, "loss_d": 1.25, "ada_p": 0.2, "overfitting": 0.7},
]
SCORES = [{"kimg": 1, SCORE: 90.0}, {"kimg": 2, SCORE: 60.0}]


def test_losses_augmentation_and_score_are_drawn_over_images():
    figure = draw(pd.DataFrame(METRICS), pd.DataFrame(SCORES), OPTIONS)
    losses, augmentation, score = ([line.get_xydata().tolist() for line in axes.get_lines()] for axes in figure.axes)
    assert losses == [[[1, 0.5], [2, 0.25]], [[1, 1.5], [2, 1.25]]]
    assert augmentation == [[[1, 0.0], [2, 0.2]], [[1, 0.1], [2, 0.7]]]
    assert score == [[[1, 90.0], [2, 60.0]]]
    assert "baggage" in figure.get_suptitle() and "not FID" in figure.get_suptitle()


def test_it_is_written_and_a_training_without_milestones_is_one_line(tmp_path):
    metrics = write_rows(tmp_path / "metrics.csv", METRICS)
    make(
        {"metrics": metrics, "scores": write_rows(tmp_path / "scores.csv", SCORES)},
        outputs := outputs_in(tmp_path),
        OPTIONS,
    )
    assert drawn(outputs).std() > 0
    (tmp_path / "none.csv").write_text(f"kimg,{SCORE}\n")
    with pytest.raises(OnemaskError, match="none.csv: no milestones; set generator_training.milestone_kimg"):
        make({"metrics": metrics, "scores": str(tmp_path / "none.csv")}, outputs_in(tmp_path), OPTIONS)
