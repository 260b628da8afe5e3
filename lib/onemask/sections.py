"""The sections of a study's configuration, one model each: names, types, bounds and defaults.

Every key belongs to one section, so that a rule takes the sections that it uses and no others. Models whose
settings a module with torch defines too (training, annotator) repeat its names and defaults; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of every section: frozen, and a key that the model does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Resolution = Literal[32, 64, 128, 256, 512, 1024]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="hex SHA-256; `sha256sum FILE` prints it")]
Augmentation = Literal[
    "flip", "rotate90", "translate", "scale", "rotate", "stretch", "brightness", "contrast", "luma", "hue", "saturation"
]
REAL = "real"  # in the place of a method: a downstream training without synthetic images
RELEASED = "released"  # the authors' own latents and label maps: no images to invert
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Source(Section):
    """Where a file comes from: `zoo` (this repository), `url` (the web) or `train` (a rule here makes it).

    Generators may be a `checkpoint` as well: another project's format, from its `url` or a `file` of yours, converted;
    annotated sets `real`: images of the class's section `real`.
    A checkpoint's URL without `sha256` is trusted on first use: config/downloads.lock.json then holds its hash.
    """

    source: Literal["zoo", "url", "train", "real", "checkpoint"]
    file: str | None = None
    url: str | None = None
    sha256: Sha256 | None = None
    licence: str | None = Field(None, description="to be accepted (`accepted_licences`) before it is fetched")
    page: str | None = Field(None, description="where the file and its licence are described")

    @model_validator(mode="after")
    def _complete(self) -> Source:
        where = {"zoo": "file", "url": "url"}.get(self.source)
        if where and not (getattr(self, where) and self.sha256):
            raise ValueError(f"source: {self.source} needs `{where}` and `sha256`")
        if self.source == "checkpoint" and (self.file is None) == (self.url is None):
            raise ValueError("source: checkpoint needs either `url` or `file`")
        return self


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
    head: Literal["mlp1", "mlp3", "fcn3", "fcn5", "fcn7", "fcn9"] | None = None
    clustering: Literal["swav", "simclr", "kmeans", "samples"] | None = None
    fit_split: Literal["exemplars", "supervised"] = "exemplars"
    settings: dict[str, Any] = Field({}, description="the module's SETTINGS, or over the section heads")


def _untext(value: Any) -> Any:
    """Text as YAML reads it: Snakemake's command line hands over values within mappings as text."""
    if isinstance(value, Mapping):
        return {key: _untext(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_untext(inner) for inner in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


Grid = Annotated[dict[str, list[Any]], BeforeValidator(_untext)]


class TuningSettings(Section):
    """Trials on the tuning split: as many for every method, drawn from the method's own grid of values."""

    trials: Positive = 8
    exemplars: Positive = 4
    space: dict[str, Grid] = {}


class ExperimentSettings(Section):
    """One-shot runs beside Table 2's: every point of `grid` for every class, method, number of shots and replicate.

    Keys of `base` and `grid` are dotted, as in tuning.space; `method.head` is the method's head. A replicate is another
    seed of the clustering, 0 the study's own; unless stated there are the study's `clustering_seeds` of them, and one
    of a method without a clustering. Run i of n shots is fitted on the exemplars i, i + 1, ... i + n - 1.
    """

    classes: list[Name] | None = None
    methods: list[Name]
    exemplars: Positive = 5
    shots: list[Positive] = [1]
    replicates: list[Natural] | None = None
    base: Annotated[dict[str, Any], BeforeValidator(_untext)] = {}
    grid: Grid = {}


class RareSettings(Section):
    """Table 4: binary segmenters of the rare labels, each fitted on one of the label's own exemplars.

    The table shows the study's own clustering; `replicates`, other seeds of it, count for the claims alone. Unless
    stated they are those of the study's `clustering_seeds`.
    """

    methods: list[Name] = []
    exemplars: Positive = 5
    replicates: list[Positive] | None = None


class InversionSettings(Section):
    """Renders with exact masks, inverted into W+: a check on the annotator's labels."""

    methods: list[Name] = []
    exemplars: Positive = 5
    renders: Positive = 48
    keep: Positive = 24
    steps: Positive = 300
    min_psnr: float = 0.0


class SpeedSettings(Section):
    """Table 5: inference, one image at a time."""

    methods: list[Name] = []
    images: Positive = 30


class DownstreamSettings(Section):
    """Table 3: DeepLabV3 trained on real images, alone and with synthetic ones that a one-shot method annotated.

    Run i has exemplar i, clustering seed i, other samples and another initialisation. Every condition takes the same
    `steps`; the weights that are best on the validation split are scored on the test split.
    """

    classes: list[Name] | None = None
    methods: list[Name] = []
    ratios: list[Positive] = Field([1, 2, 5], min_length=1, description="synthetic images per real one")
    runs: Positive = 3
    real: Positive = Field(80, description="annotated real images to train on")
    validation: Positive = 40
    test: Positive = 200
    backbone: Literal["light", "resnet50", "resnet101"] = "light"
    steps: Positive = 300
    batch: int = Field(8, ge=2, description="batch norm needs two")
    learning_rate: PositiveFloat = 0.001
    weight_decay: float = Field(1e-4, ge=0)
    evaluate_every: Positive = 50

    @model_validator(mode="after")
    def _batches_are_full(self) -> DownstreamSettings:
        if self.batch > self.real:
            raise ValueError(f"batch: {self.batch} is more than the {self.real} real images")
        return self


class SDANetSettings(Section):
    """Section 8.2: SDANet trained on annotated scans, alone and with generated ones that `method` annotated.

    Runs are as in DownstreamSettings; `warm_up` and `evaluate_every` are steps.
    """

    method: str | None = Field(None, description="annotates the generated scans; null: no such test")
    ratios: list[Positive] = Field([1, 5, 10], min_length=1, description="synthetic scans per real one")
    runs: Positive = 3
    real: Positive = 40
    validation: Positive = 60
    test: Positive = 200
    body: Literal["light", "resnet101"] = "light"
    steps: Positive = 300
    batch: Positive = 4
    learning_rate: PositiveFloat = 0.02
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    warm_up: Natural = 50
    evaluate_every: Positive = 100


class TableSettings(Section):
    """Looks of Table 2: changing them re-runs the table alone."""

    metrics: list[Literal["wiou", "wiou_fg", "miou", "fg_iou"]] = ["wiou", "wiou_fg", "miou", "fg_iou"]
    decimals: Natural = 1
    spread: bool = True


class ScansSettings(Section):
    """Baggage scans in PIDRay's layout: the demo's own, or the archive that a user has unpacked in `root`."""

    version: Positive = 1
    root: str | None = Field(None, description="folder of the unpacked archive; null: scans are simulated")
    crop: Positive | None = Field(None, description="pixels a side, before resizing; null: the study's resolution")
    skip_bad: bool = Field(False, description="leave bad records out, and count them, instead of stopping")
    train: Positive = Field(20_000, description="images simulated")
    test: Positive = 500


PER_CLASS: dict[str, type[Section]] = {
    "generator_training": GeneratorTrainingSettings,
    "annotator": AnnotatorSettings,
    "annotated_set": AnnotatedSetSettings,
    "swav": SwAVSettings,
    "simclr": SimCLRSettings,
    "kmeans": KMeansSettings,
    "samples": SamplesSettings,
    "heads": HeadSettings,
}


class ClassSettings(Section):
    """One class: where its files come from, its methods (null: all), and every per-class section, resolved.

    A case study stands beside the others: Table 2 and what belongs to it leave it out. `scans` are its generator's
    training images where these come as PIDRay does.
    """

    generator: Source
    annotators: dict[Literal["first", "second"], Source] = {}
    annotated: Source
    real: RealSettings | None = None
    resolution: Resolution | None = Field(None, description="of its generator; null: the study's")
    methods: list[str] | None = None
    case_study: bool = False
    scans: ScansSettings | None = None
    generator_training: GeneratorTrainingSettings
    annotator: AnnotatorSettings
    annotated_set: AnnotatedSetSettings
    swav: SwAVSettings
    simclr: SimCLRSettings
    kmeans: KMeansSettings
    samples: SamplesSettings
    heads: HeadSettings

    @model_validator(mode="after")
    def _sources_fit(self) -> ClassSettings:
        refused = {"generator": {"real"}, "annotated": {"checkpoint"}, "annotators": {"real", "checkpoint"}}
        sources = [("generator", self.generator), ("annotated", self.annotated)]
        for name, source in [*sources, *(("annotators", source) for source in self.annotators.values())]:
            if source.source in refused[name]:
                raise ValueError(f"{name}: source {source.source} is not for this file")
        real = self.annotated.source == "real"
        if real != (self.real is not None):
            raise ValueError("real: belongs to `annotated: {source: real}`, and the other way round")
        if not real and len(self.annotators) != 2:
            raise ValueError("annotators: state `first` and `second`; their agreement measures annotator noise")
        return self


class Study(Section):
    """A whole study; see the module's docstring for how its layers merge."""

    study: Name
    version: Positive
    seed: Natural
    preset: Literal["paper", "release"] = "paper"
    truncation: Annotated[float, Field(gt=0, le=1)]
    resolution: Resolution
    generator_training: GeneratorTrainingSettings = GeneratorTrainingSettings()
    annotator: AnnotatorSettings = AnnotatorSettings()
    annotated_set: AnnotatedSetSettings = AnnotatedSetSettings()
    swav: SwAVSettings = SwAVSettings()
    simclr: SimCLRSettings = SimCLRSettings()
    kmeans: KMeansSettings = KMeansSettings()
    samples: SamplesSettings = SamplesSettings()
    heads: HeadSettings = HeadSettings()
    methods: dict[Name, MethodSettings]
    classes: dict[Name, ClassSettings]
    tuning: TuningSettings = TuningSettings()
    experiments: dict[Name, ExperimentSettings] = {}
    rare: RareSettings = RareSettings()
    inversion: InversionSettings = InversionSettings()
    speed: SpeedSettings = SpeedSettings()
    losses: LossesSettings = LossesSettings()
    downstream: DownstreamSettings = DownstreamSettings()
    sdanet: SDANetSettings = SDANetSettings()
    accepted_licences: list[str] = Field([], description="of checkpoints and data that are fetched")
    clustering_seeds: Positive = Field(1, description="of the experiments and rare labels that state no `replicates`")
    allow_failures: bool = Field(False, description="go on where a method fails on an exemplar; tables say so")
    table: TableSettings = TableSettings()

    @cached_property
    def class_names(self) -> list[str]:
        """The classes of Table 2."""
        return [name for name, entry in self.classes.items() if not entry.case_study]

    def methods_of(self, class_name: str) -> list[str]:
        """Names of the methods that a class runs, in the table's order."""
        chosen = self.classes[class_name].methods
        return [name for name in self.methods if chosen is None or name in chosen]

    @model_validator(mode="after")
    def _everything_is_stated(self) -> Study:
        """What a class or an experiment leaves to the study."""
        seeds = list(range(self.clustering_seeds))
        experiments = {
            name: entry if entry.replicates is not None else entry.model_copy(update={"replicates": seeds})
            for name, entry in self.experiments.items()
        }
        rare = self.rare if self.rare.replicates is not None else self.rare.model_copy(update={"replicates": seeds[1:]})
        classes = {
            name: entry if entry.resolution else entry.model_copy(update={"resolution": self.resolution})
            for name, entry in self.classes.items()
        }
        return self.model_copy(update={"experiments": experiments, "rare": rare, "classes": classes})

    @model_validator(mode="after")
    def _clusterings_fit_the_generators(self) -> Study:
        for name, entry in self.classes.items():
            for section in ("swav", "simclr", "kmeans"):
                check_clustering(getattr(entry, section), entry.resolution, f"classes.{name}.{section}")
        return self


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
