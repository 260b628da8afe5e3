"""Making an annotated set: generated samples, their label maps and rare masks, and splits fixed by seed alone.

Every split draws its latents from its own stream of seeds, so that no label decides which sample is an exemplar and
which a test, and so that a longer split leaves the others as they were. Only the rare splits look at labels, as they
must: their exemplars hold the label, and their test goes on until it holds enough positives, at the natural frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from onemask.data.annotated import AnnotatedSet
from onemask.demo.annotator import Annotator, holds, label_rates, pixel_iou
from onemask.errors import OnemaskError
from onemask.seeds import ANNOTATED_SEEDS, derive_seed

FIXED_SPLITS = ("exemplars", "tuning", "supervised", "test")


class Sampler(Protocol):
    """What is needed of a generator (onemask.stylegan2.protocol)."""

    def sample_ws(self, seeds: Sequence[int], truncation_psi: float) -> Tensor: ...

    def synthesize(self, ws: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class AnnotatedSetSettings:
    """Sizes of the splits (images), truncation of the latents (decision 4), limits of the search for rare labels.

    A rare label's test split is the test split itself, extended while it holds fewer than `rare_test_positives`.
    """

    exemplars: int = 20
    tuning: int = 60
    supervised: int = 200
    test: int = 120
    rare_exemplars: int = 20
    rare_test_positives: int = 20
    rare_search_cap: int = 4000  # images searched for rare exemplars
    rare_test_cap: int = 600  # images of a rare test split, at most
    rate_images: int = 1000  # images over which label rates are measured
    truncation: float = 0.7
    allow_fewer: bool = False  # at a cap, take what was found and say so in the report
    batch: int = 50


@dataclass
class Samples:
    """ws float32 [n, num_ws, w_dim], label_maps uint8 [n, H, W], rare: name -> bool [n, H, W]."""

    ws: Tensor
    label_maps: Tensor
    rare: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.ws)

    def pick(self, chosen: Tensor | slice) -> Samples:
        """The samples at `chosen` (int64 or bool tensor, or a slice)."""
        return Samples(self.ws[chosen], self.label_maps[chosen], {k: v[chosen] for k, v in self.rare.items()})


def join(parts: Sequence[Samples]) -> Samples:
    """Samples one after the other."""
    rare = {name: torch.cat([part.rare[name] for part in parts]) for name in parts[0].rare}
    return Samples(torch.cat([p.ws for p in parts]), torch.cat([p.label_maps for p in parts]), rare)


class Labeller:
    """A generator, an annotator and a seed: labelled samples of any stretch of any stream of latents.

    One progress bar counts all of its images: nobody knows how far the search for a rare label will go.
    """

    def __init__(self, generator: Sampler, annotator: Annotator, seed: int, batch: int) -> None:
        self.generator, self.annotator, self.seed, self.batch = generator, annotator, seed, batch
        self.progress = tqdm(desc="annotated set", mininterval=1, unit="img")

    def samples(self, stream: str, start: int, stop: int, truncation: float) -> Samples:
        """Samples `start` to `stop` of a stream; the seeds of different streams do not meet."""
        base = derive_seed(self.seed, "latents", stream) % ANNOTATED_SEEDS
        self.progress.set_postfix_str(stream, refresh=False)
        parts = []
        for first in range(start, stop, self.batch):
            last = min(first + self.batch, stop)
            parts.append(self._label(range(base + first, base + last), truncation))
            self.progress.update(last - first)
        return join(parts)

    @torch.no_grad()
    def _label(self, seeds: Sequence[int], truncation: float) -> Samples:
        """Latents are rounded to half precision first: the file is smaller, and holds exactly what was labelled."""
        ws = self.generator.sample_ws(list(seeds), truncation).half().float()
        return Samples(ws, *self.annotator.annotate(self.generator.synthesize(ws)))

    def positives(self, samples: Samples, name: str) -> Tensor:
        """bool [n]: which samples hold the rare label."""
        return holds(samples.rare[name], self.annotator.settings.rare_min_pixels)


def make_annotated_set(
    generator: Sampler,
    annotator: Annotator,
    second_annotator: Annotator,
    settings: AnnotatedSetSettings,
    seed: int,
) -> tuple[AnnotatedSet, dict[str, Any]]:
    """The annotated set of a class and its report: sizes, rare counts, label rates, agreement of the two annotators.

    The first annotator's labels are the truth. OnemaskError when a rare label is too seldom and `allow_fewer` is off.
    """
    labeller = Labeller(generator, annotator, seed, settings.batch)
    fixed = {
        split: labeller.samples(split, 0, getattr(settings, split), settings.truncation) for split in FIXED_SPLITS
    }
    extension, rare_tests = extend_rare_tests(labeller, fixed["test"], settings)
    exemplars = find_rare_exemplars(labeller, settings)
    second = relabel(generator, second_annotator, fixed["test"], settings.batch)
    report = {
        "rare": {name: rare_tests[name][1] | exemplars[name][1] for name in rare_tests},
        "rates": measure_rates(labeller, settings),
        "agreement": agreement(fixed["test"], second, annotator.labels.names),
        "annotators": [annotator.report, second_annotator.report],
    }
    parts = fixed | {"extension": extension} | {f"rare_exemplars/{k}": found for k, (found, _) in exemplars.items()}
    annotated = assemble(parts, {name: length for name, (length, _) in rare_tests.items()}, second, report)
    return annotated, report | {"splits": {name: len(indices) for name, indices in annotated.splits.items()}}


# ---------------------------------------------------------------- rare labels


def extend_rare_tests(
    labeller: Labeller, test: Samples, settings: AnnotatedSetSettings
) -> tuple[Samples, dict[str, tuple[int, dict[str, int]]]]:
    """The test stream continued until every rare label has its positives.

    Returns the samples after `test`, and per rare label how many of the stream's first samples are its test split (the
    test split itself, or up to the sample that completes the positives) with its counts.
    """
    samples, wanted = test, settings.rare_test_positives
    names = list(labeller.annotator.labels.rare)
    while len(samples) < settings.rare_test_cap and any(
        labeller.positives(samples, name).sum() < wanted for name in names
    ):
        stop = min(len(samples) + settings.batch, settings.rare_test_cap)
        samples = join([samples, labeller.samples("test", len(samples), stop, settings.truncation)])
    lengths = {name: _test_length(labeller.positives(samples, name), len(test), wanted) for name in names}
    result = {}
    for name, length in lengths.items():
        found = int(labeller.positives(samples, name)[:length].sum())
        _require(found, wanted, f"test positives of rare label {name!r}", length, "rare_test_cap", settings)
        result[name] = (length, {"test_images": length, "test_positives": found})
    return samples.pick(slice(len(test), max([len(test), *lengths.values()]))), result


def _test_length(positives: Tensor, shortest: int, wanted: int) -> int:
    """Length of the shortest prefix of at least `shortest` images with `wanted` positives; all when there are fewer."""
    enough = torch.nonzero(positives.cumsum(0) >= wanted)
    return max(shortest, int(enough[0]) + 1) if len(enough) else len(positives)


def find_rare_exemplars(
    labeller: Labeller, settings: AnnotatedSetSettings
) -> dict[str, tuple[Samples, dict[str, int]]]:
    """Per rare label, the first samples of the stream `rare exemplars` that hold it, with counts."""
    found: dict[str, list[Samples]] = {name: [] for name in labeller.annotator.labels.rare}
    searched, wanted = 0, settings.rare_exemplars

    def missing(name: str) -> int:
        return wanted - sum(map(len, found[name]))

    while searched < settings.rare_search_cap and any(missing(name) > 0 for name in found):
        stop = min(searched + settings.batch, settings.rare_search_cap)
        samples = labeller.samples("rare exemplars", searched, stop, settings.truncation)
        for name in found:
            chosen = torch.nonzero(labeller.positives(samples, name)).flatten()[: max(missing(name), 0)]
            found[name].append(samples.pick(chosen))
        searched = stop
    for name in found:
        what = f"exemplars of rare label {name!r}"
        _require(wanted - missing(name), wanted, what, searched, "rare_search_cap", settings)
    return {
        name: (join(parts), {"exemplars": wanted - missing(name), "exemplars_searched": searched})
        for name, parts in found.items()
    }


def _require(found: int, wanted: int, what: str, images: int, key: str, settings: AnnotatedSetSettings) -> None:
    if found < wanted and not settings.allow_fewer:
        raise OnemaskError(
            f"annotated_set: {found} of {wanted} {what} among {images} generated images; "
            f"raise annotated_set.{key}, or set annotated_set.allow_fewer"
        )


# ---------------------------------------------------------------- assembling


def assemble(
    parts: dict[str, Samples], rare_tests: dict[str, int], second: Samples, metadata: dict[str, Any]
) -> AnnotatedSet:
    """One AnnotatedSet: `parts` one after the other, each a split, but for `extension`, which the rare tests use."""
    ends = np.cumsum([len(part) for part in parts.values()])
    splits = {
        name: np.arange(end - len(part), end, dtype=np.int64)
        for (name, part), end in zip(parts.items(), ends, strict=True)
    }
    long_test = np.concatenate([splits["test"], splits.pop("extension")])
    splits |= {f"rare_test/{name}": long_test[:length] for name, length in rare_tests.items()}
    samples = join(list(parts.values()))
    rare = {name: mask.numpy() for name, mask in samples.rare.items()}
    ws = compact_ws(samples.ws).numpy()
    return AnnotatedSet(ws, samples.label_maps.numpy(), rare, splits, second.label_maps.numpy(), metadata)


def compact_ws(ws: Tensor) -> Tensor:
    """[n, num_ws, w_dim] -> [n, w_dim] when every sample is one w repeated, else unchanged."""
    return ws[:, 0].contiguous() if torch.equal(ws, ws[:, :1].expand_as(ws)) else ws


# ---------------------------------------------------------------- report


@torch.no_grad()
def relabel(generator: Sampler, annotator: Annotator, samples: Samples, batch: int) -> Samples:
    """The same samples with another annotator's labels."""
    return join([Samples(ws, *annotator.annotate(generator.synthesize(ws))) for ws in samples.ws.split(batch)])


def measure_rates(labeller: Labeller, settings: AnnotatedSetSettings) -> dict[str, dict[str, float]]:
    """Share of images that hold each label: renders (exact masks), and samples at psi 1 and at the study's psi."""
    annotator = labeller.annotator
    rates = {"renders": annotator.report["render_rates"]}
    for truncation in sorted({1.0, settings.truncation}, reverse=True):
        samples = labeller.samples("rates", 0, settings.rate_images, truncation)
        parts = label_rates(samples.label_maps, annotator.labels, annotator.settings.rare_min_pixels)
        rare = {f"rare/{name}": labeller.positives(samples, name).float().mean().item() for name in samples.rare}
        rates[f"generated_psi_{truncation:g}"] = parts | rare
    return rates


def agreement(first: Samples, second: Samples, names: Sequence[str]) -> dict[str, Any]:
    """How far two annotators agree, the first taken as truth.

    `iou`: mean over the images where either marks the label; `miou`: their mean over labels; `wiou_fg`: mean over
    images of the IoU weighted by the part's share of the foreground (decision 30); `rare`: IoU over all pixels.
    """
    iou, area = _iou_per_image(first.label_maps, second.label_maps, len(names))
    per_label = {name: iou[:, index].nanmean().item() for index, name in enumerate(names)}
    marked = [value for value in per_label.values() if value == value]
    weights = area[:, 1:] / area[:, 1:].sum(dim=1, keepdim=True).clamp(min=1)
    rare = {name: pixel_iou(first.rare[name], second.rare[name]) for name in first.rare}
    return {
        "images": len(first),
        "iou": {name: value if value == value else None for name, value in per_label.items()},
        "miou": sum(marked) / len(marked),
        "wiou_fg": (weights * iou[:, 1:].nan_to_num(0)).sum(dim=1).mean().item(),
        "rare": rare,
    }


def _iou_per_image(truth: Tensor, predicted: Tensor, num_labels: int) -> tuple[Tensor, Tensor]:
    """IoU [n, num_labels] (NaN where neither has the label) and true areas [n, num_labels] in pixels."""
    labels = torch.arange(num_labels, dtype=truth.dtype)[:, None, None]
    there, marked = truth[:, None] == labels, predicted[:, None] == labels
    intersection, union = (there & marked).sum(dim=(2, 3)), (there | marked).sum(dim=(2, 3))
    return intersection / union, there.sum(dim=(2, 3))
