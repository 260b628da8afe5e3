from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from onemask.evaluation.one_shot import Outcome, Task
from onemask.evaluation.pictures import (
    save_arrays,
    save_pictures,
    segment_images,
    sorted_by_label,
    task_pictures,
    with_and_without,
)
from onemask.files import read_npz
from onemask.paper.gallery import load_pictures
from onemask.stylegan2.images import to_pixels


class Grey:
    """A generator whose image and only map show the latent's one number; a segmenter that reads its sign."""

    resolution, num_ws, device = 8, 1, torch.device("cpu")

    def features(self, ws: Tensor) -> tuple[Tensor, list[Tensor]]:
        return ws.view(-1, 1, 1, 1).expand(-1, 3, 8, 8), [ws.view(-1, 1, 1, 1).expand(-1, 1, 4, 4)]

    def predict(self, features: list[Tensor]) -> Tensor:
        return (features[0][:, 0] > 0).to(torch.uint8)

    def fit(self, features: list[Tensor], label_maps: Tensor) -> Grey:
        self.fitted = features[0][:, 0, 0, 0].tolist(), label_maps.tolist()
        return self


def test_pixels_are_means_over_what_they_cover_and_never_wrap() -> None:
    image = torch.tensor([-1.0, 0.0, 1.0, 1.5]).view(1, 1, 1, 4).expand(1, 3, 4, 4)
    assert to_pixels(image, 4)[0, 0, :, 0].tolist() == [0, 128, 255, 255]
    assert to_pixels(image, 2)[0, 0, :, 2].tolist() == [64, 255]


def test_images_come_with_their_own_predictions(tmp_path: Path) -> None:
    images, label_maps = segment_images(Grey(), Grey(), torch.tensor([[[-1.0]], [[1.0]]]), 8)
    assert images.shape == (2, 8, 8, 3) and label_maps.shape == (2, 4, 4)
    assert [int(image.max()) for image in images] == [0, 255]
    assert [label_map.tolist() for label_map in label_maps] == [[[0] * 4] * 4, [[1] * 4] * 4]
    save_pictures(tmp_path / "p.npz", images, label_maps)
    for (image, label_map), expected, expected_map in zip(
        load_pictures(tmp_path / "p.npz"), images, label_maps, strict=True
    ):
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(label_map, expected_map)


def task(groups: list[np.ndarray]) -> Task:
    """Four samples of 4 x 4 pixels; the label 1 is in one pixel of the samples 0 and 3."""
    label_maps = np.zeros((4, 4, 4), np.uint8)
    label_maps[0, 0, 0] = label_maps[3, 2, 2] = 1
    return Task(label_maps, ("background", "rare"), groups, np.array([1, 2, 3]))


WS = np.array([[0.5], [-1.0], [1.0], [0.25]], np.float32)


def test_a_task_in_pictures_is_its_exemplar_with_its_annotation_then_predictions() -> None:
    predicted = np.stack([np.full((4, 4), value, np.uint8) for value in (0, 1, 0)])
    outcome = Outcome(pd.DataFrame(), pd.DataFrame(), first=1, label_maps=predicted)
    groups = [np.array([0]), np.array([3, 0])]
    pictures = task_pictures(Grey(), WS, task(groups), outcome, np.array([1, 0]))
    maps = task([]).label_maps
    assert pictures["images"].shape == (3, 8, 8, 3)
    assert [int(image[0, 0, 0]) for image in pictures["images"]] == [159, 255, 0]
    np.testing.assert_array_equal(pictures["label_maps"], [maps[3], np.ones((4, 4)), np.zeros((4, 4))])
    np.testing.assert_array_equal(pictures["truths"], maps[[3, 2, 1]])


def test_a_task_without_exemplars_gives_no_pictures(tmp_path: Path) -> None:
    pictures = task_pictures(Grey(), WS, task([]), Outcome(pd.DataFrame(), pd.DataFrame()), np.array([1]))
    save_arrays(tmp_path / "p.npz", pictures)
    stored = read_npz(tmp_path / "p.npz", pictures, "", "")
    assert {name: array.shape for name, array in stored.items()} == {
        "images": (0, 8, 8, 3),
        "label_maps": (0, 8, 8),
        "truths": (0, 8, 8),
    }


def test_samples_with_the_label_come_before_those_without_in_the_test_splits_order() -> None:
    assert with_and_without(task([]), 1, each=1).tolist() == [2, 0]
    assert with_and_without(task([]), 1, each=5).tolist() == [2, 0, 1]


def test_a_map_is_sorted_under_its_largest_label_and_under_no_other() -> None:
    maps = np.zeros((5, 2, 4), np.uint8)
    maps[0, 0, :2], maps[0, 1, 0] = 1, 2
    maps[1, 0] = 1
    maps[2, 0], maps[2, 1, :3] = 2, 1
    maps[3, 0, 0], maps[3, 1, 0] = 1, 2  # as much of both: the first
    assert [row.tolist() for row in sorted_by_label(maps, 4, 8)] == [[1, 0, 3], [2], []]
    assert [row.tolist() for row in sorted_by_label(maps, 3, 1)] == [[1], [2]]
    assert [row.tolist() for row in sorted_by_label(maps[:0], 3, 1)] == [[], []]
