"""The projection at native size against the giant map that it avoids."""

from __future__ import annotations

import pytest
import torch

from onemask.kernels import reference
from onemask.kernels.projection import (
    concatenate_features,
    gather_pixels,
    project_features,
    project_pixels,
    row_strips,
    split_weight,
)

from .fresh import fresh

SIZES = [16, 8, (16, 24), (20, 13), (5, 16), (3, 3)]
MODES = ["nearest", "bilinear"]


def pyramid(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    rng = fresh(3)
    shapes = [(5, 4, 4), (6, 8, 8), (7, 8, 8), (3, 16, 16), (2, 5, 9)]
    return [torch.randn(2, *shape, generator=rng, dtype=dtype) for shape in shapes]


def flat_pixels(size: int | tuple[int, int], count: int = 40) -> torch.Tensor:
    height, width = (size, size) if isinstance(size, int) else size
    return torch.randint(0, height * width, (2, count), generator=fresh(4))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_projecting_at_native_size_equals_projecting_the_concatenated_map(size, mode):
    features = pyramid()
    weight = torch.randn(11, 23, generator=fresh(5)) / 23**0.5
    expected = torch.einsum("dc,nchw->ndhw", weight, concatenate_features(features, size, mode))
    torch.testing.assert_close(project_features(features, weight, size, mode), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(reference.project_features(features, weight, size, mode), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_gathered_pixels_and_their_gradients_equal_indexing_the_concatenated_map(size, mode):
    pixels = flat_pixels(size)
    direct = [feature.requires_grad_() for feature in pyramid(torch.float64)]
    reference = [feature.requires_grad_() for feature in pyramid(torch.float64)]
    gathered = gather_pixels(direct, pixels, size, mode)
    concatenated = concatenate_features(reference, size, mode).flatten(2).transpose(1, 2)
    indexed = torch.gather(concatenated, 1, pixels[..., None].expand(-1, -1, 23))
    torch.testing.assert_close(gathered, indexed, atol=1e-6, rtol=0)
    cotangent = torch.randn(gathered.shape, generator=fresh(6), dtype=torch.float64)
    gathered.backward(cotangent)
    indexed.backward(cotangent)
    for one, other in zip(direct, reference, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [1, 40, 100, 400])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("maps", [4, 5])  # the first four sizes divide one another
def test_projected_pixels_and_their_gradients_equal_projecting_the_gathered_ones(maps, size, mode, count):
    features, pixels = pyramid(torch.float64)[:maps], flat_pixels(size, count)
    channels = sum(feature.shape[1] for feature in features)
    weight = torch.randn(11, channels, generator=fresh(5), dtype=torch.float64)
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in (*features, weight)] for _ in range(2))
    projected = project_pixels(ours[:-1], ours[-1], pixels, size, mode)
    expected = reference.gather_pixels(theirs[:-1], pixels, size, mode) @ theirs[-1].T
    cotangent = torch.randn(expected.shape, generator=fresh(6), dtype=torch.float64)
    gradients = [torch.autograd.grad(z, inputs, cotangent) for z, inputs in ((projected, ours), (expected, theirs))]
    for one, other in zip((projected, *gradients[0]), (expected, *gradients[1]), strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [16, 130])
def test_projected_maps_have_the_gradients_of_the_concatenated_one(size, mode):
    features = pyramid(torch.float64)
    weight = torch.randn(3, 23, generator=fresh(5), dtype=torch.float64)
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in (*features, weight)] for _ in range(2))
    cotangent = torch.randn(2, 3, size, size, generator=fresh(6), dtype=torch.float64)
    gradients = [
        torch.autograd.grad(project(inputs[:-1], inputs[-1], size, mode), inputs, cotangent)
        for project, inputs in ((project_features, ours), (reference.project_features, theirs))
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


@pytest.mark.parametrize("project", ["features", "pixels"])
def test_half_precision_is_added_in_single(project):
    rng, pixels = fresh(7), torch.arange(64)[None]
    features = [torch.randn(1, 4, 8, 8, generator=rng).bfloat16() for _ in range(64)]
    parts = [torch.randn(3, 4, generator=rng).bfloat16() for _ in features]

    def projected(maps, weight):
        if project == "pixels":
            return project_pixels(maps, weight, pixels, 8)
        return project_features(maps, weight, 8)

    added = sum(projected([feature], part).float() for feature, part in zip(features, parts, strict=True))
    found = projected(features, torch.cat(parts, 1))
    assert found.dtype == torch.bfloat16
    # One rounding at the end; added in half precision 64 maps differ by several.
    torch.testing.assert_close(found.float(), added, atol=1e-5, rtol=2**-8)


def test_concatenation_upsamples_each_map_in_order():
    features = [torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0, 4.0, 5.0, 6.0]]]])]
    expected = torch.tensor([[[[1.0, 1, 2, 2]], [[3.0, 4, 5, 6]]]])
    torch.testing.assert_close(concatenate_features(features, (1, 4)), expected)
    halfway = concatenate_features(features[:1], (1, 4), "bilinear").flatten()
    torch.testing.assert_close(halfway, torch.tensor([1.0, 1.25, 1.75, 2.0]))


def test_the_projection_passes_gradients_to_the_weight():
    features, weight = pyramid(torch.float64), torch.randn(4, 23, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: project_features(features, w, 6), weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_projection_that_leaves_its_type_is_refused(dtype):
    large = torch.finfo(dtype).max / 2
    feature, weight = torch.full((1, 4, 4, 4), large, dtype=dtype), torch.ones(3, 4, dtype=dtype)
    with pytest.raises(ValueError, match=f"features: their projection is too large for {dtype}"):
        project_features([feature], weight, 4)
    with pytest.raises(ValueError, match="features: expected finite numbers"):
        project_features([feature * 4], weight, 4)
    if dtype == torch.float16:  # in single precision trainings look at what they get
        with pytest.raises(ValueError, match="features: their projection is too large for torch.float16"):
            project_pixels([feature], weight, torch.arange(16)[None], 4)


def test_split_weight_hands_each_map_its_columns():
    weight = torch.arange(10.0).reshape(2, 5)
    parts = split_weight(weight, [2, 3])
    assert [part.shape[1] for part in parts] == [2, 3]
    torch.testing.assert_close(torch.cat(parts, 1), weight)


def test_bad_arguments_are_named():
    features = pyramid()
    with pytest.raises(ValueError, match="weight"):
        project_features(features, torch.zeros(4, 22), 8)
    with pytest.raises(ValueError, match="weight"):
        project_pixels(features, torch.zeros(4, 22), torch.zeros(2, 1, dtype=torch.long), 8)
    with pytest.raises(ValueError, match="pixels"):
        project_pixels(features, torch.zeros(4, 23), torch.tensor([[64], [0]]), 8)
    with pytest.raises(ValueError, match="mode"):
        concatenate_features(features, 8, "cubic")
    with pytest.raises(ValueError, match="features"):
        concatenate_features([], 8)
    with pytest.raises(ValueError, match="pixels"):
        gather_pixels(features, torch.tensor([[64], [0]]), 8)
    with pytest.raises(ValueError, match="pixels"):
        gather_pixels(features, torch.zeros(3, 1, dtype=torch.long), 8)
    with pytest.raises(ValueError, match=r"pixels: torch.float32 of shape \(2, 1\), expected int64"):
        gather_pixels(features, torch.zeros(2, 1), 8)
    with pytest.raises(ValueError, match="size: .*whole numbers"):
        concatenate_features(features, (16.5, 16))


@pytest.mark.parametrize("sizes", [(4, 8, 8, 16), (4, 16), (3, 6, 12), (5, 16), (4, 6, 12), (32, 8), (150, 100)])
@pytest.mark.parametrize("target", [16, 32, 48, 130, 192])
def test_maps_of_any_sizes_are_projected_as_the_concatenated_map_is(sizes, target):
    rng = fresh(9)
    features = [torch.randn(2, 3, size, size, generator=rng) for size in sizes]
    for dim in (4, 40):
        weight = torch.randn(dim, 3 * len(sizes), generator=rng)
        for mode in ("nearest", "bilinear"):
            expected = torch.einsum("dc,nchw->ndhw", weight, concatenate_features(features, target, mode))
            torch.testing.assert_close(project_features(features, weight, target, mode), expected, atol=1e-4, rtol=1e-4)


def test_half_precision_takes_the_pixels_of_single_precision():
    feature = torch.randn(1, 4, 64, 64, generator=fresh(10)).bfloat16()
    pixels = torch.arange(512**2)[None, ::997]
    picked = gather_pixels([feature], pixels, 512, "bilinear").float()
    exact = gather_pixels([feature.float()], pixels, 512, "bilinear")
    torch.testing.assert_close(picked, exact, atol=0.05, rtol=0)


@pytest.mark.parametrize("pixels", [1, 40, 100, 256, 10**6])
def test_strips_one_below_the_other_are_the_whole_map(pixels):
    rng = fresh(8)
    features = [torch.randn(2, 3, size, size, generator=rng) for size in (4, 8, 8, 16)]
    strips = list(row_strips(features, 16, pixels))
    rows, width = strips[0][1]
    assert width == 16 and (rows == 1 or 2 * rows * 16 <= pixels) and rows * len(strips) == 16
    below = torch.cat([concatenate_features(maps, target) for maps, target in strips], dim=2)
    assert torch.equal(below, concatenate_features(features, 16))


@pytest.mark.parametrize("size", range(1, 33))
def test_no_row_of_any_map_is_lost_in_strips(size):
    for height in range(1, size + 1):
        features = [torch.arange(height * size, dtype=torch.float32).view(1, 1, height, size)]
        for pixels in (1, size, size * size):
            strips = list(row_strips(features, size, pixels))
            below = torch.cat([concatenate_features(maps, target) for maps, target in strips], dim=2)
            assert torch.equal(below, concatenate_features(features, size)), (height, pixels)


def test_maps_whose_sizes_do_not_divide_stay_whole():
    features = [torch.zeros(1, 2, 5, 5), torch.zeros(1, 2, 16, 16)]
    [(maps, target)] = row_strips(features, 16, 1)
    assert target == (16, 16) and [tuple(m.shape) for m in maps] == [(1, 2, 5, 5), (1, 2, 16, 16)]


def test_doubling_twice_is_not_enlarging_at_once():
    noise = torch.randn(1, 8, 64, 64, generator=fresh(11))
    once = concatenate_features([noise], 256, "bilinear")
    twice = concatenate_features([concatenate_features([noise], 128, "bilinear")], 256, "bilinear")
    apart = float((once - twice).square().mean().sqrt() / once.square().mean().sqrt())
    assert 0.15 < apart < 0.25
