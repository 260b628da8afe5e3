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


def tensor_of(record: Made, where: str) -> Tensor:
    """The tensor that a record stands for, contiguous and with memory of its own; OnemaskError names `where`."""
    if record.function.name == PARAMETER:
        inner = record.arguments[0] if record.arguments else None
        if not is_tensor(inner) or inner.function.name == PARAMETER:
            raise OnemaskError(f"{where}: a parameter that holds no tensor")
        return tensor_of(inner, where)
    if len(record.arguments) < 4:
        raise OnemaskError(f"{where}: a tensor without its storage, offset, size and stride")
    source, offset, size, stride = record.arguments[:4]
    if not (isinstance(source, Made) and source.function.name == STORAGE):
        raise OnemaskError(f"{where}: a tensor without a storage of its own")
    values = storage_values(source.arguments[0] if source.arguments else None, where)
    if not (_whole(size) and _whole(stride) and len(size) == len(stride) and _whole((offset,))):
        raise OnemaskError(f"{where}: a tensor whose size or stride is not one of whole numbers")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) > len(values) or (math.prod(size) and last >= len(values)):
        raise OnemaskError(f"{where}: a tensor of size {list(size)} in a storage of {len(values)} values")
    return values.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)


def storage_values(content: Any, where: str) -> Tensor:
    """The values of a nested legacy stream, 1-dimensional."""
    if isinstance(content, Made) and content.function.name == ENCODE and content.arguments[1:] == ("latin1",):
        content = _encoded(content.arguments[0], where)
    if not isinstance(content, bytes):
        raise OnemaskError(f"{where}: a storage that is not bytes")
    stream = io.BytesIO(content)
    magic, version, _, record, keys = (read_pickle(stream, DTYPES, where) for _ in range(5))
    if magic != MAGIC or version != VERSION:
        raise OnemaskError(f"{where}: a storage that is not torch's legacy stream")
    identity = record.identity if isinstance(record, Persistent) else None
    if not (isinstance(identity, tuple) and len(identity) >= 5 and isinstance(identity[1], Global)):
        raise OnemaskError(f"{where}: a storage without its description")
    kind, numel, dtype = identity[0], identity[4], np.dtype(DTYPES[identity[1].name])
    if kind != "storage" or keys != [identity[2]] or not _whole((numel,)):
        raise OnemaskError(f"{where}: a storage whose description and keys disagree")
    start = stream.tell() + 8
    if content[start - 8 : start] != numel.to_bytes(8, "little") or len(content) != start + numel * dtype.itemsize:
        raise OnemaskError(f"{where}: a storage of {numel} values does not hold as many")
    return torch.from_numpy(np.frombuffer(content, dtype, numel, start).copy())


def _encoded(text: Any, where: str) -> bytes:
    try:
        return text.encode("latin1")
    except (AttributeError, UnicodeEncodeError):
        raise OnemaskError(f"{where}: a storage that is not bytes") from None


def _whole(numbers: Any) -> bool:
    """Whether these are a tuple of few whole numbers that a file could hold."""
    return (
        isinstance(numbers, tuple)
        and len(numbers) <= MAX_DIMENSIONS
        and all(type(n) is int and 0 <= n < 2**40 for n in numbers)
    )
