"""Cards of the zoo's files: how each was made and how good it is, in Markdown, next to the file (`make zoo`)."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onemask.data.annotated import read_annotated
from onemask.errors import OnemaskError
from onemask.files import read_safetensors
from onemask.labels import read_labels
from onemask.sections import Section, Study

LOSSES = {"logistic": "the loss of StyleGAN2-ADA", "wasserstein": "a Wasserstein loss"}


def require(path: Path) -> None:
    """OnemaskError unless a training rule has left `path`."""
    if not path.is_file():
        raise OnemaskError(f"{path}: nothing to promote; make it with `snakemake --cores all {path}`")


def settings_block(settings: Section, without: set[str] | None = None) -> str:
    """A section of the configuration as a fenced JSON block."""
    return f"```json\n{json.dumps(settings.model_dump(mode='json', exclude=without), indent=2)}\n```\n"


def generator_card(study: Study, name: str, metrics: Path, score: Mapping[str, Any]) -> str:
    """Command, configuration, images seen and score of a generator."""
    require(metrics)
    with open(metrics, newline="", encoding="utf-8") as stream:
        last = list(csv.DictReader(stream))[-1]
    entry = study.classes[name]
    images = f"{entry.scans.train if entry.scans else entry.generator_training.renders:,}"
    packing = f" (packing: {entry.scans.packing})" if entry.scans else ""
    return (
        f"# Generator of the demo's {name} world\n\n"
        f"StyleGAN2 at {entry.resolution} px, {LOSSES[entry.generator_training.loss]}, weights in half precision,"
        f" trained on {images} of our own renders{packing}.\n\n"
        f"- made by `snakemake --cores all results/{study.study}/generators/{name}/generator.safetensors`\n"
        f"- study seed {study.seed}, images seen: {float(last['kimg']):g} thousand\n"
        f"- Frechet distance over {score['features']} features, {score['samples']} samples against as many unseen"
        f" renders, psi 1: {score['frechet_distance']:.2f} (not FID: other features)\n"
        f"- samples of the first 64 seeds at psi {study.truncation}: `{name}.png`\n\n"
        f"{settings_block(entry.generator_training, {'renders'})}"
    )


def annotator_card(study: Study, name: str, which: str, path: Path) -> str:
    """Command, configuration and held-out quality of an annotator."""
    report = read_safetensors(path)[1]["report"]
    clean, degraded = report["clean"], report["degraded"]
    rows = "".join(f"| {label} | {iou:.3f} | {degraded['iou'][label]:.3f} |\n" for label, iou in clean["iou"].items())
    return (
        f"# The {which} annotator of the demo's {name} world\n\n"
        "A small U-Net that stands in for the paper's human annotator, trained on renders with exact masks.\n\n"
        f"- made by `snakemake --cores all results/{study.study}/annotators/{name}.{which}.safetensors`\n"
        f"- held-out renders: mIoU {clean['miou']:.3f}, degraded as for training {degraded['miou']:.3f}\n\n"
        f"| label | IoU | IoU, degraded |\n|---|---|---|\n{rows}\n"
        f"{settings_block(study.classes[name].annotator)}"
    )


def annotated_card(study: Study, name: str, path: Path, root: Path) -> str:
    """Command, sizes, agreement and rare-label rates of an annotated set."""
    annotated = read_annotated(path, read_labels(root / f"config/labels/{name}.yaml"))
    splits = "".join(f"| {split} | {len(indices)} |\n" for split, indices in sorted(annotated.splits.items()))
    agreement = annotated.metadata["agreement"]
    return (
        f"# Annotated set of the demo's {name} generator\n\n"
        "W+ latents of generated samples with label maps by the first annotator; splits by seed alone.\n\n"
        f"- made by `snakemake --cores all results/{study.study}/annotated/{name}.npz`\n"
        f"- psi {study.truncation}; the second annotator agrees on the test images with mIoU {agreement['miou']:.3f},"
        f" wiou_fg {agreement['wiou_fg']:.3f}\n\n"
        f"| split | samples |\n|---|---|\n{splits}\n"
        f"Label rates:\n\n```json\n{json.dumps(annotated.metadata['rates'], indent=2)}\n```\n\n"
        f"{settings_block(study.classes[name].annotated_set)}"
    )
