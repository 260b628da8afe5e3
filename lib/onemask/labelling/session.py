"""What a labelling session holds and does; it knows nothing of the web.

On disk a folder: session.json (whose generator, which labels), masks/<seed>.png, clustering.safetensors once it is
made, labeller/ once a segmenter is fitted. A mask is written as soon as it changes, so that nothing but the stroke
being drawn can be lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from onemask.annotation.labeller import CLUSTERING, LABELS, Labeller, fit_clustering, fit_labeller, load_labeller
from onemask.clustering.projection import FeatureProjection
from onemask.data.annotated import AnnotatedSet, write_annotated
from onemask.data.labelled import palette_image, read_label_map
from onemask.errors import OnemaskError
from onemask.files import atomic, read_json, read_safetensors, write_json
from onemask.labels import LabelSet
from onemask.progress import watched
from onemask.sections import Study
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.images import to_pixels

SECTIONS = ("swav", "simclr", "kmeans", "samples", "heads")
KEPT_IMAGES = 256  # generated images that are kept ready
MOST_SEED = 2**31


class Cancelled(Exception):
    """The user stopped the work."""


class Conflict(OnemaskError):
    """A mask was changed elsewhere since it was read."""


@dataclass
class Work:
    """What runs, or ran last, in the background."""

    kind: str = ""
    state: str = "idle"  # running, done, failed, cancelled
    what: str = ""
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    message: str = ""
    started: float = field(default=0.0, repr=False)

    def shown(self) -> dict[str, Any]:
        """For the page."""
        seconds = time.monotonic() - self.started if self.state == "running" else self.seconds
        names = ("kind", "state", "what", "step", "steps", "message")
        return {**{name: getattr(self, name) for name in names}, "seconds": round(seconds, 1)}


@dataclass
class Mask:
    """A label map uint8 [R, R] and how often it was changed."""

    values: np.ndarray
    version: int = 1


class Session:
    """Masks of some samples of a generator, the segmenter fitted on them, and its predictions of others."""

    def __init__(
        self, folder: Path, generator: Generator, labels: LabelSet, study: Study, method: str, truncation: float
    ) -> None:
        """Opens the folder's session, or begins one; OnemaskError where it is of another generator or other labels."""
        if method not in study.methods:
            raise OnemaskError(f"--method {method!r} is not one of {', '.join(study.methods)}")
        self.folder, self.generator, self.labels, self.truncation = folder, generator, labels, truncation
        self.method = study.methods[method].model_dump(mode="json")
        self.sections = {name: getattr(study, name).model_dump(mode="json") for name in SECTIONS}
        self._claim({"generator": generator.fingerprint(), "labels": list(labels.names), "truncation": truncation})
        paths = [path for path in sorted((folder / "masks").glob("*.png")) if path.stem.isdigit()]
        self.masks = {int(path.stem): Mask(read_label_map(path, labels, generator.resolution)) for path in paths}
        self.work, self._cancel, self._lock = Work(), threading.Event(), threading.Lock()
        self.fits = 0  # number of the segmenter: pictures of an older one are stale
        self.labeller: Labeller | None = None
        if (folder / "labeller" / LABELS).is_file():
            self.labeller, self.fits = load_labeller(folder / "labeller", generator), 1
        self.image = lru_cache(KEPT_IMAGES)(self._image)

    # samples

    def _image(self, seed: int) -> np.ndarray:
        """The sample of a seed, uint8 [R, R, 3]."""
        return to_pixels(self.generator.synthesize(self._ws([seed])), self.generator.resolution)[0]

    @torch.no_grad()
    def clusters(self, seed: int) -> np.ndarray:
        """Index of each pixel's nearest prototype, uint16 [R, R]; OnemaskError before there are any."""
        path = self.folder / CLUSTERING
        tensors = read_safetensors(path)[0] if path.is_file() else {}
        if "prototypes" not in tensors:
            raise OnemaskError("there are no clusters yet; they come with the first fit of a method on SwAV")
        projection = FeatureProjection.load(path).to(self.generator.device)
        features = self.generator.features(self._ws([seed]))[1]
        z = F.normalize(projection(features, self.generator.resolution), dim=1)[0]
        scores = tensors["prototypes"].to(z) @ z.flatten(1)
        return scores.argmax(0).view(z.shape[1:]).cpu().numpy().astype(np.uint16)

    @torch.no_grad()
    def predict(self, seed: int) -> tuple[np.ndarray, float | None]:
        """Label map uint8 [R, R] of a sample and its uncertainty, None where the method states none.

        OnemaskError before anything is fitted.
        """
        labeller = self.labeller
        if labeller is None:
            raise OnemaskError("nothing is fitted yet; paint a sample, then fit")
        features = self.generator.features(self._ws([seed]))[1]
        uncertainty = getattr(labeller.segmenter, "uncertainty", None)
        value = float(uncertainty(features)[0]) if uncertainty else None
        return labeller.segmenter.predict(features)[0].cpu().numpy(), value

    def _ws(self, seeds: Sequence[int]) -> torch.Tensor:
        if not all(0 <= seed < MOST_SEED for seed in seeds):
            raise OnemaskError(f"a seed is a whole number from 0 to {MOST_SEED - 1}")
        return self.generator.sample_ws(seeds, self.truncation)

    # masks

    def save_mask(self, seed: int, values: np.ndarray, version: int) -> int:
        """Keep a label map [R, R], the successor of `version` (0: of none); returns the new version.

        Conflict where another page was faster; OnemaskError for another size or an unknown label.
        """
        self._ws([seed])
        size = self.generator.resolution
        if values.shape != (size, size):
            found = " x ".join(map(str, values.shape[::-1]))
            raise OnemaskError(f"the mask is {found}, the image {size} x {size}: draw it on the image itself")
        if (largest := int(values.max())) >= len(self.labels):
            raise OnemaskError(f"the mask holds label {largest}, the list has 0 to {len(self.labels) - 1}")
        with self._lock:
            current = self.masks[seed].version if seed in self.masks else 0
            if version != current:
                raise Conflict(f"sample {seed} was changed on another page; reload it to see that, then go on")
            if values.any():
                with atomic(self._path(seed)) as temporary:
                    palette_image(values.astype(np.uint8), self.labels).save(temporary)
            else:
                self._path(seed).unlink(missing_ok=True)
            self.masks[seed] = Mask(values.astype(np.uint8), current + 1)
        return current + 1

    def drop_mask(self, seed: int) -> None:
        """Forget a sample's mask."""
        with self._lock:
            self.masks.pop(seed, None)
            self._path(seed).unlink(missing_ok=True)

    def _path(self, seed: int) -> Path:
        return self.folder / "masks" / f"{seed}.png"

    def _claim(self, content: dict[str, Any]) -> None:
        path = self.folder / "session.json"
        if path.is_file() and (old := read_json(path)) != content:
            changed = next(key for key in content if old.get(key) != content[key])
            raise OnemaskError(f"{self.folder}: holds a session of another {changed}; choose another folder")
        write_json(path, content)

    # work in the background

    def start(self, kind: str, run: Callable[[], str]) -> None:
        """Run in a thread; its result is the message. OnemaskError while something else runs."""
        with self._lock:
            if self.work.state == "running":
                raise OnemaskError(f"{self.work.kind} is still running; wait for it or cancel it")
            self._cancel.clear()
            self.work = Work(kind, "running", started=time.monotonic())
        threading.Thread(target=self._guarded, args=(self.work, run), daemon=True).start()

    def cancel(self) -> None:
        """Ask what runs to stop at its next step."""
        self._cancel.set()

    def _guarded(self, work: Work, run: Callable[[], str]) -> None:
        def report(what: str, step: int, steps: int) -> None:
            if self._cancel.is_set():
                raise Cancelled
            work.what, work.step, work.steps = what, step, steps

        state, message = "failed", ""
        try:
            with watched(report):
                message, state = run(), "done"
        except Cancelled:
            state = "cancelled"
        except OnemaskError as error:
            message = str(error)
        except Exception as error:  # the page must learn of it, whatever it is
            message = f"{type(error).__name__}: {error}"
        finally:
            work.seconds = time.monotonic() - work.started
            work.message, work.state = message, state

    def fit(self) -> str:
        """A segmenter on all painted samples; what is fitted stays until this one is ready."""
        with self._lock:
            painted = {seed: mask.values for seed, mask in sorted(self.masks.items()) if mask.values.any()}
        if not painted:
            raise OnemaskError("no sample is painted yet: an empty mask teaches nothing")
        folder, name = self.folder / "labeller", self.method["clustering"]
        if name and not (self.folder / CLUSTERING).is_file():
            fit_clustering(self.folder / CLUSTERING, self.generator, name, self.sections[name], self.truncation, 0)
        if name:
            copy_file(self.folder / CLUSTERING, folder / CLUSTERING)
        ws, label_maps = self._ws(list(painted)), np.stack(list(painted.values()))
        labels = LabelSet(self.labels.names, self.labels.colours, {})
        arguments = (self.generator, ws, label_maps, labels, self.method, self.sections, self.truncation, 0)
        self.labeller = fit_labeller(folder, *arguments)
        self.fits += 1
        return f"fitted on {len(painted)} sample{'s' if len(painted) > 1 else ''}"

    # results

    def export_set(self) -> Path:
        """The painted samples as an annotated set for a study: W+ with label maps, all of them exemplars."""
        with self._lock:
            painted = {seed: mask.values for seed, mask in sorted(self.masks.items()) if mask.values.any()}
        if not painted:
            raise OnemaskError("no sample is painted yet")
        ws = self._ws(list(painted)).cpu().numpy()
        everything, nothing = np.arange(len(painted), dtype=np.int64), np.zeros(0, np.int64)
        splits = {"exemplars": everything, **{name: nothing for name in ("tuning", "supervised", "test")}}
        origin = {"generator": self.generator.fingerprint(), "labels": list(self.labels.names)}
        metadata = {**origin, "seeds": list(painted), "truncation": self.truncation}
        path = self.folder / "annotated.npz"
        write_annotated(path, AnnotatedSet(ws, np.stack(list(painted.values())), {}, splits, metadata=metadata))
        return path


def copy_file(source: Path, target: Path) -> None:
    """Copy atomically."""
    with atomic(target) as temporary:
        temporary.write_bytes(source.read_bytes())
