"""Fig. 6: images sampled by perturbing the latents of one block, by block and strength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onemask.paper.perturbations import chosen, draw_blocks, read_perturbations


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `samples`, an npz; options: study, class, truncation, strengths, identities and columns per strength."""
    samples = read_perturbations(inputs["samples"])
    count = options["identities"]
    groups = [
        (f"interpolation, p = {strength:g}", chosen(samples, "interpolation", strength)[:count])
        for strength in options["strengths"]
    ]
    title = (
        f"study {options['study']}, {options['class']} (\N{GREEK SMALL LETTER PSI} = {options['truncation']:g}):"
        " the latents of one block moved towards random ones"
    )
    sheet = draw_blocks(samples["originals"][:count], groups, samples["resolutions"], title, options["columns"])
    sheet.save(outputs)
