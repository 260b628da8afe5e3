"""One piece of work in the background at a time: its progress, its end, and how it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from onemask.errors import OnemaskError
from onemask.progress import watched


class Cancelled(Exception):
    """The user stopped the work."""


@dataclass
class Work:
    """What runs, or ran last, in the background; each has a number of its own."""

    serial: int = 0
    kind: str = ""
    state: str = "idle"  # running, done, failed, cancelled
    what: str = ""
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    message: str = ""
    started: float = field(default=0.0, repr=False)

    def shown(self) -> dict[str, Any]:
        """For the page."""
        seconds = time.monotonic() - self.started if self.state == "running" else self.seconds
        names = ("serial", "kind", "state", "what", "step", "steps", "message")
        return {**{name: getattr(self, name) for name in names}, "seconds": round(seconds, 1)}


class Worker:
    """Runs one thing at a time; `work` is what runs, or ran last."""

    def __init__(self) -> None:
        self.work, self._cancel, self._lock = Work(), threading.Event(), threading.Lock()

    def start(self, kind: str, run: Callable[[], str]) -> None:
        """Run in a thread; its result is the message. OnemaskError while something else runs."""
        with self._lock:
            if self.work.state == "running":
                raise OnemaskError(f"{self.work.kind} is still running; wait for it or cancel it")
            self._cancel.clear()
            self.work = Work(self.work.serial + 1, kind, "running", started=time.monotonic())
        threading.Thread(target=self._guarded, args=(self.work, run), daemon=True).start()

    def cancel(self) -> None:
        """Ask what runs to stop at its next step."""
        self._cancel.set()

    def _guarded(self, work: Work, run: Callable[[], str]) -> None:
        def report(what: str, step: int, steps: int) -> None:
            self.stop_if_cancelled()
            work.what, work.step, work.steps = what, step, steps

        state, message = "failed", ""
        try:
            with watched(report):
                message, state = run(), "done"
        except Cancelled:
            state = "cancelled"
        except OnemaskError as error:
            message = str(error)
        except Exception as error:  # the page must learn of it, whatever it is
            logging.exception("%s failed", work.kind)
            message = f"{work.kind} failed: {type(error).__name__}: {error}; the server's terminal says where"
        finally:
            work.seconds = time.monotonic() - work.started
            work.message, work.state = message, state

    def stop_if_cancelled(self) -> None:
        if self._cancel.is_set():
            raise Cancelled
