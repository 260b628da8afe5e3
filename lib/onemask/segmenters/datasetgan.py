"""DatasetGAN (Zhang et al., CVPR 2021) on one exemplar: an ensemble of pixel classifiers with a majority vote.

A member is Linear, ReLU, BatchNorm, Linear, ReLU, BatchNorm, Linear on a pixel's bilinearly upsampled features, of
widths 128 and 32 (256 and 128 from 32 labels on). Facts are those of the authors' release (decisions, Baselines):
weights of the linear layers N(0, .02), their biases 0, batch norms the identity at first; batches of 64 pixels in
random order; Adam; a member stops after more than `patience` batches in a row without a new lowest loss, counted from
epoch `warm_epochs` on, and keeps its last weights.

Where we differ: the ensemble trains as one stack of matrices; it predicts from maps at native size, batch norms folded
into the linear layers after them; a label that no exemplar holds has probability zero; the Jensen-Shannon divergence is
that of the members' probabilities, while the release takes the entropy of their mean logits; labels of fewer than 30
pixels stay, a cleaning that the release needs at 256 to 1024 px.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.errors import OnemaskError
from onemask.kernels.projection import gather_pixels, project_features
from onemask.optim import Adam
from onemask.progress import steps
from onemask.seeds import derive_seed
from onemask.segmenters.base import Features, check_label_maps, check_settings, fitted, of_most_uncertain, output_size
from onemask.segmenters.heads import merge_sizes

SETTINGS = ("members", "epochs", "learning_rate", "batch", "patience", "warm_epochs")
STATES_UNCERTAINTY = True
LEAST = {"members": 1, "epochs": 1, "batch": 2, "patience": 0, "warm_epochs": 0}
LINEAR = 3  # layers of a member
NAMES = ("weight", "bias")  # of each, at inference
WEIGHT_STD = 0.02
NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.1
TABLE_BYTES = 2**30  # a larger table of all training rows is not made: rows are gathered at each step

Stack = dict[str, Tensor]
Rows = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class EnsembleSettings:
    """`batch` in pixels, `patience` in batches; the release's `epoch > 3`, counted from 0, makes four warm epochs."""

    members: int = 10
    epochs: int = 100
    learning_rate: float = 0.001
    batch: int = 64
    patience: int = 50
    warm_epochs: int = 4

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if (value := getattr(self, name)) < least or value != int(value):
                raise OnemaskError(f"method settings: {name}: {value} is not a whole number of at least {least}")
        if not self.learning_rate > 0:
            raise OnemaskError(f"method settings: learning_rate: {self.learning_rate} is not positive")


class DatasetGAN:
    """Segmenter (see base): members vote for each pixel's label; of labels with equal votes the more probable wins."""

    def __init__(self, num_labels: int, seed: int, settings: EnsembleSettings) -> None:
        self.num_labels, self.seed, self.settings = num_labels, seed, settings
        self.layers: Stack | None = None  # folded: weight0 [M, 128, C], bias0 [M, 128], weight1, ...

    def represent(self, features: Features) -> list[Tensor]:
        """The maps at native sizes, neighbours of one size as one; a concatenated map of full size stays as it is."""
        return merge_sizes(features)

    def fit(self, features: Features, label_maps: Tensor) -> Self:
        """Learn from all pixels of all samples; OnemaskError when a member's loss is not finite."""
        check_label_maps(features, label_maps, self.num_labels)
        targets = label_maps.flatten().long()
        seeds = [derive_seed(self.seed, "member", number) for number in range(self.settings.members)]
        rows = training_rows(features, output_size(features))
        self.layers = folded(fit_members(rows, targets, self.num_labels, seeds, self.settings))
        missing = targets.bincount(minlength=self.num_labels) == 0
        self.layers["bias2"][:, missing] = -math.inf
        return self

    @torch.no_grad()
    def segment(self, representation: Sequence[Tensor]) -> Tensor:
        return torch.stack([self._vote(image) for image in _images(representation)])

    def predict(self, features: Features) -> Tensor:
        return self.segment(self.represent(features))

    @torch.no_grad()
    def probabilities(self, features: Features) -> Tensor:
        """Each member's label probabilities [M, N, C, H, W]; hand over as many images as memory holds of these."""
        images = [
            torch.stack([logits.softmax(dim=0) for logits in self._logits(image)])
            for image in _images(self.represent(features))
        ]
        return torch.stack(images, dim=1)

    def confident(self, features: Features) -> tuple[Tensor, Tensor]:
        """Label maps uint8 [N, H, W], and the members' mean probability [N, H, W] of each pixel's label."""
        labels, values = self.predict(features), []
        for number, image in enumerate(_images(features)):
            mean = self.probabilities(image).mean(dim=0)
            values.append(mean.gather(1, labels[number : number + 1, None].long())[:, 0])
        return labels, torch.cat(values)

    def uncertainty(self, features: Features) -> Tensor:
        """Per image [N] the mean of the Jensen-Shannon divergence over its 10 % most uncertain pixels, in nats."""
        scores = []
        for image in _images(features):
            scores.append(of_most_uncertain(jensen_shannon(self.probabilities(image)).flatten(1)))
        return torch.cat(scores)

    def __len__(self) -> int:
        return len(fitted(self.layers)["weight0"])

    def state(self) -> dict[str, Tensor]:
        return dict(fitted(self.layers))

    def restore(self, state: Mapping[str, Tensor]) -> Self:
        self.layers = {f"{name}{layer}": state[f"{name}{layer}"] for layer in range(LINEAR) for name in NAMES}
        return self

    def _logits(self, image: Features) -> Iterator[Tensor]:
        """Logits [C, H, W] of one image, member by member: a member's activations fit into the cache, all do not."""
        layers, size = fitted(self.layers), output_size(image)
        for number in range(len(self)):
            x = project_features(image, layers["weight0"][number], size, "bilinear")[0].flatten(1)
            x = x.add_(layers["bias0"][number, :, None])
            for layer in range(1, LINEAR):
                x = torch.addmm(layers[f"bias{layer}"][number, :, None], layers[f"weight{layer}"][number], x.relu_())
            yield x.unflatten(1, (size, size))

    def _vote(self, image: Features) -> Tensor:
        """Label map uint8 [H, W] of one image."""
        score: Tensor | float = 0.0
        for logits in self._logits(image):
            # The summed probabilities weigh less than one vote, and so decide between equal votes alone. Comparing with
            # the maximum is ten times faster than argmax over the first axis.
            score = score + (logits == logits.amax(dim=0)) + logits.softmax(dim=0) / (len(self) + 1)
        return score.argmax(dim=0).to(torch.uint8)


def jensen_shannon(probabilities: Tensor) -> Tensor:
    """Jensen-Shannon divergence [N, H, W] in nats of members' probabilities [M, N, C, H, W].

    JS = H(mean of p_m) - mean of H(p_m): zero where all members agree, at most log(min(M, C)).
    """
    mean = torch.special.entr(probabilities.mean(dim=0)).sum(dim=1)
    return (mean - torch.special.entr(probabilities).sum(dim=2).mean(dim=0)).clamp(min=0)


def training_rows(features: Features, size: int) -> Rows:
    """A function from indices [M, B] into the n * size * size pixels of all samples to their features [M, B, C].

    A table of all rows (7 MB per exemplar at 64 px and 416 channels) is made once, unless it would exceed TABLE_BYTES
    (1.4 GB per exemplar at 256 px and 5376 channels): then only what a step needs is gathered from the native maps.
    """
    # Channels last, gather_pixels reads the maps without copying them.
    maps = [feature.detach().contiguous(memory_format=torch.channels_last) for feature in features]
    count, pixels = len(maps[0]), size * size

    def gather(indices: Tensor) -> Tensor:
        rows = maps[0].new_empty(indices.numel(), sum(m.shape[1] for m in maps))
        images = indices.flatten() // pixels
        for image in range(count):
            here = (images == image).nonzero().flatten()
            own = indices.flatten()[here][None] % pixels
            rows[here] = gather_pixels([m[image : image + 1] for m in maps], own, size, "bilinear")[0]
        return rows.unflatten(0, indices.shape)

    if sum(m.shape[1] for m in maps) * count * pixels * maps[0].element_size() > TABLE_BYTES:
        return gather
    table = gather(torch.arange(count * pixels, device=maps[0].device))
    # index_select copies whole rows, several times faster than indexing does.
    return lambda indices: table.index_select(0, indices.flatten()).unflatten(0, indices.shape)


def fit_members(
    rows: Rows, targets: Tensor, num_labels: int, seeds: Sequence[int], settings: EnsembleSettings
) -> Stack:
    """Train a member per seed on targets int64 [P]: parameters and batch norms' statistics, members along axis 0.

    Every member has its own initial weights, order of pixels and early stop, and none sees another: the stack gives
    what as many trainings of one would, up to rounding. A last batch of one pixel has no variance and is left out.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    channels = rows(targets.new_zeros(1, 1)).shape[2]
    training = Training(initial_stack(channels, num_labels, generators), settings.learning_rate, targets.device)
    best, stale = [math.inf] * len(seeds), [0] * len(seeds)
    for epoch in steps(settings.epochs, "fit", shown=False):
        drawn = [torch.randperm(len(targets), generator=generators[member]) for member in training.active]
        order = torch.stack(drawn).to(targets.device)
        for start in range(0, len(targets) - 1, settings.batch):
            indices = order[:, start : start + settings.batch]
            losses = training.step(rows(indices), targets[indices])
            if epoch < settings.warm_epochs:
                continue
            for member, loss in zip(training.active, losses, strict=True):
                stale[member] = 0 if loss < best[member] else stale[member] + 1
                best[member] = min(best[member], loss)
            going = [row for row, member in enumerate(training.active) if stale[member] <= settings.patience]
            if len(going) < len(training.active):
                order = order[going]
                training.keep(going)
                if not going:
                    return training.result()
    training.keep([])
    return training.result()


class Training:
    """Members that still learn, stacked, with Adam; `active` holds the members' numbers, `finished` the others."""

    def __init__(self, stack: Stack, learning_rate: float, device: torch.device) -> None:
        self.stack = {name: tensor.to(device) for name, tensor in stack.items()}
        self.active = list(range(len(stack["weight0"])))
        self.finished: dict[int, Stack] = {}
        self.learnt = [tensor.requires_grad_() for name, tensor in self.stack.items() if not _is_statistic(name)]
        self.adam = Adam(self.learnt, learning_rate)

    def step(self, x: Tensor, targets: Tensor) -> list[float]:
        """One step on x [M, B, C] and targets [M, B]; the losses before it. OnemaskError if one is not finite."""
        losses = F.cross_entropy(logits_of(self.stack, x), targets, reduction="none").mean(dim=1)
        values = losses.tolist()
        if not all(map(math.isfinite, values)):
            raise OnemaskError(
                "datasetgan: a member's loss is not finite; lower its learning_rate or check the features"
            )
        self.adam.zero_grad()
        losses.sum().backward()
        self.adam.step()
        return values

    def keep(self, going: Sequence[int]) -> None:
        """Let the rows `going` learn on; the others are finished as they are."""
        for row in sorted({*range(len(self.active))} - {*going}):
            self.finished[self.active[row]] = {
                name: tensor.detach()[row].clone() for name, tensor in self.stack.items()
            }
        self.active = [self.active[row] for row in going]
        self.adam.zero_grad()
        for tensor in self.stack.values():
            tensor.data = tensor.data[going]
        self.adam.means = [mean[going] for mean in self.adam.means]
        self.adam.squares = [square[going] for square in self.adam.squares]

    def result(self) -> Stack:
        """All members in their order, once they are finished."""
        members = [self.finished[number] for number in sorted(self.finished)]
        return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def initial_stack(channels: int, num_labels: int, generators: Sequence[torch.Generator]) -> Stack:
    """Untrained members, one per generator: `weight`, `bias` of each linear layer, and of each batch norm `scale`,
    `shift`, `mean` and `variance`.
    """
    widths = [channels, *((256, 128) if num_labels >= 32 else (128, 32)), num_labels]
    count, stack = len(generators), {}
    for layer, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        drawn = [torch.randn(outputs, inputs, generator=generator) for generator in generators]
        stack[f"weight{layer}"] = WEIGHT_STD * torch.stack(drawn)
        stack[f"bias{layer}"] = torch.zeros(count, outputs)
        if layer < LINEAR - 1:
            stack |= {f"{name}{layer}": torch.ones(count, outputs) for name in ("scale", "variance")}
            stack |= {f"{name}{layer}": torch.zeros(count, outputs) for name in ("shift", "mean")}
    return stack


def logits_of(stack: Stack, x: Tensor) -> Tensor:
    """Training-mode logits [M, C, B] of x [M, B, channels]; updates the batch norms' running statistics in place."""
    x = x.transpose(1, 2)
    for layer in range(LINEAR):
        x = torch.baddbmm(stack[f"bias{layer}"][:, :, None], stack[f"weight{layer}"], x)
        if layer < LINEAR - 1:
            norm = (stack[f"{name}{layer}"].flatten() for name in ("mean", "variance", "scale", "shift"))
            # All members' channels side by side are one batch norm; views of the statistics are updated in place.
            normed = F.batch_norm(x.relu().flatten(0, 1)[None], *norm, True, NORM_MOMENTUM, NORM_EPSILON)
            x = normed.view_as(x)
    return x


def folded(stack: Stack) -> Stack:
    """The same members at inference as linear layers with ReLU between them alone, `weight` and `bias` of each.

    W (g r + h) + b = (W g) r + (W h + b), with g = scale / sqrt(variance + eps) and h = shift - g mean.
    """
    layers = {name: stack[name] for name in ("weight0", "bias0")}
    for layer in range(1, LINEAR):
        scale, shift, mean, variance = (stack[f"{n}{layer - 1}"] for n in ("scale", "shift", "mean", "variance"))
        weight, gain = stack[f"weight{layer}"], scale / (variance + NORM_EPSILON).sqrt()
        offset = torch.bmm(weight, (shift - gain * mean)[:, :, None])[:, :, 0]
        layers |= {f"weight{layer}": weight * gain[:, None], f"bias{layer}": stack[f"bias{layer}"] + offset}
    return layers


def build(settings: Mapping[str, Any], num_labels: int, clustering: Any, seed: int) -> DatasetGAN:
    """An unfitted segmenter; `clustering` is not used. OnemaskError for a key that is none of SETTINGS."""
    check_settings(settings, SETTINGS)
    return DatasetGAN(num_labels, seed, EnsembleSettings(**settings))


def _images(features: Features) -> Iterator[list[Tensor]]:
    """A batch's images one by one: nothing that an image gets may depend on its neighbours, rounding included."""
    for number in range(len(features[0])):
        yield [feature[number : number + 1] for feature in features]


def _is_statistic(name: str) -> bool:
    return name.startswith(("mean", "variance"))
