"""Tensors of PyTorch's pickles, made from inert records: sizes are checked against what the file really holds.

A tensor pickled outside of torch.save carries its storage as bytes: a legacy torch stream of its own, which is four
pickles (a magic number, a version, facts on the machine, the storage's description), one of keys, and raw values.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from onemask.checkpoints.inert_pickle import ENCODE, Global, Made, Persistent, bytes_of, read_pickle, whole_numbers
from onemask.errors import OnemaskError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
DTYPES = {
    "torch.FloatStorage": np.float32,
    "torch.DoubleStorage": np.float64,
    "torch.HalfStorage": np.float16,
    "torch.LongStorage": np.int64,
    "torch.IntStorage": np.int32,
    "torch.ShortStorage": np.int16,
    "torch.CharStorage": np.int8,
    "torch.ByteStorage": np.uint8,
    "torch.BoolStorage": np.bool_,
}
TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
STORAGE, ORDERED = "torch.storage._load_from_bytes", "collections.OrderedDict"
GLOBALS = (TENSOR, PARAMETER, STORAGE, ORDERED, ENCODE)


def is_tensor(value: Any) -> bool:
    """Whether a record stands for a tensor or a parameter."""
    return isinstance(value, Made) and value.function.name in (TENSOR, PARAMETER)


@dataclass(frozen=True)
class Description:
    """What a persistent id says of a storage."""

    key: str
    numel: int
    dtype: np.dtype


def read_header(stream: BinaryIO, where: str) -> None:
    """Move behind the three pickles that torch's streams begin with; OnemaskError where they are something else."""
    magic, version, _ = (read_pickle(stream, (), where) for _ in range(3))
    if type(magic) is not int or type(version) is not int or (magic, version) != (MAGIC, VERSION):
        raise OnemaskError(f"{where}: a storage or a file that is not torch's stream")


class TensorReader:
    """Makes tensors of the records of one file, of which errors name `where`.

    `budget` is the most bytes that all of them together may take, and so may their storages: records that share a
    storage, or storages that share their bytes, could multiply it.
    `load` gives the values of a storage that lies beside the pickle; without it every storage must be in the pickle.
    """

    def __init__(self, where: str, budget: int, load: Callable[[Description], np.ndarray] | None = None) -> None:
        self.where, self.budget, self.storage_budget, self.load = where, budget, budget, load
        self.storages: dict[int | str, Tensor] = {}

    def tensor(self, record: Made) -> Tensor:
        """The tensor that a record stands for, contiguous and with memory of its own; OnemaskError."""
        if record.function.name == PARAMETER:
            inner = record.arguments[0] if record.arguments else None
            if not is_tensor(inner) or inner.function.name == PARAMETER:
                raise self.error("a parameter that holds no tensor")
            return self.tensor(inner)
        if len(record.arguments) < 4:
            raise self.error("a tensor without its storage, offset, size and stride")
        source, offset, size, stride = record.arguments[:4]
        values = self.storage(source)
        if not (all(map(whole_numbers, (size, stride, (offset,)))) and len(size) == len(stride)):
            raise self.error("a tensor whose size or stride is not one of whole numbers")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if not 0 < math.prod(size) <= len(values) or last >= len(values):
            raise self.error(f"a tensor of size {list(size)} in a storage of {len(values)} values")
        self.budget -= math.prod(size) * values.element_size()
        if self.budget < 0:
            raise self.error("a tensor too many: together they are larger than the file")
        return values.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)

    def storage(self, source: Any) -> Tensor:
        """The values of a record's storage, 1-dimensional; read once however many records share it."""
        if isinstance(source, Persistent) and self.load:
            described = self.describe(source)
            if described.key not in self.storages:
                self._charge(described.numel * described.dtype.itemsize)
                self.storages[described.key] = torch.from_numpy(self.load(described))
            return self.storages[described.key]
        if not (isinstance(source, Made) and source.function.name == STORAGE and len(source.arguments) == 1):
            raise self.error("a tensor without a storage of its own")
        if id(source) not in self.storages:
            content = self.content(source.arguments[0])
            self._charge(len(content))
            self.storages[id(source)] = self.values(content)
        return self.storages[id(source)]

    def _charge(self, count: int) -> None:
        self.storage_budget -= count
        if self.storage_budget < 0:
            raise self.error("a storage too many: together they are larger than the file")

    def describe(self, record: Any) -> Description:
        """("storage", its class, key, device, number of values, ...) as a description."""
        identity = record.identity if isinstance(record, Persistent) else None
        if not (isinstance(identity, tuple) and len(identity) >= 5 and isinstance(identity[1], Global)):
            raise self.error("a storage without its description")
        kind, storage, key, _, numel, *view = identity
        whole = whole_numbers((numel,)) and view in ([], [None])
        if kind != "storage" or storage.name not in DTYPES or not isinstance(key, str) or not whole:
            raise self.error("a storage whose description is of another kind")
        return Description(key, numel, np.dtype(DTYPES[storage.name]))

    def content(self, record: Any) -> bytes:
        """The bytes of a storage."""
        if (content := bytes_of(record)) is None:
            raise self.error("a storage that is not bytes")
        return content

    def values(self, content: bytes) -> Tensor:
        """The values of a nested legacy stream."""
        stream = io.BytesIO(content)
        read_header(stream, self.where)
        record, keys = (read_pickle(stream, DTYPES, self.where) for _ in range(2))
        described = self.describe(record)
        if keys != [described.key]:
            raise self.error("a storage whose description and keys disagree")
        numel, itemsize, start = described.numel, described.dtype.itemsize, stream.tell() + 8
        if content[start - 8 : start] != numel.to_bytes(8, "little") or len(content) != start + numel * itemsize:
            raise self.error(f"a storage of {numel} values does not hold as many")
        return torch.from_numpy(np.frombuffer(content, described.dtype, numel, start).copy())

    def error(self, what: str) -> OnemaskError:
        """An error that names the file."""
        return OnemaskError(f"{self.where}: {what}")
