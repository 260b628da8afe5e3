"""LAGM (Yang et al., ICLR 2022) adapted to one shot: an annotator that learns by gradient matching (docs/lagm.md).

Two networks learn together. The annotator labels generated images by the generator's hidden features. The student, in
place of the segmentation network that the labels are meant for, sees the last block's maps alone: they stand for the
image, which a segmenter here does not get. The annotator's soft labels on unlabelled samples are to give the student
the gradient that the annotated exemplar gives it. The annotator alone predicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from onemask.errors import OnemaskError
from onemask.kernels.projection import project_features
from onemask.optim import Adam
from onemask.progress import steps
from onemask.segmenters.base import Features, check_label_maps, check_settings, fitted, output_size
from onemask.segmenters.heads import FCN, NEGATIVE_SLOPE, initialise

SETTINGS = ("width", "student_width", "steps", "batch", "learning_rate", "matching")
DILATIONS = (1, 2, 4)  # of the student's 3x3 convolutions: DeepLab's means of seeing far at full size


class Samples(Protocol):
    """Feature maps [images, C_l, h_l, w_l] of unlabelled generated images."""

    features: Sequence[Tensor]

    def __len__(self) -> int:
        """Number of images."""
        ...

    def take(self, indices: Tensor, device: torch.device | str) -> list[Tensor]:
        """The maps of some images, float32."""
        ...


@dataclass(frozen=True)
class LagmSettings:
    """`batch` is the most samples, and the most exemplars, of a step; `matching` weighs the matching term, 0: none."""

    width: int = 32
    student_width: int = 32
    steps: int = 100
    batch: int = 2
    learning_rate: float = 0.003
    matching: float = 0.03


class Annotator(nn.Module):
    """Logits from hidden features: 1x1 lateral convolutions, their top-down sum, three 3x3 convolutions.

    With nearest upsampling, doubling again and again is enlarging at once, and a 1x1 convolution commutes with it: the
    top-down sum is the projection of the concatenated map, taken at native sizes (decision 13).
    """

    def __init__(self, in_channels: int, width: int, num_labels: int) -> None:
        super().__init__()
        self.lateral = nn.utils.skip_init(nn.Conv2d, in_channels, width, 1)
        self.refine = FCN(width, num_labels, layers=3, hidden=width)

    def forward(self, features: Features) -> Tensor:
        """Logits [N, num_labels, H, W] of maps [N, C_l, h_l, w_l], at the size of the largest."""
        size = output_size(features)
        summed = project_features(features, self.lateral.weight.flatten(1), size) + self.lateral.bias[:, None, None]
        return self.refine(self.refine.prepare([summed], size), size)


class Student(nn.Module):
    """A small segmentation network of 3x3 convolutions with a 1x1 classifier at its end."""

    def __init__(self, in_channels: int, width: int, num_labels: int) -> None:
        super().__init__()
        inputs = [in_channels, *[width] * (len(DILATIONS) - 1)]
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Conv2d, channels, width, 3, padding=dilation, dilation=dilation)
            for channels, dilation in zip(inputs, DILATIONS, strict=True)
        )
        self.classifier = nn.utils.skip_init(nn.Conv2d, width, num_labels, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier's input phi [N, width, H, W] and logits [N, num_labels, H, W] of `image` [N, C, H, W]."""
        phi = image.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            phi = F.leaky_relu(layer(phi), NEGATIVE_SLOPE)
        return phi, self.classifier(phi)


class Lagm:
    """Segmenter (see base) that learns an annotator from exemplars and `samples`.

    Labels that no exemplar holds have no place in the networks: they are never predicted, and no row of the gradient is
    about nothing.
    """

    def __init__(self, samples: Samples, num_labels: int, seed: int, settings: LagmSettings) -> None:
        self.samples, self.num_labels, self.seed, self.settings = samples, num_labels, seed, settings
        self.labels: Tensor | None = None  # uint8 [C], those that the exemplars hold
        self.annotator: Annotator | None = None

    def represent(self, features: Features) -> list[Tensor]:
        """The maps as they are: what the annotator makes of them depends on the exemplar."""
        return list(features)

    def fit(self, features: Features, label_maps: Tensor) -> Self:
        check_label_maps(features, label_maps, self.num_labels)
        self._check_samples(features)
        self.labels, targets = label_maps.unique(return_inverse=True)
        rng = torch.Generator().manual_seed(self.seed)
        self.annotator = fit_annotator(features, targets, len(self.labels), self.samples, self.settings, rng)
        return self

    @torch.no_grad()
    def segment(self, representation: Sequence[Tensor]) -> Tensor:
        return self.labels[fitted(self.annotator)(representation).argmax(dim=1)]

    def predict(self, features: Features) -> Tensor:
        return self.segment(self.represent(features))

    def state(self) -> dict[str, Tensor]:
        return {"labels": self.labels, **fitted(self.annotator).state_dict()}

    def restore(self, state: Mapping[str, Tensor]) -> Self:
        self.labels = state["labels"]
        width, in_channels = state["lateral.weight"].shape[:2]
        self.annotator = Annotator(in_channels, width, len(self.labels)).requires_grad_(False).to(self.labels.device)
        self.annotator.load_state_dict({name: tensor for name, tensor in state.items() if name != "labels"})
        return self

    def _check_samples(self, features: Features) -> None:
        found, expected = ([tuple(m.shape[1:]) for m in maps] for maps in (self.samples.features, features))
        if found != expected:
            raise OnemaskError(f"samples: maps are {found}, the exemplar's {expected}; draw samples of this generator")


def fit_annotator(
    features: Features,
    label_maps: Tensor,
    num_labels: int,
    samples: Samples,
    settings: LagmSettings,
    generator: torch.Generator,
) -> Annotator:
    """Learn from exemplars' maps [n, C_l, h_l, w_l], their label maps int64 [n, H, W], and samples.

    In each step both networks learn from one forward pass: the annotator from the exemplars' labels and the student's
    gradients, the student from the labels that the annotator gave. OnemaskError when a loss is not finite.
    """
    size = output_size(features)
    channels = [feature.shape[1] for feature in features]
    seen = [number for number, feature in enumerate(features) if feature.shape[-1] == size]
    annotator = Annotator(sum(channels), settings.width, num_labels)
    student = Student(sum(channels[number] for number in seen), settings.student_width, num_labels)
    networks = (annotator, student)
    for network in networks:
        initialise(network, generator)
        network.to(features[0].device)
    optimisers = [Adam(network.parameters(), settings.learning_rate) for network in networks]
    for step in steps(settings.steps, "fit", shown=False):
        shots = _pick(len(label_maps), settings.batch, generator)
        drawn = samples.take(_pick(len(samples), settings.batch, generator), features[0].device)
        maps = [torch.cat([own.detach()[shots], other]) for own, other in zip(features, drawn, strict=True)]
        truth = F.one_hot(label_maps[shots], num_labels).permute(0, 3, 1, 2).float()
        logits = annotator(maps)
        soft = logits[len(shots) :].softmax(dim=1)
        phi, guessed = student(torch.cat([maps[number] for number in seen], dim=1))
        fixed = guessed.detach(), phi.detach()
        wanted = classifier_gradient(*(x[: len(shots)] for x in fixed), truth)
        given = classifier_gradient(*(x[len(shots) :] for x in fixed), soft)
        # The first term, the exemplar's own cross entropy, is the one-shot adaptation.
        loss = F.cross_entropy(logits[: len(shots)], truth) + settings.matching * gradient_distance(given, wanted)
        student_loss = F.cross_entropy(guessed, torch.cat([truth, soft.detach()]))
        if not (loss + student_loss).isfinite():
            raise OnemaskError(f"lagm: the loss of step {step} is not finite; lower the method's `learning_rate`")
        for optimiser in optimisers:
            optimiser.zero_grad()
        (loss + student_loss).backward()  # two graphs without a common parameter
        for optimiser in optimisers:
            optimiser.step()
    return annotator.requires_grad_(False)


def classifier_gradient(logits: Tensor, phi: Tensor, targets: Tensor) -> Tensor:
    """Gradient [C, D] of the mean cross entropy with respect to the weight of a 1x1 classifier.

    `logits` [N, C, H, W] are the classifier's of phi [N, D, H, W]; `targets` [N, C, H, W] are shares of the labels. The
    closed form, mean over pixels of (softmax - target) phi^T, is differentiable in the targets at first order.
    """
    error = logits.softmax(dim=1) - targets
    return torch.einsum("nchw,ndhw->cd", error, phi) / error[:, 0].numel()


def gradient_distance(given: Tensor, wanted: Tensor) -> Tensor:
    """Mean over filters, the rows of gradients [C, D], of the cosine distance; a row of zeros is 1 from anything."""
    return 1 - F.cosine_similarity(given, wanted, dim=1).mean()


def build(settings: Mapping[str, Any], num_labels: int, clustering: Samples | None, seed: int) -> Lagm:
    """An unfitted segmenter; OnemaskError without samples and for settings that LagmSettings does not take."""
    if not hasattr(clustering, "take"):
        raise OnemaskError("method module lagm: needs unlabelled samples; set `clustering: samples` for the method")
    return Lagm(clustering, num_labels, seed, _settings(settings))


def _settings(settings: Mapping[str, Any]) -> LagmSettings:
    check_settings(settings, SETTINGS)
    for key, default in ((field.name, field.default) for field in fields(LagmSettings)):
        value = settings.get(key, default)
        kinds, least = (int, 1) if isinstance(default, int) else ((int, float), 0)
        if not isinstance(value, kinds) or value < least or (key == "learning_rate" and value == 0):
            raise OnemaskError(f"method settings: {key} is {value!r}; the default is {default}")
    return LagmSettings(**settings)


def _pick(count: int, most: int, generator: torch.Generator) -> Tensor:
    """Different indices below `count`, at most `most`, at random."""
    return torch.randperm(count, generator=generator)[:most]
