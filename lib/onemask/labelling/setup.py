"""What a session fits, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onemask.segmenters.base import build_settings

LEAST_EPOCHS = 20


@dataclass(frozen=True)
class Setup:
    """What is fitted, and how: an entry of a study's methods and a study's sections, as plain values."""

    method: Mapping[str, Any]
    sections: Mapping[str, Mapping[str, Any]]
    truncation: float

    @property
    def title(self) -> str:
        """Of the method, as tables have it."""
        return self.method["title"]

    @property
    def clustering(self) -> str | None:
        """File of its clustering in a session: another kind or other settings are another file."""
        name = self.method["clustering"]
        if not name:
            return None
        settings = json.dumps([self.sections[name], self.truncation], sort_keys=True)
        return f"clustering.{name}.{hashlib.sha256(settings.encode()).hexdigest()[:8]}.safetensors"

    def budget(self, samples: int) -> Setup:
        """The same for so many samples: as many of them are looked at as of one, so that a refit takes no longer.

        An epoch looks at all samples, of a head at `batch` of them at most.
        """
        own = build_settings(self.method, self.sections["heads"])
        if "epochs" not in own:
            return self
        epochs = own["epochs"]
        seen = min(samples, own.get("batch", samples))
        settings = {**self.method["settings"], "epochs": min(epochs, max(LEAST_EPOCHS, epochs // seen))}
        return Setup({**self.method, "settings": settings}, self.sections, self.truncation)
