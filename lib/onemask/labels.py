"""Label lists of a class: names, colours and the rare labels that have a binary mask of their own (decision 7)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from onemask.errors import OnemaskError


@dataclass(frozen=True)
class LabelSet:
    """names[i] is the label of value i in a label map; colours are "#rrggbb"; rare: a rare label to its colour."""

    names: tuple[str, ...]
    colours: tuple[str, ...]
    rare: dict[str, str]

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The value of a label in the label map; OnemaskError if the class has no such label."""
        if name not in self.names:
            raise OnemaskError(f"label {name!r} is not one of {', '.join(self.names)}")
        return self.names.index(name)


def read_labels(path: str | Path) -> LabelSet:
    """Read config/labels/<class>.yaml: `labels` and `rare`, each a mapping of name to "#rrggbb", background first."""
    try:
        entries = yaml.safe_load(Path(path).read_text())
        labels, rare = dict(entries["labels"]), dict(entries.get("rare") or {})
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise OnemaskError(f"{path}: not a label list ({error}); see config/labels/face.yaml") from None
    if next(iter(labels), None) != "background":
        raise OnemaskError(f"{path}: the first label must be 'background'")
    return LabelSet(tuple(labels), tuple(labels.values()), rare)
