"""Reading and writing: atomic writes, checksums, safetensors, npz, images, csv, json and yaml."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from onemask.errors import OnemaskError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling that becomes `path` when the block succeeds and disappears when it fails.

    The temporary name keeps the suffix, so that writers that look at it (Pillow, matplotlib) work unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify_sha256(path: str | Path, expected: str) -> None:
    """Raise OnemaskError unless the file exists and has the expected hash."""
    if not Path(path).is_file():
        raise OnemaskError(f"{path}: no such file; restore it with `git checkout` or `dvc pull`")
    if (found := sha256(path)) != expected:
        raise OnemaskError(f"{path}: sha256 is {found}, expected {expected}; fetch the file again")


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with two-space indents and sorted keys, so that equal values are equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON; OnemaskError names the file when it is missing or malformed."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{path}: cannot be read as JSON ({error})") from None


def read_yaml(
    path: str | Path, what: str = "readable as YAML", parse: Callable[[Any], Any] = lambda content: content
) -> Any:
    """`parse` of a YAML file's plain values; OnemaskError where they cannot be read, or `parse` cannot take them.

    It says in one line that the file is not `what`, and why.
    """
    try:
        return parse(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise OnemaskError(f"{path}: not {what} ({' '.join(str(error).split())})") from None


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
    """Write rows (mappings) as csv with exactly `columns`; floats with 9 significant digits."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[column]) for column in columns] for row in rows)


def _cell(value: Any) -> Any:
    return f"{value:.9g}" if isinstance(value, float) else value


def write_safetensors(path: str | Path, tensors: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
    """Write torch tensors atomically; `metadata` is kept as one JSON string under the key "onemask"."""
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    with atomic(path) as temporary:
        save_file(contiguous, temporary, {"onemask": json.dumps(dict(metadata or {}), sort_keys=True)})


def read_safetensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and metadata of a safetensors file; OnemaskError when it is missing, truncated or of another kind."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise OnemaskError(f"{path}: no such file; run the rule that makes it, or restore it with `git checkout`")
    try:
        with safe_open(str(path), framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            metadata = json.loads((stream.metadata() or {}).get("onemask", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise OnemaskError(f"{path}: not a readable safetensors file ({error}); fetch or make it again") from None
    return tensors, metadata


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Save uint8 [H, W, 3] (or [H, W] grey) as PNG."""
    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary)


def read_npz(
    path: str | Path, names: Iterable[str], what: str, remedy: str, others: bool = True
) -> dict[str, np.ndarray]:
    """Arrays of an npz without pickles, of `names` alone or the `others` too.

    OnemaskError when it is missing, damaged, or lacks one of `names`.
    """
    if not Path(path).is_file():
        raise OnemaskError(f"{path}: no such file; {remedy}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if others or name in names}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged bytes
        raise OnemaskError(f"{path}: not a readable {what} ({error}); {remedy}") from None
    if missing := [name for name in names if name not in arrays]:
        raise OnemaskError(f"{path}: holds no {' and no '.join(missing)}; {remedy}")
    return arrays
