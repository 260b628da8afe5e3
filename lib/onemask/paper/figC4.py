"""Fig. C4: baggage scans of the physics-based simulator, of the generator, and real ones, in grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onemask.files import read_npz
from onemask.paper.pictures import GAP, LINE, MARGIN, Sheet, enlarged, span

TITLES = {"simulated": "physics-based simulator", "generated": "BagGAN", "real": "PIDRay"}
BETWEEN = 10


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `scans`, an npz of uint8 [n, R, R, 3] by the names of TITLES, real ones if any; options: study."""
    arrays = read_npz(inputs["scans"], ("simulated", "generated"), "file of scans", "run the rule that makes it again")
    draw({name: arrays[name] for name in TITLES if name in arrays}, options).save(outputs)


def draw(rows: Mapping[str, np.ndarray], options: Mapping[str, Any]) -> Sheet:
    """A strip per kind of scan."""
    widest = max(map(len, rows.values()))
    top, pitch = MARGIN + 2 * LINE, span(1) + LINE + BETWEEN
    sheet = Sheet(2 * MARGIN + span(widest), top + len(rows) * pitch + MARGIN)
    trained = "" if "real" in rows else "; the generator was trained on the simulator's scans"
    sheet.text(MARGIN, MARGIN, f"study {options['study']}: baggage scans in grey{trained}", "left top")
    for number, (name, images) in enumerate(rows.items()):
        y = top + number * pitch + LINE
        sheet.text(MARGIN, y - 2 * GAP, TITLES[name], fontweight="bold")
        sheet.grid(MARGIN, y, [[enlarged(grey(image)) for image in images]])
    return sheet


def grey(image: np.ndarray) -> np.ndarray:
    """Luma (ITU-R BT.601) of an image uint8 [H, W, 3], as three equal channels."""
    luma = np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(luma[:, :, None], 3, axis=2)
