"""Table 1: data sets and generators, computed from the files that a study used, beside the published ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open

from onemask.data.annotated import AnnotatedSet, read_annotated
from onemask.errors import OnemaskError
from onemask.labels import LabelSet, read_labels
from onemask.paper.published import read_table1
from onemask.paper.style import ABSENT, escape
from onemask.paper.tables import Table, Tabular, heading, plain_value, write_table

OURS = {
    "unlabelled": "Unlabelled data",
    "unlabelled_images": "Images",
    "resolution": "Resolution (px)",
    "blocks": "Generator blocks",
    "parameters": "Generator parameters",
    "kimg": "Training images shown (thousands)",
    "features": "Hidden features $C$",
    "annotated_images": "Annotated generated images",
    "exemplars": r"\quad exemplars",
    "tuning": r"\quad tuning",
    "supervised": r"\quad supervised",
    "test": r"\quad test",
    "rare_exemplars": r"\quad exemplars per rare label",
    "rare_test": r"\quad test per rare label",
    "parts": "Parts, background left out",
    "rare_labels": "Rare labels",
}
PUBLISHED = {
    "unlabelled": "Unlabelled data",
    "samples": "Images",
    "resolution": "Resolution (px)",
    "layers": "Generator layers",
    "annotated": "Annotated data",
    "annotated_samples": "Annotated images",
    "parts": "Parts",
}
BUFFERS = ("noise_const", "w_avg", "resample_filter")


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `generators`, `annotated` and `labels`, a file per class, and `published`.

    options: study; classes, {name: {"source": text, "renders": int or null}} in the order of the files.
    """
    files = zip(inputs["generators"], inputs["annotated"], inputs["labels"], strict=True)
    ours = {
        name: class_facts(entry, *paths) for (name, entry), paths in zip(options["classes"].items(), files, strict=True)
    }
    theirs = read_table1(inputs["published"])
    write_table(outputs, draw(ours, theirs, options["study"]), values(ours, theirs))


def class_facts(entry: Mapping[str, Any], generator: str, annotated: str, labels: str) -> dict[str, Any]:
    """Values of OURS for one class; None where a file does not say."""
    names = read_labels(labels)
    return {
        "unlabelled": entry["source"],
        "unlabelled_images": entry["renders"],
        **generator_facts(generator),
        **_annotated_facts(read_annotated(annotated, names), names),
    }


def generator_facts(path: str | Path) -> dict[str, Any]:
    """resolution, blocks, parameters, kimg and features of onemask's safetensors, from its header alone.

    `features` is the number of channels of all hidden convolutions' outputs together. OnemaskError on another file.
    """
    try:
        with safe_open(str(path), framework="numpy") as stream:
            shapes = {name: stream.get_slice(name).get_shape() for name in stream.keys()}  # noqa: SIM118
            metadata = json.loads((stream.metadata() or {})["onemask"])
        resolution = metadata["architecture"]["resolution"]
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise OnemaskError(f"{path}: not a generator of onemask ({error}); fetch or make it again") from None
    convolutions = [name for name in shapes if ".conv" in name and name.endswith(".weight") and "affine" not in name]
    return {
        "resolution": resolution,
        "blocks": resolution.bit_length() - 2,
        "parameters": sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(BUFFERS)),
        "kimg": metadata.get("kimg"),
        "features": sum(shapes[name][0] for name in convolutions),
    }


def draw(ours: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, Any]], study: str) -> Table:
    """A column per class; a block of ours and a block of the published facts."""
    blocks = [
        [heading("ours", len(ours)), *_rows(ours, OURS, list(ours), plain_value)],
        [heading("published", len(ours)), *_rows(theirs, PUBLISHED, list(ours), _published_value)],
    ]
    caption = (
        rf"Data sets and generators of study \texttt{{{escape(study)}}}, computed from the files that were used (the"
        " unlabelled data are as configured). Italics: the paper's Table 1; its 700{,}000 images of faces are copied as"
        " they stand, FF-HQ holds 70{,}000."
    )
    without = [escape(name) for name, facts in ours.items() if not facts["rare_labels"]]
    notes = [rf"{ABSENT}: {', '.join(without)} has no rare label."] if without else []
    titles = [escape(name.capitalize()) for name in ours]
    return Table(caption, "tab:data", [Tabular("", [("", titles)], blocks)], notes)


def values(ours: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row per class and source; a cell is empty where the source has no such fact."""
    names = {"samples": "unlabelled_images", "layers": "blocks", "annotated_samples": "annotated_images"}
    rows = [{"source": "ours", "class": name, **facts} for name, facts in ours.items()]
    rows += [
        {"source": "published", "class": name, **{names.get(key, key): value for key, value in theirs[name].items()}}
        for name in ours
        if name in theirs
    ]
    return pd.DataFrame(rows)


def _annotated_facts(annotated: AnnotatedSet, labels: LabelSet) -> dict[str, Any]:
    return {
        "annotated_images": len(annotated.ws),
        **{split: len(annotated.indices(split)) for split in ("exemplars", "tuning", "supervised", "test")},
        **{split: _rare_sizes(annotated, split, labels) for split in ("rare_exemplars", "rare_test")},
        "parts": len(labels) - 1,
        "rare_labels": ", ".join(labels.rare) or None,
    }


def _rare_sizes(annotated: AnnotatedSet, split: str, labels: LabelSet) -> str | None:
    """Sizes in the order of the rare labels, one number where they are equal."""
    sizes = [len(annotated.indices(f"{split}/{label}")) for label in labels.rare]
    return ", ".join(map(str, sizes if len(set(sizes)) > 1 else sizes[:1])) or None


def _rows(facts: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str], classes: Sequence[str], draw_value: Any):
    return [[title, *(draw_value(facts.get(name, {}).get(key)) for name in classes)] for key, title in titles.items()]


def _published_value(value: Any) -> str:
    return ABSENT if value is None else rf"\textit{{{plain_value(value)}}}"
