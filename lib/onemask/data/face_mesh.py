"""Facial landmarks by MediaPipe's face mesh (Kartynnik et al. 2019), an outline per part of the face.

Its wheel from PyPI is read as data: the network (Apache 2.0) runs on OpenVINO, the indices of outlines are parsed out
of a Python file. Nothing of MediaPipe is installed, imported or run. OpenVINO comes with the extra `landmarks`.
"""

from __future__ import annotations

import ast
import math
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from onemask.errors import OnemaskError

NETWORK = "mediapipe/modules/face_landmark/face_landmark.tflite"
CONNECTIONS = "mediapipe/python/solutions/face_mesh_connections.py"
OUTLINES = {
    "eye": ("FACEMESH_LEFT_EYE", "FACEMESH_RIGHT_EYE"),
    "eyebrow": ("FACEMESH_LEFT_EYEBROW", "FACEMESH_RIGHT_EYEBROW"),
    "mouth": ("FACEMESH_LIPS",),
    "face": ("FACEMESH_FACE_OVAL",),
}
POINTS, SIDE = 468, 192
MARGIN = 1.5  # a crop's side over the larger side of the points' box, as MediaPipe tracks a face
LEFT_EYE, RIGHT_EYE = 263, 33  # outer corners, which tell how a head is tilted

Edges = Iterable[tuple[int, int]]


def read_outlines(wheel: str | Path) -> dict[str, list[list[int]]]:
    """Per part of OUTLINES the closed polygons around it, as indices of landmarks."""
    tree = ast.parse(_member(wheel, CONNECTIONS))
    edges = {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_set_of_pairs(node.value)
    }
    return {part: [polygon for name in names for polygon in polygons(edges[name])] for part, names in OUTLINES.items()}


def polygons(edges: Edges) -> list[list[int]]:
    """Closed polygons out of unordered edges: each loop, and the open lines joined end to end into one."""
    neighbours: dict[int, list[int]] = defaultdict(list)
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    closed, joined = [], []
    left = set(neighbours)
    while left:
        start = min(left, key=lambda point: (len(neighbours[point]), point))  # an open line's end comes first
        line = [start]
        while following := [point for point in neighbours[line[-1]] if point in left - set(line)]:
            line.append(following[0])
        left -= set(line)
        if len(neighbours[start]) > 1:
            closed.append(line)
        else:  # the next line goes back the other way
            joined += line if not joined else line[::-1]
    return closed + ([joined] if joined else [])


class FaceMesh:
    """The network on one thread. A call takes an image uint8 [H, W, 3] of one upright face that fills most of it."""

    def __init__(self, wheel: str | Path) -> None:
        try:
            import openvino
        except ImportError:
            raise OnemaskError("landmarks need OpenVINO: pip install -c constraints.txt -e '.[landmarks]'") from None
        with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
            file.write(_member(wheel, NETWORK))
            file.flush()
            core = openvino.Core()
            self._network = core.compile_model(core.read_model(file.name), "CPU", {"INFERENCE_NUM_THREADS": 1})

    def __call__(self, image: np.ndarray, passes: int = 3) -> tuple[np.ndarray, float]:
        """Landmarks float32 [468, 2] as shares of the image's width and height, and the probability of a face.

        The first pass sees the whole image, each later one an upright crop around the points of the one before.
        """
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        centre, side, angle = np.array([width, height]) / 2, float(max(width, height)), 0.0
        for _ in range(passes):
            axes = side / SIDE * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            origin = centre - axes @ np.full(2, SIDE / 2)
            affine = np.column_stack([axes, origin]).ravel()
            crop = picture.transform((SIDE, SIDE), Image.Transform.AFFINE, tuple(affine), Image.Resampling.BILINEAR)
            outputs = self._network(np.asarray(crop, np.float32)[None] / 255)
            points = np.asarray(outputs[0]).reshape(POINTS, 3)[:, :2] @ axes.T + origin
            low, high = points.min(axis=0), points.max(axis=0)
            centre, side = (low + high) / 2, MARGIN * float((high - low).max())
            across = points[LEFT_EYE] - points[RIGHT_EYE]
            angle = math.atan2(across[1], across[0])
        score = 1 / (1 + math.exp(-float(np.asarray(outputs[1]).item())))
        return (points / (width, height)).astype(np.float32), score


def _member(wheel: str | Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise OnemaskError(f"{wheel}: no wheel of MediaPipe with {name} ({error}); fetch it again") from None


def _is_set_of_pairs(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "frozenset"
        and len(value.args) == 1
        and isinstance(value.args[0], ast.List)
    )
