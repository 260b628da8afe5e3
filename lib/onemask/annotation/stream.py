"""Generated images and their predicted label maps, streamed into a labelled data set."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from onemask.annotation.labeller import Labeller, labelled, uncertainty_of
from onemask.data.labelled import LabelledWriter
from onemask.progress import announce
from onemask.seeds import SYNTHETIC_SEEDS, derive_seed
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import FeatureGenerator, images_at_once

CALIBRATION = 200  # samples from which the threshold of the uncertainty is taken


@dataclass
class Timing:
    """Seconds spent on generating with features, on labelling and on writing; images written and left out."""

    generating: float = 0.0
    labelling: float = 0.0
    writing: float = 0.0
    images: int = 0
    left_out: int = 0  # too uncertain

    def report(self) -> str:
        """One line: rate, and what labelling adds to generating."""
        total = self.generating + self.labelling + self.writing
        rate = self.images / total if total else 0.0
        added = self.labelling / self.generating if self.generating else 0.0
        return (
            f"{self.images} images, {rate:.1f} a second with writing; generating {self.generating:.1f} s,"
            f" labelling {self.labelling:.1f} s ({added:.0%} of it), writing {self.writing:.1f} s"
            + (f"; {self.left_out} left out as uncertain" if self.left_out else "")
        )


def write_dataset(
    writer: LabelledWriter,
    generator: FeatureGenerator,
    labeller: Labeller,
    count: int,
    truncation: float,
    seed: int,
    batch: int = 8,
    most_certain: float = 1.0,
) -> Timing:
    """Label images until the data set holds `count`; image i has a latent seed of its own, kept in its record.

    With `most_certain` below 1 images whose uncertainty exceeds that quantile of CALIBRATION samples are left out
    (DatasetGAN's filter); OnemaskError where the segmenter states no uncertainty.
    """
    base, batch = derive_seed(seed, "annotate") % SYNTHETIC_SEEDS, images_at_once(generator, batch)
    threshold = None if most_certain >= 1 else calibrate(generator, labeller, base, truncation, batch, most_certain)
    timing, next_seed = Timing(), base + CALIBRATION
    if len(writer):
        next_seed = writer.records[-1]["seed"] + 1
    with tqdm(total=count, initial=len(writer), desc="annotate", unit="img", mininterval=1) as progress:
        while len(writer) < count:
            announce("annotate", len(writer), count)
            seeds = range(next_seed, next_seed + batch)
            next_seed += batch
            kept = label(generator, labeller, seeds, truncation, threshold, timing)
            start = time.perf_counter()
            for image, label_map, own in kept[: count - len(writer)]:
                writer.add(image, label_map, seed=own)
                progress.update()
                timing.images += 1
            timing.writing += time.perf_counter() - start
    return timing


@torch.no_grad()
def label(
    generator: FeatureGenerator,
    labeller: Labeller,
    seeds: range,
    truncation: float,
    threshold: float | None,
    timing: Timing,
) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """(image uint8 [R, R, 3], label map uint8 [R, R], seed) of those of the seeds that are certain enough."""
    start = time.perf_counter()
    generated, features = generator.features(generator.sample_ws(seeds, truncation))
    images = to_pixels(generated, generator.resolution)
    middle = time.perf_counter()
    kept = list(range(len(seeds)))
    if threshold is None:
        label_maps = labeller.segmenter.predict(features)
    else:
        label_maps, uncertainty = labelled(labeller.segmenter, features)
        kept = (uncertainty <= threshold).nonzero().flatten().tolist()
    found = label_maps.cpu().numpy()
    timing.generating += middle - start
    timing.labelling += time.perf_counter() - middle
    timing.left_out += len(seeds) - len(kept)
    return [(images[i], found[i], seeds[i]) for i in kept]


def calibrate(
    generator: FeatureGenerator, labeller: Labeller, base: int, truncation: float, batch: int, share: float
) -> float:
    """The uncertainty below which `share` of CALIBRATION samples lie; their seeds are used for nothing else."""
    scores = []
    with torch.no_grad():
        for start in range(base, base + CALIBRATION, batch):
            ws = generator.sample_ws(range(start, min(start + batch, base + CALIBRATION)), truncation)
            scores.append(uncertainty_of(labeller.segmenter, generator.features(ws)[1]))
    return float(torch.cat(scores).quantile(share))
