"""Methods with random weights, which decide nothing about speed, on a generator's features."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from benchmarks.shapes import Shapes
from onemask.clustering.projection import FeatureProjection
from onemask.kernels.projection import concatenate_features
from onemask.segmenters.base import Segmenter, load_method
from onemask.segmenters.head_segmenter import HeadSegmenter
from onemask.segmenters.heads import initialise
from onemask.stylegan2.generator import Generator

LINEAR, LEAKY, THREE = "HFC, linear, MLP-1", "HFC, leaky ReLU, MLP-1", "HFC, leaky ReLU, MLP-3"
ENSEMBLE = "DatasetGAN"
UPSAMPLING = {ENSEMBLE: "bilinear"}  # how Eq. 8's map is made; for the others by nearest upsampling


@torch.no_grad()
def segmenters(generator: Generator, shapes: Shapes, device: str) -> dict[str, Segmenter]:
    """Table 5's methods, each with random weights, on one image of which every label has its share of the pixels."""
    hfc = partial(hfc_segmenter, generator, shapes, device)
    repurposegan = load_method("repurposegan").build({"head": "mlp3"}, shapes.labels, None, 0)
    heads = {
        LINEAR: hfc(None, "mlp1"),
        LEAKY: hfc(0.2, "mlp1"),
        THREE: hfc(0.2, "mlp3"),
        "HFC, leaky ReLU, FCN-3": hfc(0.2, "fcn3"),
        "RepurposeGAN, MLP-3": with_head(repurposegan, sum(generator.feature_channels), device),
    }
    _, features = generator.features(generator.sample_ws([0], 0.7))
    for segmenter in heads.values():  # else a random head gives one label everywhere
        logits = segmenter.head(*segmenter.represent(features))
        segmenter.head.layers[-1].bias -= logits.mean((0, 2, 3))
    ensemble = datasetgan(generator, shapes, device)
    layers = ensemble.state()
    layers["bias2"] = layers["bias2"] - ensemble.probabilities(features).log().mean((1, 3, 4))
    return heads | {ENSEMBLE: ensemble.restore(layers)}


def hfc_segmenter(generator: Generator, shapes: Shapes, device: str, slope: float | None, head: str) -> HeadSegmenter:
    """HFC with random weights."""
    random = torch.Generator().manual_seed(6)
    projection = FeatureProjection(sum(generator.feature_channels), shapes.dim, slope, generator=random)
    segmenter = load_method("hfc").build({"head": head}, shapes.labels, projection.to(device).requires_grad_(False), 0)
    return with_head(segmenter, shapes.dim, device)


def with_head(segmenter: HeadSegmenter, channels: int, device: str) -> HeadSegmenter:
    """As if fitted: a head of random weights."""
    network = segmenter.make_head(channels)
    initialise(network, torch.Generator().manual_seed(7))
    segmenter.head = network.to(device).requires_grad_(False)
    return segmenter


def datasetgan(generator: Generator, shapes: Shapes, device: str) -> Segmenter:
    """Its ensemble with random weights."""
    module = load_method("datasetgan")
    segmenter = module.build({}, shapes.labels, None, 0)
    random = [torch.Generator().manual_seed(number) for number in range(segmenter.settings.members)]
    stack = module.initial_stack(sum(generator.feature_channels), shapes.labels, random)
    return segmenter.restore({name: tensor.to(device) for name, tensor in module.folded(stack).items()})


@torch.no_grad()
def labelled(generator: Generator, segmenter: Segmenter, ws: Tensor, whole: str | None = None) -> tuple[Tensor, Tensor]:
    """Images and label maps; `whole` gives the segmenter Eq. 8's map, made by upsampling of that mode.

    Masks are made in float32 from any generator.
    """
    images, features = generator.features(ws)
    features = [feature.float() for feature in features]
    if whole:
        features = [concatenate_features(features, generator.resolution, whole)]
    return images, segmenter.predict(features)
