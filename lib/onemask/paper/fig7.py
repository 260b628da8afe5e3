"""Fig. 7: additive noise against interpolation at equal mean displacement of the latents, by perturbed block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onemask.paper.perturbations import chosen, draw_blocks, read_perturbations

METHODS = {"noise": "additive noise (Eq. 6)", "interpolation": "interpolation (Eq. 7)"}


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `samples`, an npz; options: study, class, truncation, strength and columns per method."""
    samples, strength = read_perturbations(inputs["samples"]), options["strength"]
    groups = [(name, chosen(samples, method, strength)[:1]) for method, name in METHODS.items()]
    title = (
        f"study {options['study']}, {options['class']} (\N{GREEK SMALL LETTER PSI} = {options['truncation']:g}):"
        f" one block's latents perturbed, p = {strength:g}; both methods move them equally far on average"
    )
    sheet = draw_blocks(samples["originals"][:1], groups, samples["resolutions"], title, options["columns"])
    sheet.save(outputs)
