"""Label lists of a class: names, colours and the rare labels that have a binary mask of their own (decision 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from onemask.errors import OnemaskError
from onemask.files import read_yaml

MOST = 256  # label maps are bytes
COLOUR = re.compile("#[0-9a-fA-F]{6}")


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
    labels, rare = read_yaml(
        path,
        "a label list like config/labels/face.yaml",
        lambda entries: (dict(entries["labels"]), dict(entries.get("rare") or {})),
    )
    if next(iter(labels), None) != "background":
        raise OnemaskError(f"{path}: the first label must be 'background'")
    if len(labels) > MOST:
        raise OnemaskError(f"{path}: {len(labels)} labels; a label map has room for {MOST}")
    for name, colour in {**labels, **rare}.items():
        if not isinstance(name, str):
            raise OnemaskError(f"{path}: label {name!r}: is no text; put it in quotes")
        if not (isinstance(colour, str) and COLOUR.fullmatch(colour)):
            raise OnemaskError(f"{path}: label {name!r}: {colour!r} is no colour; write one as '#e69f00', in quotes")
    return LabelSet(tuple(labels), tuple(labels.values()), rare)
