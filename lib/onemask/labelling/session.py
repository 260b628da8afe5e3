"""What a labelling session holds and does; it knows nothing of the web.

On disk a folder: session.json (whose generator, which labels), masks/<seed>_<100 x truncation>.png, a clustering once
it is made, labeller/ once a segmenter is fitted. A mask is on the disk before its page is answered, so that nothing but
the stroke being drawn can be lost.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import shutil
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from onemask.annotation.command import label_images
from onemask.annotation.labeller import (
    CLUSTERING,
    LABELS,
    SEGMENTER,
    Labeller,
    fit_clustering,
    fit_labeller,
    labelled,
    load_labeller,
)
from onemask.clustering.projection import FeatureProjection
from onemask.data.annotated import AnnotatedSet, write_annotated
from onemask.data.colours import palette_image
from onemask.data.labelled import LabelledWriter, read_label_map
from onemask.errors import OnemaskError
from onemask.files import atomic, read_json, read_safetensors, sha256, write_json
from onemask.labelling.setup import Setup
from onemask.labelling.worker import Worker
from onemask.labels import LabelSet
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.protocol import FeatureGenerator

CACHED = 64  # images, and predictions
AT_ONCE = 2  # predictions
METHOD = "method.json"  # in labeller/, beside what `fit_labeller` keeps
MOST_SEED = 2**31
EMPTY = "0"  # the version of a mask that holds nothing
PIXELS_AT_ONCE = 1 << 16
UNPAINTED = "no sample is painted yet: an empty mask teaches nothing; paint one"
UNFITTED = "nothing is fitted yet; paint a sample, then fit"


class Conflict(OnemaskError):
    """A mask was changed elsewhere since it was read."""


class Sample(NamedTuple):
    """One that the generator draws: the latent's seed, and how far it is pulled to the mean, in steps of 0.01."""

    seed: int
    truncation: float

    @property
    def stem(self) -> str:
        """Of its file; the inverse of `parse`."""
        return f"{self.seed}_{round(100 * self.truncation):03d}"

    @classmethod
    def parse(cls, stem: str) -> Sample | None:
        """None for another file's stem."""
        found = re.fullmatch(r"(\d+)_(\d{3})", stem)
        return cls(int(found[1]), int(found[2]) / 100) if found else None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A segmenter, its number (what was predicted by an older one is stale) and the title of its method."""

    number: int
    labeller: Labeller
    method: str


@dataclass(frozen=True)
class Prediction:
    """image uint8 [R, R, 3], label_map uint8 [R, R]; uncertainty None where the method states none."""

    image: np.ndarray
    label_map: np.ndarray
    uncertainty: float | None


class Session:
    """Masks of some samples of a generator, the segmenter fitted on them, and its predictions of others."""

    def __init__(self, folder: Path, generator: FeatureGenerator, labels: LabelSet, setup: Setup) -> None:
        """Opens the folder's session, or begins one; OnemaskError where it is of another generator or other labels.

        What cannot be read is put aside, and said in `notes`.
        """
        self.folder, self.generator, self.labels, self.setup = folder, generator, labels, setup
        self.size = generator.resolution
        self.run = secrets.token_hex(4)  # a page that was left open sees by it that the server was started again
        self.notes: list[str] = []
        self._keep_to({"generator": generator.fingerprint(), "labels": list(labels.names)})
        self.masks: dict[Sample, np.ndarray] = {}
        for path in sorted((folder / "masks").glob("*.png")):
            if sample := Sample.parse(path.stem):
                with self._putting_aside(path):
                    self.masks[sample] = read_label_map(path, labels, self.size)
        self.worker, self._lock = Worker(), threading.Lock()
        self._predicting = threading.BoundedSemaphore(AT_ONCE)
        self.fitted: Fitted | None = None
        kept = folder / "labeller"
        _put_in_place(folder / "labeller.next", kept)
        if (kept / LABELS).is_file():
            with self._putting_aside(kept):
                title = read_json(kept / METHOD)["title"] if (kept / METHOD).is_file() else ""
                self.fitted = Fitted(1, load_labeller(kept, generator), title)
        self.image = lru_cache(CACHED)(self._image)
        self._predicted = lru_cache(CACHED)(self._predict)

    @contextmanager
    def _putting_aside(self, path: Path) -> Iterator[None]:
        """One file that cannot be read must not keep the rest from its owner."""
        try:
            yield
        except Exception as error:  # a power cut leaves files of any content
            aside = path.with_name(f"{path.name}.unreadable")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            self.notes.append(f"{error}; put aside as {aside.name}")

    def _keep_to(self, content: dict[str, Any]) -> None:
        """The folder is of this generator and these labels; OnemaskError where it is another's."""
        path = self.folder / "session.json"
        if path.is_file():
            old = read_json(path)
            if changed := [key for key in content if old.get(key) != content[key]]:
                raise OnemaskError(f"{self.folder}: holds a session of another {changed[0]}; choose another folder")
        else:
            write_json(path, content)

    # samples

    def sample(self, seed: int, truncation: float | None = None) -> Sample:
        """The sample that a page names; OnemaskError for one that there is not."""
        if not 0 <= seed < MOST_SEED:
            raise OnemaskError(f"a sample's number is a whole one from 0 to {MOST_SEED - 1}")
        return Sample(seed, self.truncation(truncation))

    def truncation(self, given: float | None = None) -> float:
        """In steps of 0.01, the session's own where a page names none; OnemaskError for one that there is not."""
        value = round(self.setup.truncation if given is None else given, 2)
        if not 0 < value <= 1:
            raise OnemaskError("the truncation is from 0.01 to 1")
        return value

    @torch.no_grad()
    def _image(self, sample: Sample) -> np.ndarray:
        """uint8 [R, R, 3]."""
        return to_pixels(self.generator.synthesize(self._ws([sample])), self.size)[0]

    @torch.no_grad()
    def clusters(self, sample: Sample) -> np.ndarray:
        """Index of each pixel's nearest prototype, uint16 [R, R]; OnemaskError before there are any."""
        if not (self._clustering_path and self._clustering_path.is_file()):
            raise OnemaskError("there are no clusters yet; a method on SwAV makes them before its first fit")
        projection, prototypes = self._prototypes
        features = self.generator.features(self._ws([sample]))[1]
        z = F.normalize(projection(features, self.size), dim=1)[0].flatten(1)
        nearest = [(prototypes @ part).argmax(0) for part in z.split(PIXELS_AT_ONCE, dim=1)]
        return torch.cat(nearest).view(self.size, self.size).cpu().numpy().astype(np.uint16)

    @cached_property
    def _prototypes(self) -> tuple[FeatureProjection, Tensor]:
        tensors = read_safetensors(self._clustering_path)[0]
        if "prototypes" not in tensors:
            raise OnemaskError("this method has no clusters to fill; choose one on SwAV")
        projection = FeatureProjection.load(self._clustering_path).to(self.generator.device)
        return projection, tensors["prototypes"].to(self.generator.device)

    def predict(self, sample: Sample) -> Prediction:
        """By the segmenter as it is now; OnemaskError before anything is fitted."""
        if self.fitted is None:
            raise OnemaskError(UNFITTED)
        with self._predicting:
            return self._predicted(self.fitted, sample)

    @torch.no_grad()
    def _predict(self, fitted: Fitted, sample: Sample) -> Prediction:
        image, features = self.generator.features(self._ws([sample]))
        segmenter = fitted.labeller.segmenter
        label_maps, uncertainty = labelled(segmenter, features)
        value = None if uncertainty is None else float(uncertainty[0])
        return Prediction(to_pixels(image, self.size)[0], label_maps[0].cpu().numpy(), value)

    def _ws(self, samples: Sequence[Sample]) -> Tensor:
        return torch.cat([self.generator.sample_ws([sample.seed], sample.truncation) for sample in samples])

    # masks

    def mask(self, sample: Sample) -> np.ndarray:
        """uint8 [R, R], nothing but background where nothing is painted."""
        found = self.masks.get(sample)
        return np.zeros((self.size, self.size), np.uint8) if found is None else found

    def save_mask(self, sample: Sample, values: np.ndarray, version: str) -> str:
        """Keep a label map [R, R] that was made of the one of `version`; returns its own version.

        Conflict where another page was faster; OnemaskError for another size or an unknown label.
        """
        if values.shape != (self.size, self.size):
            found = " x ".join(map(str, values.shape[::-1]))
            raise OnemaskError(f"the mask is {found}, the image {self.size} x {self.size}: draw it on the image itself")
        if (largest := int(values.max())) >= len(self.labels):
            raise OnemaskError(f"the mask holds label {largest}, the list has 0 to {len(self.labels) - 1}")
        values = values.astype(np.uint8)
        with self._lock:
            if version != version_of(self.mask(sample)):
                raise Conflict(f"sample {sample.seed} was changed on another page")
            path = self.folder / "masks" / f"{sample.stem}.png"
            if values.any():
                with atomic(path) as temporary:
                    palette_image(values, self.labels).save(temporary)
                    flush(temporary)
                self.masks[sample] = values
            else:
                path.unlink(missing_ok=True)
                self.masks.pop(sample, None)
            flush(path.parent)
        return version_of(values)

    def painted(self) -> dict[Sample, np.ndarray]:
        """The painted samples in order; OnemaskError where there is none."""
        with self._lock:
            if not self.masks:
                raise OnemaskError(UNPAINTED)
            return dict(sorted(self.masks.items()))

    # the segmenter

    @property
    def _clustering_path(self) -> Path | None:
        return self.folder / self.setup.clustering if self.setup.clustering else None

    def wants_clustering(self) -> bool:
        """Whether the method needs one that is not there yet."""
        return bool(self._clustering_path) and not self._clustering_path.is_file()

    def cluster(self) -> str:
        """Make the method's clustering, while somebody paints."""
        name, truncation = self.setup.method["clustering"], self.setup.truncation
        fit_clustering(self._clustering_path, self.generator, name, self.setup.sections[name], truncation, 0)
        return "the clusters are ready"

    def fit(self) -> str:
        """A segmenter on all painted samples; what is fitted stays until this one is ready."""
        painted = self.painted()
        if self.wants_clustering():
            self.cluster()
        own = self.setup.budget(len(painted))
        coming = self.folder / "labeller.next"
        shutil.rmtree(coming, ignore_errors=True)
        if self._clustering_path:
            copy_file(self._clustering_path, coming / CLUSTERING)
        write_json(coming / METHOD, {"title": own.title})
        samples = self._ws(list(painted)), np.stack(list(painted.values()))
        labels = LabelSet(self.labels.names, self.labels.colours, {})
        settings = own.method, own.sections, own.truncation, 0
        try:
            labeller = fit_labeller(coming, self.generator, *samples, labels, *settings)
            self.worker.stop_if_cancelled()
        except BaseException:  # else the next start would take a complete one for what was wanted
            shutil.rmtree(coming, ignore_errors=True)
            raise
        with self._lock:  # a page may be taking the old one home
            _put_in_place(coming, self.folder / "labeller")
            self.fitted = Fitted(self.fitted.number + 1 if self.fitted else 1, labeller, own.title)
        self._predicted.cache_clear()
        return f"fitted on {len(painted)} sample{'s' if len(painted) > 1 else ''}"

    # results

    def export_set(self, test: int = 0) -> Path:
        """The painted samples as an annotated set for a study: W+ with label maps; the last `test` to be tested on."""
        painted = self.painted()
        if not 0 <= test < len(painted):
            raise OnemaskError(
                f"of {len(painted)} painted samples one at least is to learn from, not {test} to test on"
            )
        order = np.arange(len(painted), dtype=np.int64)
        first = len(painted) - test
        splits = {"exemplars": order[:first], "test": order[first:], "tuning": order[:0], "supervised": order[:0]}
        metadata = {
            "generator": self.generator.fingerprint(),
            "labels": list(self.labels.names),
            "samples": [[sample.seed, sample.truncation] for sample in painted],
        }
        label_maps = np.stack(list(painted.values()))
        made = AnnotatedSet(self._ws(list(painted)).cpu().numpy(), label_maps, {}, splits, metadata=metadata)
        with self._lock:  # two pages at once
            write_annotated(self.folder / "annotated.npz", made)
        return self.folder / "annotated.npz"

    def export_labeller(self) -> bytes:
        """The fitted segmenter with all that `onemask annotate --labeller` wants, as a zip of one folder."""
        if self.fitted is None:
            raise OnemaskError(UNFITTED)
        stream = io.BytesIO()
        with self._lock, zipfile.ZipFile(stream, "w") as archive:
            for path in sorted((self.folder / "labeller").iterdir()):
                archive.write(path, f"labeller/{path.name}")
        return stream.getvalue()

    def export_images(self, count: int, truncation: float) -> str:
        """A labelled data set of at least `count` images beside the session, as `onemask annotate` makes it.

        Another segmenter or another truncation makes another one; the same is continued.
        """
        if self.fitted is None:
            raise OnemaskError(UNFITTED)
        drawn = {"truncation": truncation, "seed": 0, "most_certain": 1.0}
        used = sha256(self.folder / "labeller" / SEGMENTER)
        source = {"generator": self.generator.fingerprint(), **drawn, "labellers": [used]}
        out = self.folder / f"images-{used[:8]}-{round(100 * truncation):03d}"
        writer = LabelledWriter(out, self.fitted.labeller.labels, source)
        label_images(writer, self.generator, self.fitted.labeller, source, count)
        return f"written: {out} ({len(writer)} images, annotations.json)"


def version_of(values: np.ndarray) -> str:
    """What tells a label map from others, after a restart as well."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16] if values.any() else EMPTY


def copy_file(source: Path, target: Path) -> None:
    """Copy atomically."""
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def flush(path: Path) -> None:
    """A file's content, or a folder's names, onto the disk, so that not even a power cut takes it back."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _put_in_place(coming: Path, target: Path) -> None:
    """Put a complete labeller where the old one was; one that a kill left incomplete goes."""
    if (coming / LABELS).is_file():  # written last
        shutil.rmtree(target, ignore_errors=True)
        coming.rename(target)
    shutil.rmtree(coming, ignore_errors=True)
