"""Loops that say how far they are, on the terminal and to whoever watches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm import tqdm

Report = Callable[[str, int, int], None]  # what is done, the step, their number; what it raises ends the loop
_WATCHER: ContextVar[Report | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(report: Report) -> Iterator[None]:
    """Loops of `steps` in this context call `report` before each step."""
    token = _WATCHER.set(report)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def announce(what: str, step: int, count: int) -> None:
    """Tell whoever watches; a loop that counts otherwise than `steps` calls this itself."""
    if report := _WATCHER.get():
        report(what, step, count)


def steps(count: int, what: str, shown: bool = True) -> Iterator[int]:
    """0, 1, ... count - 1, with rate and time left on the terminal where `shown`."""
    for step in tqdm(range(count), desc=what, unit="step", mininterval=1, disable=not shown):
        announce(what, step, count)
        yield step
