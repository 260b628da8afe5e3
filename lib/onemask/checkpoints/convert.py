"""A checkpoint of another project as onemask's safetensors, with a model card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onemask.checkpoints.reader import read_generator
from onemask.files import sha256, write_text
from onemask.stylegan2.checkpoint import save_generator
from onemask.stylegan2.generator import Generator

FACTS = {"url": "fetched from", "page": "published at", "licence": "licence"}


def convert(path: Path, target: Path, card: Path, facts: Mapping[str, str | None]) -> Generator:
    """Write the generator of `path` to `target` in single precision, and its card; returns the generator.

    `facts` may hold what FACTS names: they are in the card and in the file's metadata. OnemaskError as read_generator.
    """
    generator = read_generator(path)
    known = {name: facts[name] for name in FACTS if facts.get(name)}
    origin = {**known, "checkpoint": path.name, "sha256": sha256(path)}
    save_generator(target, generator, {"origin": origin})
    write_text(card, model_card(generator, origin))
    return generator


def model_card(generator: Generator, origin: Mapping[str, str]) -> str:
    """Where the weights come from and what the network is, in Markdown."""
    known = "".join(f"- {words}: {origin[name]}\n" for name, words in FACTS.items() if name in origin)
    licence = "" if "licence" in origin else "- licence: not stated; find it out before you share the file\n"
    sizes = "".join(f"| {name} | {value} |\n" for name, value in generator.architecture.items())
    channels = zip(generator.synthesis.resolutions, generator.synthesis.channels, strict=True)
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    return (
        f"# Generator converted from {origin['checkpoint']}\n\n"
        f"{known}{licence}"
        f"- sha256 of the checkpoint: `{origin['sha256']}`\n"
        f"- fingerprint of the weights, by which annotated sets know it: `{generator.fingerprint()}`\n"
        f"- {parameters:,} parameters, W+ of {generator.num_ws} vectors, hidden features of"
        f" {sum(generator.feature_channels)} channels ({', '.join(f'{c} at {size} px' for size, c in channels)})\n\n"
        f"| | |\n|---|---|\n{sizes}"
    )
