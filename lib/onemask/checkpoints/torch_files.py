"""torch.save's files, archives and the older streams, read without running anything that they hold."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from onemask.checkpoints.inert_pickle import Persistent, read_pickle
from onemask.checkpoints.torch_tensors import DTYPES, GLOBALS, Description, TensorReader, read_header
from onemask.errors import OnemaskError

ARCHIVE = b"PK\x03\x04"  # how a zip file begins
DAMAGED = (zipfile.BadZipFile, EOFError, struct.error, ValueError)  # what zipfile says of one


def read_torch_file(
    path: str | Path, allowed: Collection[str] = (), prefixes: tuple[str, ...] = ()
) -> tuple[Any, TensorReader]:
    """What torch.save wrote, as inert records, and the reader that makes tensors of them.

    `allowed` are globals beside those of tensors, `prefixes` how others may begin. Storages are read when a tensor
    needs them, others never.
    OnemaskError for a file that is something else, broken, or names another global.
    """
    known = {*GLOBALS, *DTYPES, *allowed}
    try:
        with open(path, "rb") as stream:
            archive = stream.read(len(ARCHIVE)) == ARCHIVE
            stream.seek(0)
            return _archive(stream, Path(path), known, prefixes) if archive else _stream(stream, Path(path), known)
    except OSError as error:
        raise OnemaskError(f"{path}: not readable ({error.strerror or error})") from None
    except DAMAGED as error:
        raise OnemaskError(f"{path}: not a complete archive ({error}); fetch it again") from None


def _archive(
    stream: BinaryIO, path: Path, allowed: Collection[str], prefixes: tuple[str, ...]
) -> tuple[Any, TensorReader]:
    """A zip file of data.pkl and data/<key> in one folder."""
    with zipfile.ZipFile(stream) as archive:
        folders = [name.removesuffix("/data.pkl") for name in archive.namelist() if name.count("/") == 1]
        folders = [folder for folder in folders if f"{folder}/data.pkl" in archive.namelist()]
        if len(folders) != 1:
            raise OnemaskError(f"{path}: not torch.save's archive (it holds {len(folders)} times data.pkl)")
        order = f"{folders[0]}/byteorder"
        if order in archive.namelist() and _stored(archive, order, path) != b"little":
            raise OnemaskError(f"{path}: values in another byte order than little; save it again on this machine")
        pickled = io.BytesIO(_stored(archive, f"{folders[0]}/data.pkl", path))
        content = read_pickle(pickled, allowed, str(path), prefixes=prefixes)

    opened: list[zipfile.ZipFile] = []  # once for all storages: opening reads the whole directory

    def load(described: Description) -> np.ndarray:
        if not opened:
            opened.append(zipfile.ZipFile(path))
        raw = _stored(opened[0], f"{folders[0]}/data/{described.key}", path)
        if len(raw) != described.numel * described.dtype.itemsize:
            raise OnemaskError(f"{path}: a storage of {described.numel} values does not hold as many")
        return np.frombuffer(raw, described.dtype).copy()

    return content, TensorReader(str(path), path.stat().st_size, load)


def _stored(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A member's bytes; torch never compresses, so that none can be larger than the file."""
    try:
        if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
            raise OnemaskError(f"{path}: {name} is compressed, which torch.save never does")
        return archive.read(name)
    except KeyError:
        raise OnemaskError(f"{path}: holds no {name}") from None
    except (*DAMAGED, RuntimeError) as error:
        raise OnemaskError(f"{path}: {name} cannot be read ({error}); fetch it again") from None


def _stream(stream: BinaryIO, path: Path, allowed: Collection[str]) -> tuple[Any, TensorReader]:
    """Pickles of a magic number, a version, facts on the machine, the content and the keys; then each storage."""
    found: list[Persistent] = []
    read_header(stream, str(path))
    content = read_pickle(stream, allowed, str(path), found)
    keys = read_pickle(stream, (), str(path))
    size = path.stat().st_size
    places: dict[str, int] = {}

    def load(described: Description) -> np.ndarray:
        if described.key not in places:
            raise reader.error(f"a storage of {described.numel} values does not hold as many")
        return np.fromfile(path, described.dtype, described.numel, offset=places[described.key])

    reader = TensorReader(str(path), size, load)
    descriptions = {described.key: described for described in map(reader.describe, found)}
    start = stream.tell()
    for key in keys if isinstance(keys, list) else []:
        described = descriptions.get(key) if isinstance(key, str) else None
        stream.seek(start)
        end = start + 8 + (described.numel * described.dtype.itemsize if described else size)
        if end > size or stream.read(8) != described.numel.to_bytes(8, "little"):
            raise reader.error("a storage that does not hold as many values as its description says")
        places[key], start = start + 8, end
    return content, reader
