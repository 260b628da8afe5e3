"""Clusterings, segmenters and the methods that are built from them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from onemask.sections.base import Natural, Positive, PositiveFloat, Section


class PerturbationSettings(Section):
    """Augmentation in W+ (decisions 9-12)."""

    method: Literal["interpolation", "noise"] = "interpolation"
    strength: float = Field(0.9, ge=0, le=1)
    sigma: float | None = Field(None, gt=0, description="noise only; null: displaces w as far as interpolation does")
    block: Literal["all"] | Natural = Field("all", description="`all`: a random block at every draw")


class ViewSettings(Section):
    """What is common to the clusterings that learn from two views of the same pixels."""

    dim: Positive = 128
    steps: Natural = Field(150, description="0: the untrained projection, an ablation")
    images_per_step: Positive = 4
    pixels: Positive = 4096
    perturbation: PerturbationSettings = PerturbationSettings()
    lr: PositiveFloat = 1.0
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-6, ge=0)
    lars_trust: PositiveFloat = 0.01
    activation: Literal["leaky_relu", "linear"] = "leaky_relu"
    upsampling: Literal["nearest", "bilinear"] = "nearest"


class SwAVSettings(ViewSettings):
    """HFC + SwAV (decisions 13-25)."""

    prototypes: Positive = 500
    temperature: PositiveFloat = 0.1
    epsilon: PositiveFloat = 0.05
    sinkhorn_iterations: Positive = 10
    sampling: Literal["random_pixels", "patches"] = "random_pixels"
    patch_size: Positive = 64
    marginals: Literal["uniform", "pixel_distribution"] = "uniform"
    local_loss: bool = True
    triton: bool = Field(True, description="Triton's kernels on a GPU, where installed (docs/performance.md)")


class SimCLRSettings(ViewSettings):
    """HFC + SimCLR: NT-Xent over corresponding pixels of two views."""

    pixels: Positive = 1024
    temperature: PositiveFloat = 0.5


class KMeansSettings(Section):
    """HFC + KMeans: mini-batch k-means on hidden features of sampled pixels."""

    clusters: Positive = 100
    layers: Literal["all", "merged"] | Natural = Field("all", description="or one block's maps, by its index")
    block_clusters: Positive = Field(16, description="of each block, before they are merged")
    images: Positive = 64
    pixels: Positive = 1024
    batch: Positive = 4096
    iterations: Positive = 100
    scaling: Literal["map_std", "none"] = "map_std"
    upsampling: Literal["nearest", "bilinear"] = "nearest"


class SamplesSettings(Section):
    """Unlabelled generated samples: what LAGM matches gradients on."""

    images: Positive = 16


class HeadSettings(Section):
    """The one-shot segmenters' optimisation, the same for every method but for its own settings (decisions 26-28)."""

    hidden: Positive = 32
    epochs: Positive = 200
    learning_rate: PositiveFloat = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    batch: Positive = Field(10, description="most images of a step: of more samples each step sees so many")


HEAD_EXTRAS = ("upsampling",)  # what `settings` of a method may state beside HeadSettings' keys


class MethodSettings(Section):
    """A row of the table: a module of onemask.segmenters, and what it is built from."""

    module: str
    title: str
    published: str | None = Field(None, description="row of the paper's Table 2, as `Method/segmenter`")
    head: Literal["mlp1", "mlp3", "fcn1", "fcn3", "fcn5", "fcn7", "fcn9"] | None = None
    clustering: Literal["swav", "simclr", "kmeans", "samples"] | None = None
    fit_split: Literal["exemplars", "supervised"] = "exemplars"
    settings: dict[str, Any] = Field({}, description="the module's SETTINGS, or over the section heads")


def check_clustering(settings: SwAVSettings | SimCLRSettings | KMeansSettings, resolution: int, where: str) -> None:
    """ValueError where a clustering asks for blocks or pixels that a generator of `resolution` does not have."""
    blocks, pixels = resolution.bit_length() - 2, resolution**2
    views = not isinstance(settings, KMeansSettings)
    block, key = (settings.perturbation.block, "perturbation.block") if views else (settings.layers, "layers")
    if isinstance(block, int) and block >= blocks:
        raise ValueError(f"{where}.{key}: {resolution} px have blocks 0 to {blocks - 1}")
    if not views:
        return
    patches = getattr(settings, "sampling", None) == "patches"
    if patches and settings.patch_size > resolution:
        raise ValueError(f"{where}.patch_size: larger than an image of {resolution} px")
    if patches and settings.patch_size**2 > settings.pixels // settings.images_per_step:
        raise ValueError(f"{where}.patch_size: no such patch fits into an image's share of {where}.pixels")
    if not patches and settings.pixels > settings.images_per_step * pixels:
        raise ValueError(f"{where}.pixels: more than the {pixels} of each of images_per_step images")
