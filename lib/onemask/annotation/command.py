"""What `onemask annotate` does, as a function: a labeller is fitted or loaded, then images are labelled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from onemask.annotation.card import write_card, write_preview
from onemask.annotation.labeller import (
    LABELS,
    NO_UNCERTAINTY,
    SEGMENTER,
    Labeller,
    fit_labeller,
    layered,
    load_labeller,
    states_uncertainty,
)
from onemask.annotation.stream import Timing, write_dataset
from onemask.checkpoints.reader import read_generator
from onemask.clustering.kinds import CLUSTERINGS
from onemask.config import load_study
from onemask.data.labelled import LabelledWriter, read_label_map
from onemask.errors import OnemaskError
from onemask.files import sha256
from onemask.jobs import set_up_torch
from onemask.labels import LabelSet, read_labels
from onemask.segmenters.base import build_settings, method_states_uncertainty
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.images import from_pixels
from onemask.stylegan2.inversion import InversionSettings, invert
from onemask.stylegan2.protocol import FeatureGenerator

SECTIONS = (*CLUSTERINGS, "heads")
DRAWN = ("truncation", "seed", "most_certain")  # how images are drawn, as the data set's source keeps it
LEAST_PSNR = 15.0  # dB; below it an inverted image shows something else


@dataclass(frozen=True)
class Request:
    """The options of the command, see onemask.cli."""

    generator: Path
    out: Path
    count: int = 1000
    label_map: Path | None = None
    labels: Path | None = None
    image_seed: int | None = None
    latent: Path | None = None
    image: Path | None = None
    labellers: tuple[Path, ...] = ()
    method: str = "hfc_swav_fcn"
    study: str = "demo"
    truncation: float = 0.7
    seed: int = 0
    most_certain: float = 1.0
    batch: int = 8
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Annotation:
    """The one annotated image, read and checked: ws [1, num_ws, w_dim], label map uint8 [H, W], its labels."""

    ws: Tensor
    label_map: np.ndarray
    labels: LabelSet


def run(request: Request) -> str:
    """Label the images; returns, and prints, the timing in one line. OnemaskError for options that do not fit.

    All input is read before anything is written. An OUT whose images were made otherwise is refused.
    """
    check(request)
    device = chosen_device(request.device)
    set_up_torch(request.threads, device)
    generator = read_generator(request.generator).to(device)
    source: dict[str, Any] = {"generator": generator.fingerprint()}
    source |= {name: getattr(request, name) for name in DRAWN}
    filtered = request.most_certain < 1
    if request.labellers:
        labeller = layered([load_labeller(folder, generator) for folder in request.labellers])
        if filtered and not states_uncertainty(labeller.segmenter):
            raise OnemaskError(NO_UNCERTAINTY)
        source["labellers"] = [sha256(folder / SEGMENTER) for folder in request.labellers]
        writer = LabelledWriter(request.out, labeller.labels, source)
    else:
        study = load_study({"study": request.study})
        if request.method not in study.methods:
            raise OnemaskError(f"--method {request.method!r} is not one of {', '.join(study.methods)}")
        method = study.methods[request.method].model_dump(mode="json")
        if filtered and not method_states_uncertainty(method["module"]):
            raise OnemaskError(NO_UNCERTAINTY)
        sections = {name: getattr(study, name).model_dump(mode="json") for name in SECTIONS}
        annotation = read_annotation(request, generator)
        shown = request.label_map.read_bytes() + annotation.ws.cpu().numpy().tobytes()
        source |= {"annotation": hashlib.sha256(shown).hexdigest(), "study": request.study, "method": request.method}
        used = [method["module"], build_settings(method, sections["heads"]), sections.get(method["clustering"])]
        source["settings"] = hashlib.sha256(json.dumps(used).encode()).hexdigest()
        writer = LabelledWriter(request.out, annotation.labels, source)
        labeller = fitted(request, generator, annotation, method, sections)
    timing = label_images(writer, generator, labeller, source, request.count, request.batch)
    print(f"{request.out}: {timing.report()}")
    return timing.report()


def label_images(
    writer: LabelledWriter,
    generator: FeatureGenerator,
    labeller: Labeller,
    source: Mapping[str, Any],
    count: int,
    batch: int = 8,
) -> Timing:
    """Complete a data set to `count` images, with its preview and card. `source` is the writer's, DRAWN in it."""
    drawn = {name: source[name] for name in DRAWN}
    timing = write_dataset(writer, generator, labeller, count, batch=batch, **drawn)
    writer.finish()
    write_preview(writer.folder, writer, labeller.labels)
    write_card(writer.folder, writer, labeller.labels, source)
    return timing


def check(request: Request) -> None:
    """OnemaskError unless exactly one annotated image, or a labeller, is given."""
    images = {"--image-seed": request.image_seed, "--latent": request.latent, "--image": request.image}
    given = [name for name, value in images.items() if value is not None]
    if request.labellers:
        given += [name for name, path in (("--label-map", request.label_map), ("--labels", request.labels)) if path]
        if given:
            raise OnemaskError(f"--labeller is fitted already; leave {', '.join(given)} out")
    elif not (request.label_map and request.labels and len(given) == 1):
        raise OnemaskError(f"give --label-map, --labels and one of {', '.join(images)}, or --labeller")


def chosen_device(name: str) -> str:
    """`auto` is cuda where there is one; OnemaskError for cuda where there is none."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise OnemaskError("--device cuda: torch finds no GPU here; --device cpu computes without")
    return ("cuda" if available else "cpu") if name == "auto" else name


def read_annotation(request: Request, generator: Generator) -> Annotation:
    """The annotated image of the options; OnemaskError names the file that is wrong."""
    labels = read_labels(request.labels)
    label_map = read_label_map(request.label_map, labels, generator.resolution)
    return Annotation(annotated_latent(request, generator), label_map, labels)


def fitted(
    request: Request,
    generator: Generator,
    annotation: Annotation,
    method: Mapping[str, Any],
    sections: Mapping[str, Mapping[str, Any]],
) -> Labeller:
    """A labeller of the method; kept in OUT/labeller, and taken from there: OUT's source says that it is this one."""
    folder = request.out / "labeller"
    if (folder / LABELS).is_file():
        return load_labeller(folder, generator)
    image = (annotation.ws, annotation.label_map[None], annotation.labels)
    return fit_labeller(folder, generator, *image, method, sections, request.truncation, request.seed)


def annotated_latent(request: Request, generator: Generator) -> Tensor:
    """W+ [1, num_ws, w_dim] of the annotated image; OnemaskError for one that the generator cannot have made."""
    if request.image_seed is not None:
        return generator.sample_ws([request.image_seed], request.truncation)
    if request.latent is not None:
        return read_latent(request.latent, generator)
    target = read_image(request.image, generator.resolution)
    inversion = invert(generator, target, InversionSettings(), request.seed)
    if (quality := float(inversion.psnr[0])) < LEAST_PSNR:
        raise OnemaskError(
            f"{request.image}: inverted at {quality:.1f} dB, not the same image (at least {LEAST_PSNR:g} dB is needed);"
            " annotate a sample of the generator instead (--image-seed)"
        )
    return inversion.ws


def read_latent(path: Path, generator: Generator) -> Tensor:
    """A latent [num_ws, w_dim], or [w_dim] for every layer, from an npy as float32 [1, num_ws, w_dim]."""
    try:
        latent = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))
    except (OSError, ValueError, TypeError) as error:
        raise OnemaskError(f"{path}: not a readable npy of numbers ({error})") from None
    if not torch.isfinite(latent).all():
        raise OnemaskError(f"{path}: holds a number that is not finite")
    wanted = (generator.num_ws, generator.w_dim)
    latent = latent.expand(wanted) if tuple(latent.shape) == wanted[1:] else latent
    if tuple(latent.shape) != wanted:
        raise OnemaskError(f"{path}: a latent of shape {list(latent.shape)}, the generator takes {list(wanted)}")
    return latent[None].contiguous()


def read_image(path: Path, size: int) -> Tensor:
    """An image as float32 [1, 3, size, size] in [-1, 1]."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OnemaskError(f"{path}: not a readable image ({error})") from None
    if pixels.shape[:2] != (size, size):
        raise OnemaskError(f"{path}: is {pixels.shape[1]} x {pixels.shape[0]}, the generator makes {size} x {size}")
    return from_pixels(torch.from_numpy(pixels).permute(2, 0, 1)[None])
