"""The paper's own figures (config/published.yaml), printed beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from onemask.errors import OnemaskError

Table2 = Mapping[str, Mapping[str, tuple[float, float]]]


def read_table2(path: str | Path) -> Table2:
    """Table 2 as {"Method/segmenter": {class: (wIoU, FG-IoU)}}, percent; OnemaskError on another file."""
    try:
        table = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["table2_one_shot"]
        groups = [table["semi_supervised"], table["self_supervised"]]
        return {
            f"{method}/{segmenter}": {name: (float(pair[0]), float(pair[1])) for name, pair in figures.items()}
            for group in groups
            for method, segmenters in group.items()
            for segmenter, figures in segmenters.items()
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise OnemaskError(f"{path}: not the published figures ({reason}); restore it with `git checkout`") from None


def check_rows(keys: Iterable[str | None], published: Table2) -> None:
    """OnemaskError for a key that is no row of the paper's table; None is a method without a counterpart."""
    for key in keys:
        if key and key not in published:
            raise OnemaskError(f"methods: published {key!r} is no row of the paper's Table 2: {', '.join(published)}")
