import zipfile
from pathlib import Path

import numpy as np
import pytest

from onemask.data.face_mesh import OUTLINES, POINTS, FaceMesh, polygons, read_outlines
from onemask.errors import OnemaskError

ROOT = Path(__file__).resolve().parents[2]
WHEEL = ROOT / "resources/face_mesh/mediapipe.whl"


def is_cycle(line, edges):
    around = {frozenset(pair) for pair in zip(line, [*line[1:], line[0]], strict=True)}
    return {frozenset(edge) for edge in edges} <= around


def test_loops_are_polygons_of_their_own():
    outer, inner = [(0, 5), (5, 9), (9, 2), (2, 0)], [(3, 4), (4, 1), (1, 3)]
    found = polygons([inner[1], *outer[::-1], inner[0], inner[2]])
    assert sorted(map(len, found)) == [3, 4]
    assert all(any(is_cycle(line, edges) for line in found) for edges in (outer, inner))


def test_two_open_lines_become_one_polygon_that_does_not_cross_itself():
    # the upper edge of an eyebrow from left to right, and the lower one
    (found,) = polygons([(10, 11), (11, 12), (20, 21), (22, 21)])
    assert found == [10, 11, 12, 22, 21, 20]


def wheel(path, source):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mediapipe/python/solutions/face_mesh_connections.py", source)
    return path


def test_outlines_are_parsed_and_nothing_is_run(tmp_path):
    names = [name for names in OUTLINES.values() for name in names]
    source = "raise SystemExit\n" + "".join(f"{name} = frozenset([(1, 2), (2, 3), (3, 1)])\n" for name in names)
    assert read_outlines(wheel(tmp_path / "m.whl", source + "A = frozenset().union(*[])\n"))["eye"] == [[1, 2, 3]] * 2


def test_another_archive_is_named(tmp_path):
    with pytest.raises(OnemaskError, match="m.whl: no wheel of MediaPipe with .*fetch it again"):
        read_outlines(tmp_path / "m.whl")
    pytest.importorskip("openvino")
    with pytest.raises(OnemaskError, match="m.whl: no wheel of MediaPipe with .*face_landmark.tflite"):
        FaceMesh(wheel(tmp_path / "m.whl", ""))


@pytest.mark.skipif(not WHEEL.is_file(), reason="snakemake resources/face_mesh/mediapipe.whl fetches it")
def test_on_the_wheel_a_part_has_its_polygons_and_no_face_is_none():
    pytest.importorskip("openvino")
    found = read_outlines(WHEEL)
    assert {part: len(lines) for part, lines in found.items()} == {"eye": 2, "eyebrow": 2, "mouth": 2, "face": 1}
    points, score = FaceMesh(WHEEL)(np.full((64, 64, 3), 128, np.uint8))
    assert points.shape == (POINTS, 2) and score < 0.5
