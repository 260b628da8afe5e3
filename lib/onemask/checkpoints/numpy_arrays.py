"""numpy's arrays in pickles, made from inert records: sizes are checked against the bytes that are there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from onemask.checkpoints.inert_pickle import Made, bytes_of, whole_numbers
from onemask.errors import OnemaskError

CORES = ("core", "_core")  # numpy 1 and 2
SCALAR, RECONSTRUCT = ({f"numpy.{core}.multiarray.{name}" for core in CORES} for name in ("scalar", "_reconstruct"))
GLOBALS = (*SCALAR, *RECONSTRUCT, "numpy.dtype", "numpy.ndarray")
CODES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"})


class ArrayReader:
    """Makes arrays of the records of one file, of which errors name `where`.

    `budget` is the most bytes that all of them together may take: a record that is shared could multiply it.
    """

    def __init__(self, where: str, budget: int) -> None:
        self.where, self.budget = where, budget

    def array(self, record: Any) -> np.ndarray:
        """The array, or the scalar as an array without axes, that a record stands for; OnemaskError."""
        name = record.function.name if isinstance(record, Made) else None
        if name in SCALAR and len(record.arguments) == 2:
            return self._made((), *record.arguments, order="C")
        if name in RECONSTRUCT and isinstance(record.state, tuple) and len(record.state) >= 4:
            shape, dtype, fortran, content = record.state[-4:]
            return self._made(shape, dtype, content, order="F" if fortran is True else "C")
        raise self.error("a weight that is no array")

    def _made(self, shape: Any, dtype: Any, content: Any, order: str) -> np.ndarray:
        if not whole_numbers(shape):
            raise self.error("an array whose shape is not one of whole numbers")
        kind, raw = self._dtype(dtype), bytes_of(content)
        if raw is None or len(raw) != math.prod(shape) * kind.itemsize:
            raise self.error(f"an array of shape {list(shape)} whose bytes are not as many")
        self.budget -= len(raw)
        if self.budget < 0:
            raise self.error("an array too many: together they are larger than the file")
        return np.frombuffer(raw, kind).reshape(shape, order=order)

    def _dtype(self, record: Any) -> np.dtype:
        """A plain type of numbers in either byte order."""
        known = isinstance(record, Made) and record.function.name == "numpy.dtype" and record.arguments
        code, state = (record.arguments[0], record.state) if known else (None, None)
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
        if not isinstance(code, str) or code not in CODES or order not in ("<", ">", "|", "="):
            raise self.error("an array of something else than numbers")
        return np.dtype(code).newbyteorder(order)

    def error(self, what: str) -> OnemaskError:
        """An error that names the file."""
        return OnemaskError(f"{self.where}: {what}")
