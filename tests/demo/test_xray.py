"""The X-ray physics: Beer and Lambert to the digit, atomic numbers of pure materials, hues, noise of photon counts."""

import math

import pytest
import torch

from onemask.demo import xray
from onemask.demo.xray import COUNTS, ENERGIES, MASS_ATTENUATION, Material, Scan, effective_atomic_number, false_colours

EVERYWHERE = torch.full((4, 16, 16), -1.0)


def scan(**layers: float) -> Scan:
    """Four equal scans with plates (name of a material: cm) all over."""
    made = Scan(torch.arange(4), 16, ["background", "part"], ["part"])
    for name, thickness in layers.items():
        made.add(EVERYWHERE, getattr(xray, name), thickness)
    return made


def test_stacked_plates_multiply_their_transmissions():
    """4 cm of water: mu/rho .2059 and .1707 cm^2/g (NIST); 1 mm of steel on it adds its own optical depth."""
    water = scan(WATER=4.0).depth[0, :, 0, 0]
    torch.testing.assert_close(water, torch.tensor([4 * 0.2059, 4 * 0.1707]), rtol=2e-3, atol=0)
    both = scan(STEEL=0.1, WATER=4.0).depth[0, :, 0, 0]
    iron, carbon = torch.tensor([1.2049, 0.3717]), torch.tensor([0.1753, 0.1514])
    steel = 0.1 * 7.85 * (0.98 * iron + 0.02 * carbon)
    torch.testing.assert_close(both - water, steel)


def test_a_rod_is_thickest_on_its_axis():
    made = Scan(torch.arange(1), 64, ["background"], [])
    made.add(made.frame.x.abs() - 0.5, xray.PLASTIC, 3.0, 0.5)
    profile = made.depth[0, 1, 32] / xray.PLASTIC.attenuation[1]
    x = made.frame.x[0, 0]
    inside = x.abs() < 0.45
    torch.testing.assert_close(profile[inside], 3 * torch.sqrt(1 - (x[inside] / 0.5) ** 2), atol=0.02, rtol=0)
    assert (profile[x.abs() > 0.52] == 0).all()


@pytest.mark.parametrize("thickness", [0.05, 0.5])
@pytest.mark.parametrize(("element", "number"), [("C", 6), ("O", 8), ("Al", 13), ("Fe", 26), ("Cu", 29)])
def test_the_atomic_number_of_an_element_does_not_depend_on_its_thickness(element, number, thickness):
    depth = torch.tensor(Material(2.0, {element: 1.0}).attenuation)[None, :, None, None] * thickness
    assert effective_atomic_number(depth).item() == pytest.approx(number, abs=0.01)


def test_organic_matter_is_orange_mixed_green_metal_blue():
    colours = false_colours(torch.exp(-scan(WATER=6.0).depth)), false_colours(torch.exp(-scan(ALUMINIUM=2.0).depth))
    steel = false_colours(torch.exp(-scan(STEEL=0.3).depth))
    orange, green, blue = (c[0, :, 0, 0] for c in (*colours, steel))
    assert orange[0] > orange[1] > orange[2] and green.argmax() == 1 and blue.argmax() == 2
    assert torch.equal(false_colours(torch.ones(1, 2, 1, 1)), torch.ones(1, 3, 1, 1))  # the empty belt is white


def test_what_lets_no_photon_through_is_dark_metal():
    dark = scan(STEEL=6.0).finish().images.float().mean(dim=(0, 2, 3)) / 255
    assert dark.argmax() == 2 and dark.max() < 0.5 and dark.min() < 0.1


def test_noise_is_that_of_counted_photons_and_belongs_to_the_seed():
    """The deviation of the transmission T is sqrt(T / COUNTS), at both energies on their own."""
    made = Scan(torch.arange(8), 64, ["background"], [])
    noise = torch.stack([made._noise(f"{energy} keV") for energy in ENERGIES])
    assert noise.mean().abs() < 0.02 and noise.std() == pytest.approx(1, abs=0.01)
    assert torch.corrcoef(noise.flatten(1))[0, 1].abs() < 0.02
    assert torch.equal(Scan(torch.tensor([5]), 64, ["background"], [])._noise("60 keV")[0], noise[0, 5])
    belt = scan().finish().images.float() / 255
    assert 0 < belt.std() < 2 * xray.CONTRAST / math.sqrt(COUNTS)


def test_the_top_label_wins_and_item_masks_stay_whole():
    made = Scan(torch.arange(4), 16, ["background", "part", "other"], ["part"])
    half = made.frame.x.expand(4, 16, 16)
    made.mark(EVERYWHERE, "part", "part", present=torch.tensor([True, True, False, True]))
    made.mark(half, "other")
    assert (made.label_map[:, :, :8] == 2).all() and made.label_map[:, 0, 12].tolist() == [1, 1, 0, 1]
    assert made.items["part"].flatten(1).all(dim=1).tolist() == [True, True, False, True]


@pytest.mark.extended
def test_the_table_is_that_of_elam_ravel_and_sieber():
    xraydb = pytest.importorskip("xraydb")
    for element, values in MASS_ATTENUATION.items():
        for energy, value in zip(ENERGIES, values, strict=True):
            assert value == pytest.approx(float(xraydb.mu_elam(element, 1000 * energy)), abs=6e-5)
