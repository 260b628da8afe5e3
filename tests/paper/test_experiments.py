import math

import pytest

from onemask.errors import OnemaskError
from onemask.paper.experiments import read_experiment, spread

from .common import runs, write_rows


def test_spread_is_over_exemplars_and_replicates_of_means_over_images(tmp_path):
    rows = [
        *runs({"a.b": "all"}, [0.0, 0.2], [0.2, 0.2]),
        *runs({"a.b": "all", "replicate": 1}, [0.3, 0.3], [0.4, 0.4]),
        *runs({"a.b": 0}, [0.5, 0.7]),
    ]
    table = spread(read_experiment(write_rows(tmp_path / "e.csv", rows), ["a.b"]), ["class", "a.b"], ["wiou"])
    every, one = table.to_dict("records")
    assert every["wiou_mean"] == pytest.approx(25)  # of 10, 20, 30, 40
    assert every["wiou_std"] == pytest.approx(math.sqrt(500 / 3))
    assert (every["exemplars"], every["replicates"], every["images"]) == (2, 2, 2)
    assert (one["a.b"], one["wiou_mean"]) == ("0", pytest.approx(60)) and math.isnan(one["wiou_std"])


def test_grid_values_are_text_as_written(tmp_path):
    rows = [*runs({"k": True, "block": 0}, [0.1]), *runs({"k": False, "block": "all"}, [0.1])]
    read = read_experiment(write_rows(tmp_path / "e.csv", rows), ["k", "block"])
    assert read[["k", "block"]].values.tolist() == [["True", "0"], ["False", "all"]]


def test_another_file_is_one_line(tmp_path):
    write_rows(tmp_path / "e.csv", runs({"k": 1}, [0.1]))
    for name, grid, message in [
        ("none.csv", [], "none.csv: not a readable csv"),
        ("e.csv", ["swav.dim"], "e.csv: has no column 'swav.dim'; run the rule gather_experiment again"),
    ]:
        with pytest.raises(OnemaskError, match=message) as error:
            read_experiment(tmp_path / name, grid)
        assert "\n" not in str(error.value)
    (tmp_path / "empty.csv").write_text((tmp_path / "e.csv").read_text().splitlines()[0])
    with pytest.raises(OnemaskError, match="empty.csv: has no rows"):
        read_experiment(tmp_path / "empty.csv", ["k"])
