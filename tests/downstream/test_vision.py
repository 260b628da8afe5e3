"""Non-maximum suppression and RoIAlign in plain torch against what they mean."""

import sys

import pytest
import torch

from onemask.downstream import vision
from onemask.downstream.vision import align, ops, suppress


def boxes(count, size=20.0, seed=0):
    rng = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=rng) * size
    return torch.cat([corner, corner + 1 + torch.rand(count, 2, generator=rng) * size / 2], dim=1)


def brute_force(found, scores, threshold):
    """The definition: the best box stays, what overlaps it goes, and again."""
    left, stays = sorted(range(len(found)), key=lambda i: -scores[i]), []
    while left:
        stays.append(first := left.pop(0))
        left = [i for i in left if ops.box_iou(found[first][None], found[i][None]).item() <= threshold]
    return stays


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_suppression_is_greedy(threshold):
    found, scores = boxes(40), torch.rand(40, generator=torch.Generator().manual_seed(1))
    expected = brute_force(found, scores.tolist(), threshold)
    assert suppress(found, scores, threshold).tolist() == expected
    assert ops.nms(found, scores, threshold).tolist() == expected


def test_suppression_by_hand_and_of_nothing():
    found = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    assert ops.nms(found, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert ops.nms(found[:0], torch.zeros(0), 0.5).tolist() == []
    assert ops.batched_nms(found, torch.tensor([0.5, 0.9, 0.1]), torch.tensor([0, 1, 0]), 0.5).tolist() == [1, 0, 2]


@pytest.mark.parametrize("aligned", [True, False])
def test_aligned_regions_of_a_ramp_are_its_values(aligned):
    ramp = torch.arange(16.0)[None, None, None].expand(1, 1, 16, 16)
    region = torch.tensor([[0.0, 4.0, 2.0, 8.0, 6.0]])
    pooled = ops.roi_align(ramp, region, (2, 2), 1.0, 2, aligned)
    shift = 0.5 if aligned else 0.0
    torch.testing.assert_close(pooled[0, 0], torch.tensor([[5 - shift, 7 - shift]] * 2))


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_aligned_regions_equal_a_sum_over_all_pixels(aligned, ratio):
    """Every sample is a bilinear weight on all pixels: the definition, in loops."""
    features = torch.randn(2, 3, 9, 12, generator=torch.Generator().manual_seed(3))
    regions = torch.cat([torch.tensor([0.0, 1, 1, 0, 1])[:, None], boxes(5, 22.0, seed=4) - 2], dim=1)
    pooled = align(features, regions, 0.5, 3, 2, ratio, aligned)
    for number, (image, *corners) in enumerate(regions.tolist()):
        x1, y1, x2, y2 = (c * 0.5 - (0.5 if aligned else 0) for c in corners)
        w, h = (max(b - a, -1e9 if aligned else 1.0) for a, b in ((x1, x2), (y1, y2)))
        for row in range(3):
            for column in range(2):
                total = torch.zeros(3)
                for i in range(ratio):
                    for j in range(ratio):
                        y = y1 + h * (row * ratio + i + 0.5) / (3 * ratio)
                        x = x1 + w * (column * ratio + j + 0.5) / (2 * ratio)
                        if -1 <= y <= 9 and -1 <= x <= 12:
                            y, x = min(max(y, 0), 8), min(max(x, 0), 11)
                            weight_y = (1 - (torch.arange(9) - y).abs()).clamp(min=0)
                            weight_x = (1 - (torch.arange(12) - x).abs()).clamp(min=0)
                            total += (features[int(image)] * weight_y[:, None] * weight_x).sum(dim=(1, 2))
                torch.testing.assert_close(pooled[number, :, row, column], total / ratio**2, rtol=1e-4, atol=1e-5)


def test_without_a_ratio_a_box_has_a_sample_per_pixel():
    features = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(5))
    region = torch.tensor([[0.0, 1, 2, 13, 8]])  # 12 x 6 pixels in 4 x 4 bins: 3 samples for the wider side
    adaptive, three = (align(features, region, 1.0, 4, 4, ratio, False) for ratio in (-1, 3))
    torch.testing.assert_close(adaptive, three)


def test_gradients_reach_the_features_of_boxed_images_alone():
    features = torch.randn(2, 1, 8, 8, requires_grad=True)
    ops.roi_align(features, torch.tensor([[1.0, 1, 1, 5, 5]]), 2, 1.0, 2).sum().backward()
    assert features.grad[0].abs().sum() == 0 and features.grad[1].abs().sum() > 0


def test_suppression_is_ours_only_where_there_is_none_and_roi_align_is_ours():
    assert sys.modules["torchvision.ops.roi_align"]._roi_align is align
    assert hasattr(vision, "DECLARED") == (not sys.modules["torchvision.extension"]._has_ops())
