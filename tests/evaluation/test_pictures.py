from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from onemask.evaluation.pictures import save_pictures, segment_images
from onemask.paper.gallery import load_pictures
from onemask.stylegan2.images import to_pixels


class Grey:
    """A generator whose image and only map show the latent's one number; a segmenter that reads its sign."""

    def features(self, ws: Tensor) -> tuple[Tensor, list[Tensor]]:
        return ws.view(-1, 1, 1, 1).expand(-1, 3, 8, 8), [ws.view(-1, 1, 1, 1).expand(-1, 1, 4, 4)]

    def predict(self, features: list[Tensor]) -> Tensor:
        return (features[0][:, 0] > 0).to(torch.uint8)


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
