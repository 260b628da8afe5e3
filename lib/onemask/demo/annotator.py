"""The demo's stand-in for a human annotator: a small U-Net trained on renders and their exact masks.

It labels generated samples (decision 5, source `annotator`). It learns from degraded renders, because generated images
are softer and noisier than renders, and it is scored on renders of a seed range that it never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from onemask.demo.canvas import Rendered
from onemask.demo.degrade import DegradeSettings, degrade
from onemask.demo.worlds import seed_range
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors
from onemask.labels import LabelSet
from onemask.seeds import derive_seed
from onemask.stylegan2.images import from_pixels

Render = Callable[[Sequence[int]], Rendered]
STRIDE = 16  # the U-Net halves an image four times


@dataclass(frozen=True)
class AnnotatorSettings:
    """How an annotator is trained; `held_out` renders choose the rare thresholds, and as many others score it."""

    renders: int = 12000
    steps: int = 2000
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.02
    class_weight_power: float = 0.25  # class weights are label frequencies to minus this power
    rare_weight: float = 1.0
    widths: tuple[int, ...] = (24, 32, 64, 80, 80)
    rare_min_pixels: int = 6  # an image holds a rare label from this many pixels on
    held_out: int = 1000
    degrade: DegradeSettings = field(default_factory=DegradeSettings)


def _convolve(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """Ronneberger et al. 2015 with additive skips: images [N, 3, H, W] -> logits [N, outputs, H, W].

    Sides are multiples of 16. A coarse map is narrowed before it is upsampled and added to the finer one: half the work
    of concatenation.
    """

    def __init__(self, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.decoder, self.narrow = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = 3
        for level, width in enumerate(widths):
            stage = (_convolve(inputs, width, 1 if level == 0 else 2), _convolve(width, width))
            self.encoder.append(nn.Sequential(*stage))
            inputs = width
        for width in reversed(widths[:-1]):
            self.narrow.append(nn.Conv2d(inputs, width, 1))
            self.decoder.append(_convolve(width, width))
            inputs = width
        self.head = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        skips = []
        x = images
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        for narrow, stage, skip in zip(self.narrow, self.decoder, reversed(skips[:-1]), strict=True):
            x = stage(skip + F.interpolate(narrow(x), scale_factor=2, mode="bilinear", align_corners=False))
        return self.head(x)


class Annotator:
    """A trained U-Net with its label names, one threshold per rare label, and the report on its held-out quality."""

    def __init__(
        self,
        network: UNet,
        labels: LabelSet,
        thresholds: dict[str, float],
        settings: AnnotatorSettings,
        report: dict[str, Any],
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.labels, self.thresholds, self.settings, self.report = labels, thresholds, settings, report

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Label maps uint8 [N, H, W] and rare probabilities [N, R, H, W] of images [N, 3, H, W].

        Images are uint8, or float in [-1, 1]. OnemaskError when their sides are no multiples of 16.
        """
        if images.shape[-1] % STRIDE or images.shape[-2] % STRIDE:
            height, width = images.shape[-2:]
            raise OnemaskError(f"annotator: images are {height}x{width}; sides must be multiples of {STRIDE}")
        logits = self.network(to_unit(images).contiguous(memory_format=torch.channels_last))
        parts, rare = logits.split([len(self.labels), len(self.labels.rare)], dim=1)
        return parts.argmax(dim=1).to(torch.uint8), rare.sigmoid()

    def annotate(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Label maps uint8 [N, H, W] and, per rare label, masks bool [N, H, W].

        A rare mask of fewer than `rare_min_pixels` is emptied: an image either holds the label or does not.
        """
        label_maps, probabilities = self.probabilities(images)
        masks = {}
        for index, name in enumerate(self.labels.rare):
            mask = probabilities[:, index] > self.thresholds[name]
            masks[name] = mask & holds(mask, self.settings.rare_min_pixels)[:, None, None]
        return label_maps, masks

    def save(self, path: str | Path) -> None:
        """Write half-precision safetensors (the weights are exact in it) with names, thresholds and report."""
        tensors = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in self.network.state_dict().items()
        }
        metadata = {
            "kind": "annotator",
            "labels": list(zip(self.labels.names, self.labels.colours, strict=True)),
            "rare": list(self.labels.rare.items()),
            "thresholds": self.thresholds,
            "settings": asdict(self.settings),
            "report": self.report,
        }
        write_safetensors(path, tensors, metadata)

    @classmethod
    def load(cls, path: str | Path) -> Annotator:
        """Read what `save` wrote; OnemaskError for a file of another kind."""
        tensors, metadata = read_safetensors(path)
        if metadata.get("kind") != "annotator":
            raise OnemaskError(f"{path}: not an annotator; make it with the rule train_annotator")
        names, colours = zip(*metadata["labels"], strict=True)
        labels = LabelSet(names, colours, dict(metadata["rare"]))
        settings = settings_from(metadata["settings"])
        network = UNet(len(labels) + len(labels.rare), settings.widths)
        network.load_state_dict({name: tensor.to(_precision(tensor)) for name, tensor in tensors.items()})
        return cls(network, labels, metadata["thresholds"], settings, metadata["report"])


def _precision(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.is_floating_point() else tensor.dtype


def settings_from(values: dict[str, Any]) -> AnnotatorSettings:
    """AnnotatorSettings from plain nested values (a configuration or stored metadata)."""
    values = dict(values)
    if "degrade" in values:
        values["degrade"] = DegradeSettings(**values["degrade"])
    if "widths" in values:
        values["widths"] = tuple(values["widths"])
    return AnnotatorSettings(**values)


def to_unit(images: Tensor) -> Tensor:
    """uint8 or float images -> float in [-1, 1]."""
    return from_pixels(images) if images.dtype == torch.uint8 else images.float().clamp(-1, 1)


def holds(masks: Tensor, min_pixels: int) -> Tensor:
    """bool [N]: which masks [N, H, W] have at least `min_pixels` pixels."""
    return masks.flatten(1).sum(dim=1) >= min_pixels


# ---------------------------------------------------------------- training


def fit_annotator(render: Render, labels: LabelSet, settings: AnnotatorSettings, seed: int) -> Annotator:
    """Train an annotator on renders of the seed range `annotator`; `render(seeds)` draws the images of one world.

    Every step degrades a random batch anew. Weights are rounded to half precision before thresholds are chosen and
    quality is measured, so that the report describes the file that is shipped.
    """
    images, planes = _training_renders(render, labels, settings, seed)
    generator = torch.Generator().manual_seed(derive_seed(seed, "batches"))
    network = _new_network(len(labels) + len(labels.rare), settings, derive_seed(seed, "weights"))
    weights = class_weights(planes[:, 0], len(labels), settings.class_weight_power)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.1, cycle_momentum=False
    )
    progress = tqdm(range(settings.steps), desc="annotator", mininterval=1, unit="step")
    for step in progress:
        chosen = torch.randint(len(images), (settings.batch,), generator=generator)
        batch, masks = _flip(to_unit(images[chosen]), planes[chosen], generator)
        batch, masks = degrade(batch, masks, settings.degrade, generator)
        loss = annotation_loss(network(batch.contiguous(memory_format=torch.channels_last)), masks, weights, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            progress.set_postfix(loss=f"{loss.item():.3f}")
    annotator = Annotator(_round_to_half(network), labels, {}, settings, {})
    return _measured(annotator, render, seed)


def annotation_loss(logits: Tensor, planes: Tensor, weights: Tensor, settings: AnnotatorSettings) -> Tensor:
    """Weighted cross-entropy of the label map (plane 0) plus binary cross-entropy of the rare masks (the others)."""
    parts, rare = logits[:, : len(weights)], logits[:, len(weights) :]
    loss = F.cross_entropy(parts, planes[:, 0].long(), weights, label_smoothing=settings.label_smoothing)
    if rare.shape[1]:
        loss = loss + settings.rare_weight * F.binary_cross_entropy_with_logits(rare, planes[:, 1:].float())
    return loss


def class_weights(label_maps: Tensor, num_labels: int, power: float) -> Tensor:
    """Frequency to minus `power`, scaled so that the mean weight of a pixel is 1: small parts count, not too much."""
    counts = torch.bincount(label_maps.flatten(), minlength=num_labels)[:num_labels].float().clamp(min=1)
    frequency = counts / counts.sum()
    weights = frequency**-power
    return weights / (frequency * weights).sum()


def _training_renders(
    render: Render, labels: LabelSet, settings: AnnotatorSettings, seed: int
) -> tuple[Tensor, Tensor]:
    """uint8 images [n, 3, H, W] and planes [n, 1 + R, H, W]; each seed starts elsewhere in the range."""
    seeds = seed_range("annotator")
    start = derive_seed(seed, "renders") % (len(seeds) - settings.renders)
    batches = _render_batches(render, labels, seeds[start : start + settings.renders], desc="renders")
    images, planes = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(planes)


def _render_batches(
    render: Render, labels: LabelSet, seeds: range, desc: str, batch: int = 256
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches (images, planes); the label map is plane 0, the rare masks follow in the label set's order."""
    with tqdm(total=len(seeds), desc=desc, mininterval=1, unit="img") as progress:
        for start in range(0, len(seeds), batch):
            rendered = render(list(seeds[start : start + batch]))
            rare = [rendered.rare[name].to(torch.uint8) for name in labels.rare]
            yield rendered.images, torch.stack([rendered.label_maps, *rare], dim=1)
            progress.update(len(rendered.images))


def _new_network(outputs: int, settings: AnnotatorSettings, seed: int) -> UNet:
    """A U-Net with He-normal weights drawn from `seed` alone."""
    generator = torch.Generator().manual_seed(seed)
    network = UNet(outputs, settings.widths)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network.to(memory_format=torch.channels_last).train()


def _flip(images: Tensor, planes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror half of the images: no label of any class depends on left and right."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, images.flip(3), images), torch.where(mirrored, planes.flip(3), planes)


def _round_to_half(network: UNet) -> UNet:
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    return network


# ---------------------------------------------------------------- thresholds and held-out quality


def _measured(annotator: Annotator, render: Render, seed: int) -> Annotator:
    """The annotator with thresholds from the first `held_out` validation renders and a report on the next as many."""
    n, labels, settings = annotator.settings.held_out, annotator.labels, annotator.settings
    generator = torch.Generator().manual_seed(derive_seed(seed, "held out"))
    seeds = seed_range("validation")
    batches = list(_render_batches(render, labels, seeds[: 2 * n], desc="held out"))
    images = to_unit(torch.cat([images for images, _ in batches]))
    planes = torch.cat([planes for _, planes in batches])
    blurred, bent = degrade(images, planes, settings.degrade, generator)
    annotator.thresholds = choose_thresholds(
        annotator, torch.cat([images[:n], blurred[:n]]), torch.cat([planes[:n], bent[:n]])
    )
    annotator.report = {
        "seed": seed,
        "renders": n,
        "parameters": sum(p.numel() for p in annotator.network.parameters()),
        "thresholds": annotator.thresholds,
        "render_rates": _render_rates(planes, labels, settings.rare_min_pixels),
        "clean": held_out_quality(annotator, images[n:], planes[n:]),
        "degraded": held_out_quality(annotator, blurred[n:], bent[n:]),
    }
    return annotator


def choose_thresholds(annotator: Annotator, images: Tensor, planes: Tensor) -> dict[str, float]:
    """Per rare label, the threshold whose share of positive images comes nearest to the true share.

    Many thresholds may tie (a clear-cut label); the one with the best pixel IoU is taken.
    """
    settings = annotator.settings
    rare = torch.cat([annotator.probabilities(part)[1].half() for part in images.split(256)])
    chosen = {}
    for index, name in enumerate(annotator.labels.rare):
        truth = planes[:, 1 + index].bool()
        true_rate = holds(truth, settings.rare_min_pixels).float().mean()
        ranking = []
        for threshold in torch.arange(0.05, 0.96, 0.025).tolist():
            mask = rare[:, index] > threshold
            gap = (holds(mask, settings.rare_min_pixels).float().mean() - true_rate).abs().item()
            ranking.append((round(gap, 2), -pixel_iou(mask, truth), threshold))
        chosen[name] = round(min(ranking)[2], 3)
    return chosen


def pixel_iou(mask: Tensor, truth: Tensor) -> float:
    """Intersection over union of all pixels of two bool tensors; 1 when both are empty."""
    union = (mask | truth).sum().item()
    return (mask & truth).sum().item() / union if union else 1.0


def held_out_quality(annotator: Annotator, images: Tensor, planes: Tensor) -> dict[str, Any]:
    """IoU per label over all pixels of the set, their mean, and per rare label its IoU and rates of positive images."""
    predicted = [annotator.annotate(part) for part in images.split(256)]
    label_maps, truth = torch.cat([maps for maps, _ in predicted]), planes[:, 0]
    iou = {name: pixel_iou(label_maps == index, truth == index) for index, name in enumerate(annotator.labels.names)}
    quality: dict[str, Any] = {"miou": sum(iou.values()) / len(iou), "iou": iou}
    quality["rare"] = {}
    for index, name in enumerate(annotator.labels.rare):
        mask = torch.cat([masks[name] for _, masks in predicted])
        quality["rare"][name] = _rare_quality(mask, planes[:, 1 + index].bool(), annotator.settings.rare_min_pixels)
    return quality


def _rare_quality(mask: Tensor, truth: Tensor, min_pixels: int) -> dict[str, float]:
    found, there = holds(mask, min_pixels), holds(truth, min_pixels)
    both = (found & there).sum().item()
    return {
        "iou": pixel_iou(mask, truth),
        "rate_true": there.float().mean().item(),
        "rate_predicted": found.float().mean().item(),
        "precision": both / max(found.sum().item(), 1),
        "recall": both / max(there.sum().item(), 1),
    }


def _render_rates(planes: Tensor, labels: LabelSet, min_pixels: int) -> dict[str, float]:
    rare = {
        f"rare/{name}": holds(planes[:, 1 + index], min_pixels).float().mean().item()
        for index, name in enumerate(labels.rare)
    }
    return label_rates(planes[:, 0], labels, min_pixels) | rare


def label_rates(label_maps: Tensor, labels: LabelSet, min_pixels: int) -> dict[str, float]:
    """Share of label maps [N, H, W] that hold each part (at least `min_pixels` of it)."""
    return {
        name: holds(label_maps == index, min_pixels).float().mean().item() for index, name in enumerate(labels.names)
    }
