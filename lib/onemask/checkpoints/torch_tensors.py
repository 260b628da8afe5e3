"""Tensors of PyTorch's pickles, made from inert records: sizes are checked against what the file really holds.

A tensor pickled outside of torch.save carries its storage as bytes: a legacy torch stream of its own, which is four
pickles (a magic number, a version, facts on the machine, the storage's description), one of keys, and raw values.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onemask.checkpoints.inert_pickle import Global, Made, Persistent, read_pickle
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
ENCODE = "_codecs.encode"  # how protocol 2 writes bytes
GLOBALS = (TENSOR, PARAMETER, STORAGE, ORDERED, ENCODE)
MAX_DIMENSIONS = 8


def is_tensor(value: Any) -> bool:
    """Whether a record stands for a tensor or a parameter."""
    return isinstance(value, Made) and value.function.name in (TENSOR, PARAMETER)


class TensorReader:
    """Makes tensors of the records of one file, of which errors name `where`.

    `budget` is the most bytes that all of them together may take: records that share a storage could multiply it.
    """

    def __init__(self, where: str, budget: int) -> None:
        self.where, self.budget = where, budget
        self.storages: dict[int, Tensor] = {}

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
        if not (_whole(size) and _whole(stride) and len(size) == len(stride) and _whole((offset,))):
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
        if not (isinstance(source, Made) and source.function.name == STORAGE and len(source.arguments) == 1):
            raise self.error("a tensor without a storage of its own")
        if id(source) not in self.storages:
            self.storages[id(source)] = self.values(self.content(source.arguments[0]))
        return self.storages[id(source)]

    def content(self, record: Any) -> bytes:
        """The bytes of a storage, which protocol 2 writes as encoded text."""
        if isinstance(record, Made) and record.function.name == ENCODE and record.arguments[1:] == ("latin1",):
            text = record.arguments[0]
            record = text.encode("latin1", "replace") if isinstance(text, str) else None
        if not isinstance(record, bytes):
            raise self.error("a storage that is not bytes")
        return record

    def values(self, content: bytes) -> Tensor:
        """The values of a nested legacy stream."""
        stream = io.BytesIO(content)
        magic, version, _, record, keys = (read_pickle(stream, DTYPES, self.where) for _ in range(5))
        if type(magic) is not int or type(version) is not int or (magic, version) != (MAGIC, VERSION):
            raise self.error("a storage that is not torch's legacy stream")
        identity = record.identity if isinstance(record, Persistent) else None
        if not (isinstance(identity, tuple) and len(identity) >= 5 and isinstance(identity[1], Global)):
            raise self.error("a storage without its description")
        kind, numel, dtype = identity[0], identity[4], np.dtype(DTYPES[identity[1].name])
        named = isinstance(keys, list) and len(keys) == 1 and all(isinstance(key, str) for key in (*keys, identity[2]))
        if kind != "storage" or not named or keys[0] != identity[2] or not _whole((numel,)):
            raise self.error("a storage whose description and keys disagree")
        start = stream.tell() + 8
        if content[start - 8 : start] != numel.to_bytes(8, "little") or len(content) != start + numel * dtype.itemsize:
            raise self.error(f"a storage of {numel} values does not hold as many")
        return torch.from_numpy(np.frombuffer(content, dtype, numel, start).copy())

    def error(self, what: str) -> OnemaskError:
        """An error that names the file."""
        return OnemaskError(f"{self.where}: {what}")


def _whole(numbers: Any) -> bool:
    """Whether these are a tuple of few whole numbers that a file could hold."""
    return (
        isinstance(numbers, tuple)
        and len(numbers) <= MAX_DIMENSIONS
        and all(type(n) is int and 0 <= n < 2**40 for n in numbers)
    )
