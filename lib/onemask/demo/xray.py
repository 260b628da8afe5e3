"""Dual-energy X-ray transmission through stacked objects, and the false colours of a baggage screener.

Beer and Lambert: what passes through materials of linear attenuation mu_m (1/cm) and thickness t_m (cm) is
exp(-sum of mu_m t_m). A screener measures it at a low and at a high energy. The ratio of both optical depths depends on
the material alone and tells its effective atomic number, which sets the hue: orange organic, green mixed, blue metal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onemask.demo.canvas import Draws, Frame, Param, Rendered, per_pixel

ENERGIES = (60, 100)  # keV, effective energies of a screener's two detectors at 140 to 160 kV
# Mass attenuation with coherent scattering, cm^2/g, at ENERGIES: Elam, Ravel and Sieber, Radiat. Phys. Chem. 63 (2002)
MASS_ATTENUATION = {
    "H": (0.3260, 0.2944),
    "Li": (0.1438, 0.1289),
    "C": (0.1753, 0.1514),
    "N": (0.1817, 0.1529),
    "O": (0.1907, 0.1551),
    "Al": (0.2778, 0.1704),
    "Si": (0.3206, 0.1835),
    "Cr": (0.9640, 0.3166),
    "Fe": (1.2049, 0.3717),
    "Co": (1.3140, 0.3949),
    "Cu": (1.5926, 0.4585),
    "Zn": (1.7606, 0.4974),
    "Pb": (5.0197, 5.5488),
}
# the ratio of MASS_ATTENUATION at both energies, by atomic number; straight lines in between
Z_ANCHORS = {6: "C", 8: "O", 13: "Al", 14: "Si", 24: "Cr", 26: "Fe", 29: "Cu"}
ORGANIC_Z, MIXED_Z, METAL_Z = 7.5, 13.0, 22.0
ORGANIC, MIXED, METAL = (0.96, 0.52, 0.04), (0.10, 0.60, 0.20), (0.06, 0.16, 0.74)
COUNTS = 20_000  # photons per pixel and energy without an object
DARKEST = 0.55  # of a hue, where nothing passes
STARVED = 20  # photons at the low energy: with fewer there is no ratio, and the screener paints metal
MOST_PIXELS = 2**24  # of an image: seeds times this many stay apart
CONTRAST = 1.4  # exponent of the transmission shown: above one it deepens thin organic matter


@dataclass(frozen=True)
class Material:
    """`density` in g/cm^3 (bulk: clothes are mostly air); `parts` are mass fractions of elements."""

    density: float
    parts: Mapping[str, float]

    @property
    def attenuation(self) -> tuple[float, float]:
        """Linear attenuation in 1/cm at ENERGIES, by the mixture rule."""
        low, high = (
            sum(share * MASS_ATTENUATION[element][energy] for element, share in self.parts.items())
            for energy in range(len(ENERGIES))
        )
        return self.density * low, self.density * high


WATER = Material(1.0, {"H": 0.112, "O": 0.888})
PLASTIC = Material(1.0, {"H": 0.144, "C": 0.856})
CARTON = Material(0.6, {"H": 0.062, "C": 0.444, "O": 0.494})
WOOD = Material(0.7, {"H": 0.062, "C": 0.444, "O": 0.494})
FABRIC = Material(0.18, {"H": 0.062, "C": 0.444, "O": 0.494})
GLASS = Material(2.4, {"Si": 0.467, "O": 0.533})
BOARD = Material(2.3, {"C": 0.25, "H": 0.03, "O": 0.33, "Si": 0.22, "Cu": 0.17})  # glass, epoxy and copper
CELL = Material(2.4, {"C": 0.28, "O": 0.22, "Li": 0.04, "Al": 0.18, "Cu": 0.10, "Co": 0.18})  # a lithium-ion cell
ALUMINIUM = Material(2.7, {"Al": 1.0})
STEEL = Material(7.85, {"Fe": 0.98, "C": 0.02})
COPPER = Material(8.96, {"Cu": 1.0})
BRASS = Material(8.5, {"Cu": 0.65, "Zn": 0.35})
LEAD = Material(11.34, {"Pb": 1.0})


class Scan:
    """A batch of scans under way: optical depths [N, 2, H, W], label map uint8 [N, H, W], masks of items."""

    def __init__(
        self, seeds: Tensor, size: int, labels: Sequence[str], items: Sequence[str] = (), photons: int = COUNTS
    ) -> None:
        """seeds: int64 [N]; labels: names in the order of their values, background first; items: names of masks.

        photons: per pixel and energy where nothing lies in the beam.
        """
        self.photons = photons
        count, device = len(seeds), seeds.device
        axis = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) * (2 / size) - 1
        self.seeds, self.pixel = seeds, 2 / size
        self.frame = Frame(axis[None, None, :].expand(1, size, size), axis[None, :, None].expand(1, size, size))
        self.depth = torch.zeros(count, len(ENERGIES), size, size, device=device)
        self.label_map = torch.zeros(count, size, size, dtype=torch.uint8, device=device)
        self.items = {name: torch.zeros(count, size, size, dtype=torch.bool, device=device) for name in items}
        self._values = {name: value for value, name in enumerate(labels)}

    def add(
        self, distance: Tensor, material: Material, thickness: Param, radius: Param | None = None,
        present: Tensor | None = None,
    ) -> None:
        """Put the shape `distance` [N, H, W] into the beam, `thickness` cm of the material.

        With a `radius` (canvas units) the shape is round: as thick as that at a depth of `radius` from its outline, and
        thinner towards it like a rod. present: bool [N].
        """
        coverage = (0.5 - distance / self.pixel).clamp(0, 1) * per_pixel(thickness)
        if radius is not None:
            inward = (-distance / per_pixel(radius)).clamp(0, 1)
            coverage = coverage * torch.sqrt((inward * (2 - inward)).clamp_min(0.05))
        if present is not None:
            coverage = coverage * per_pixel(present)
        for energy, attenuation in enumerate(material.attenuation):
            self.depth[:, energy].add_(coverage, alpha=attenuation)

    def mark(self, distance: Tensor, label: str, item: str | None = None, present: Tensor | None = None) -> None:
        """Label the shape, over what was labelled before; `item` adds it to that mask, which nothing hides."""
        inside = distance < 0 if present is None else (distance < 0) & per_pixel(present)
        self.label_map.masked_fill_(inside, self._values[label])
        if item is not None:
            self.items[item] |= inside

    def finish(self) -> Rendered:
        """Measured and coloured, as bytes."""
        passed = torch.exp(-self.depth)
        noise = torch.stack([self._noise(f"{energy} keV") for energy in ENERGIES], dim=1)
        measured = (passed + noise * torch.sqrt(passed / self.photons)).clamp(1 / self.photons, 1)
        images = (false_colours(measured, self.photons) * 255).round().to(torch.uint8)
        return Rendered(images, self.label_map, self.items)

    def _noise(self, name: str) -> Tensor:
        """Standard normal [N, H, W], a hash of (seed, name, pixel)."""
        height, width = self.label_map.shape[1:]
        pixels = torch.arange(height * width, device=self.seeds.device).reshape(height, width)
        return Draws(self.seeds[:, None, None] * MOST_PIXELS + pixels).normal(name, limit=4)


def effective_atomic_number(depth: Tensor) -> Tensor:
    """Z [N, H, W] from optical depths [N, 2, H, W] at ENERGIES, between those of Z_ANCHORS."""
    ratio = depth[:, 0] / depth[:, 1].clamp_min(1e-6)
    ratios = [MASS_ATTENUATION[name][0] / MASS_ATTENUATION[name][1] for name in Z_ANCHORS.values()]
    numbers = list(Z_ANCHORS)
    result, slope = torch.full_like(ratio, numbers[0]), 0.0
    for i in range(len(numbers) - 1):
        steeper = (numbers[i + 1] - numbers[i]) / (ratios[i + 1] - ratios[i])
        result += (steeper - slope) * (ratio - ratios[i]).clamp_min(0)
        slope = steeper
    return result.clamp(numbers[0], numbers[-1])


def false_colours(transmission: Tensor, photons: int = COUNTS) -> Tensor:
    """RGB [N, 3, H, W] in [0, 1] of transmissions [N, 2, H, W] at ENERGIES, measured with so many photons a pixel."""
    z = effective_atomic_number(-torch.log(transmission))
    brightness = transmission.mean(dim=1) ** CONTRAST
    mixed = ((z - ORGANIC_Z) / (MIXED_Z - ORGANIC_Z)).clamp(0, 1)
    metal = ((z - MIXED_Z) / (METAL_Z - MIXED_Z)).clamp(0, 1)
    metal = torch.maximum(metal, 2 - transmission[:, 0] * (photons / STARVED)).clamp(0, 1)
    dimmed = DARKEST + (1 - DARKEST) * brightness
    channels = []
    for organic, both, blue in zip(ORGANIC, MIXED, METAL, strict=True):
        hue = organic + (both - organic) * mixed
        hue = hue + (blue - hue) * metal
        channels.append(torch.lerp(hue * dimmed, torch.ones_like(hue), brightness))
    return torch.stack(channels, dim=1)
