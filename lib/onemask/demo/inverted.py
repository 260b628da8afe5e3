"""Renders with exact masks, inverted into W+: test images whose truth owes nothing to the annotator (decision 5).

A method is fitted on the ordinary set's exemplars and scored on these twice: against the exact masks, and against the
annotator's labels of the very same images. If the ranking stands, the annotator's labels favour no method. An
inversion is good when the object is there: its PSNR is that of the foreground's pixels, since a
pale horse that is missing in front of a pale sky costs the whole image next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onemask.data.annotated import AnnotatedSet
from onemask.demo.annotator import to_unit
from onemask.demo.canvas import Rendered
from onemask.demo.worlds import seed_range
from onemask.errors import OnemaskError
from onemask.seeds import derive_seed
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.inversion import InversionSettings, invert, psnr
from onemask.stylegan2.latents import in_every_layer


@dataclass(frozen=True)
class InvertedSettings:
    """Of `renders` inversions those below `min_psnr` are left out, and the best `keep` of the others are kept.

    PSNR is in dB, over the foreground.
    """

    renders: int = 48
    keep: int = 24
    steps: int = 300
    min_psnr: float = 0.0


def make_inverted_set(
    generator: Generator,
    render: Callable[[Sequence[int]], Rendered],
    annotate: Callable[[Tensor], Tensor],
    annotated: AnnotatedSet,
    labels: Sequence[str],
    settings: InvertedSettings,
    seed: int,
) -> AnnotatedSet:
    """The exemplars of `annotated` (split `exemplars`) and inverted renders (split `test`).

    The test split holds each reconstruction twice: all with exact masks, then all in the same order with the
    annotator's labels. `render(seeds)` draws images of the generator's size, `annotate(images)` gives label maps uint8
    [N, H, W]. Latents are [n, num_ws, w_dim]. The metadata name generator
    and labels, and under `inversion` the kept renders' PSNR (dB; `psnr` of the foreground, `image_psnr` of the whole
    image) and how many were left out, and why. OnemaskError when fewer than `keep` renders reach `min_psnr`.
    """
    rendered = render(render_seeds(settings.renders, seed))
    targets = to_unit(rendered.images)
    inversion = invert(generator, targets, InversionSettings(steps=settings.steps), seed)
    reconstructed = generator.synthesize(inversion.ws)
    quality = psnr(reconstructed, targets, rendered.label_maps > 0)
    chosen = choose(quality, settings)
    exemplar_ws, exemplar_maps = annotated.split("exemplars")
    inverted_ws, exact = inversion.ws[chosen].numpy(), rendered.label_maps[chosen].numpy()
    ws = np.concatenate([in_every_layer(exemplar_ws, generator.num_ws).numpy(), inverted_ws, inverted_ws])
    label_maps = np.concatenate([exemplar_maps, exact, annotate(reconstructed[chosen]).numpy()])
    exemplars, test = np.split(np.arange(len(ws)), [len(exemplar_ws)])
    poor = settings.renders - int((quality >= settings.min_psnr).sum())
    metadata = {
        "generator": generator.fingerprint(),
        "labels": list(labels),
        "inversion": {
            "renders": settings.renders,
            "below_min_psnr": poor,
            "surplus": settings.renders - poor - len(chosen),
            "min_psnr": settings.min_psnr,
            "psnr": _rounded(quality[chosen]),
            "image_psnr": _rounded(inversion.psnr[chosen]),
        },
    }
    return AnnotatedSet(ws, label_maps, {}, {"exemplars": exemplars, "test": test}, metadata=metadata)


def render_seeds(count: int, seed: int) -> range:
    """Render seeds of the range `test`, which no generator and no annotator has seen; each seed starts elsewhere."""
    seeds = seed_range("test")
    start = derive_seed(seed, "renders") % (len(seeds) - count)
    return seeds[start : start + count]


def choose(quality: Tensor, settings: InvertedSettings) -> Tensor:
    """Indices, ascending, of the best `keep` inversions among those of a PSNR [N] of at least `min_psnr`."""
    good = torch.nonzero(quality >= settings.min_psnr).flatten()
    if len(good) < settings.keep:
        raise OnemaskError(
            f"inversion: {len(good)} of {len(quality)} renders reach {settings.min_psnr:g} dB, inversion.keep asks for "
            f"{settings.keep}; raise inversion.renders or inversion.steps, or lower inversion.min_psnr"
        )
    best = quality[good].argsort(descending=True, stable=True)[: settings.keep]
    return good[best].sort().values


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]
