"""Table 6: precision at IoU 0.5 and IoU of prohibited items in baggage, from metrics csv files alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onemask.paper.published import read_table6
from onemask.paper.table4 import make_rare_table


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """As for Table 4; `classes` is the case study alone, {name: [items]}."""
    precision, iou = read_table6(inputs["published"])
    make_rare_table(inputs, outputs, options, "6", {"precision": precision, "iou": iou})
