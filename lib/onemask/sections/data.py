"""Generators, their training images, and annotated sets."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from onemask.sections.base import Name, Natural, Positive, PositiveFloat, Section, Share

Augmentation = Literal[
    "flip", "rotate90", "translate", "scale", "rotate", "stretch", "brightness", "contrast", "luma", "hue", "saturation"
]


class GeneratorTrainingSettings(Section):
    """StyleGAN2-ADA training (onemask.training.settings). Raise `version` to train again: it stands in for a digest."""

    version: Positive = 1
    renders: Positive = 50_000
    z_dim: Positive = 64
    w_dim: Positive = 64
    channel_base: Positive = 1024
    channel_max: Positive = 64
    mapping_layers: Positive = 8
    unshuffle: Positive = 2
    kimg: PositiveFloat = 200.0
    batch: Positive = 16
    loss: Literal["logistic", "wasserstein"] = "logistic"
    adversarial_weight: PositiveFloat = 1.0
    gradient_penalty: float = Field(0.0, ge=0, description="its weight, at every step of the discriminator; 0: off")
    ppl_weight: float = Field(0.0, ge=0, description="path length regularisation; 0: off")
    ppl_interval: Positive = 4
    ppl_decay: Share = 0.01
    ppl_batch_shrink: Positive = 2
    learning_rate: PositiveFloat = 0.0025
    beta2: Share = 0.99
    r1_gamma: float = Field(0.1, ge=0)
    r1_interval: Positive = 16
    ema_kimg: PositiveFloat = 10.0
    ema_rampup: PositiveFloat = 0.05
    style_mixing: Share = 0.9
    mirror: bool = True
    ada_target: Share = Field(0.6, description="0 switches ADA off")
    ada_interval: Positive = 4
    ada_kimg: PositiveFloat = 500.0
    augmentations: tuple[Augmentation, ...] = get_args(Augmentation)
    precision: Literal["float32", "bfloat16"] = "float32"
    snapshot_kimg: PositiveFloat = 10.0
    milestone_kimg: float = Field(0.0, ge=0, description="between generators kept for a curve of scores; 0: none")
    processes: Positive = Field(1, description="torchrun processes of one machine, one GPU or one core each")
    start_from: str | None = Field(
        None, description="state.safetensors of another training that goes on here, its images counted in kimg"
    )


class LossesSettings(Section):
    """Losses of a generator's training, each of them changes to a class's `generator_training` (docs/baggan.md).

    `snakemake results/table_losses.tex` compares them after `kimg` thousand images; the case study trains `trial_kimg`
    of each beside its tables, so that the code is exercised.
    """

    kimg: Positive = 100
    trial_kimg: Positive = 2
    presets: dict[Name, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _train(self) -> LossesSettings:
        for changes in self.presets.values():
            GeneratorTrainingSettings.model_validate(changes)
        return self


class DegradeSettings(Section):
    """Largest strengths of the GAN-like degradations that an annotator learns from (onemask.demo.degrade)."""

    clean: Share = 0.15
    probability: Share = 0.5
    warp: float = Field(0.025, ge=0)
    colour: float = Field(0.25, ge=0)
    noise: float = Field(0.1, ge=0)
    blur: float = Field(1.2, ge=0)
    ringing: float = Field(1.5, ge=0)
    resample: Share = 1.0
    blocks: float = Field(0.08, ge=0)


class AnnotatorSettings(Section):
    """The U-Net that stands in for the human annotator (onemask.demo.annotator); `version` as for generators."""

    version: Positive = 1
    renders: Positive = 12_000
    steps: Positive = 2000
    batch: Positive = 32
    learning_rate: PositiveFloat = 3e-3
    weight_decay: float = Field(1e-2, ge=0)
    label_smoothing: Share = 0.02
    class_weight_power: float = Field(0.25, ge=0)
    rare_weight: float = Field(1.0, ge=0)
    widths: tuple[Positive, ...] = (24, 32, 64, 80, 80)
    rare_min_pixels: Positive = 6
    held_out: Positive = 1000
    degrade: DegradeSettings = DegradeSettings()


class RealSettings(Section):
    """Real annotated images in the place of an annotator, each inverted into W+.

    `data_set` is a module of onemask.data with a `read`; config/datasets/<data set>.<class>.yaml makes labels of parts.
    `released` are the authors' latents and label maps, which need neither.
    """

    data_set: Name
    root: str = Field(description="folder of the unpacked archive")
    min_psnr: float = Field(18.0, description="dB; images whose inversion is worse are left out, and counted")
    steps: Positive = 500
    perceptual: bool = Field(True, description="ImageNet features in the inversion's loss; needs the extra `score`")
    vgg16: str | None = Field(None, description="file of NVIDIA's vgg16.pt: its features in the place of the extra's")
    batch: Positive = 8


class AnnotatedSetSettings(Section):
    """Sizes of the annotated set's splits (onemask.demo.annotating); seeds alone decide membership (decision 6)."""

    version: Positive = 1
    exemplars: Positive = 20
    tuning: Positive = 60
    supervised: Positive = 200
    test: Positive = 120
    rare_exemplars: Natural = 20
    rare_test_positives: Natural = 20
    rare_search_cap: Positive = 4000
    rare_test_cap: Positive = 600
    rate_images: Positive = 1000
    allow_fewer: bool = False
    batch: Positive = 50


class ScansSettings(Section):
    """Baggage scans in PIDRay's layout: the demo's own, or the archive that a user has unpacked in `root`."""

    version: Positive = 1
    root: str | None = Field(None, description="folder of the unpacked archive; null: scans are simulated")
    crop: Positive | None = Field(None, description="pixels a side, before resizing; null: the class's resolution")
    skip_bad: bool = Field(False, description="leave bad records out, and count them, instead of stopping")
    packing: Literal["easy", "full"] = Field("easy", description="of the simulated bags: onemask.demo.baggage.PACKINGS")
    train: Positive = Field(20_000, description="images simulated")
    test: Positive = 500
