"""The one exception that a user sees: a single line that names the file or key and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class OnemaskError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do about it."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an OnemaskError into one line on stderr and exit status 1; other exceptions keep their traceback."""
    try:
        yield
    except OnemaskError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
