"""The projection network: maps and gathered pixels agree, masking equals zeroed channels, files round-trip."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from onemask.clustering.projection import FeatureProjection
from onemask.errors import OnemaskError
from onemask.files import write_safetensors
from onemask.kernels.projection import concatenate_features


def make(slope: float | None = 0.2, mode: str = "nearest") -> FeatureProjection:
    return FeatureProjection(26, 5, slope, mode, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("slope", [0.2, None])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_maps_and_gathered_pixels_are_projected_alike(generator, slope, mode):
    projection = make(slope, mode)
    maps = generator.features(generator.sample_ws([1, 2], 1.0))[1]
    z = projection(maps, 16)
    reference = torch.einsum("dc,nchw->ndhw", projection.weight, concatenate_features(maps, 16, mode))
    reference = reference if slope is None else F.leaky_relu(reference, slope)
    torch.testing.assert_close(z, reference, atol=1e-5, rtol=0)
    pixels = torch.tensor([[0, 17, 255], [3, 100, 200]])
    gathered = projection.project_pixels(maps, pixels, 16)
    expected = torch.cat([image.flatten(1)[:, chosen].T for image, chosen in zip(z, pixels, strict=True)])
    torch.testing.assert_close(gathered, expected, atol=1e-5, rtol=0)


def test_leaving_maps_out_equals_zeroing_them_and_leaves_the_features_alone(generator):
    projection, maps = make(), generator.features(generator.sample_ws([1, 2], 1.0))[1]
    pixels = torch.tensor([[0, 17, 255], [3, 100, 200]])
    zeroed, untouched = [maps[0] * 0, maps[1] * 0, *maps[2:]], [feature.clone() for feature in maps]
    left_out = projection.project_pixels(maps, pixels, 16, 2)
    torch.testing.assert_close(left_out, projection.project_pixels(zeroed, pixels, 16))
    assert all(torch.equal(*pair) for pair in zip(maps, untouched, strict=True))
    left_out.square().sum().backward()
    assert (projection.weight.grad[:, :12] == 0).all() and (projection.weight.grad[:, 12:] != 0).any()


@pytest.mark.parametrize("slope", [0.1, None])
def test_a_saved_projection_is_the_same_function(tmp_path, generator, slope):
    projection, path = make(slope, "bilinear"), tmp_path / "swav.safetensors"
    projection.save(path, torch.eye(5))
    loaded = FeatureProjection.load(path)
    maps = generator.features(generator.sample_ws([5], 1.0))[1]
    assert torch.equal(loaded.weight, projection.weight)
    torch.testing.assert_close(loaded(maps, 16), projection(maps, 16).detach())


def test_another_kind_of_file_is_named(tmp_path):
    write_safetensors(tmp_path / "other.safetensors", {"weight": torch.eye(2)}, {"kind": "generator"})
    with pytest.raises(OnemaskError, match=r"other\.safetensors"):
        FeatureProjection.load(tmp_path / "other.safetensors")
