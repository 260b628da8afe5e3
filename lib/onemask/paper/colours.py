"""Colours of classes and methods, the same in every figure, told apart by the colour-blind.

Methods have Okabe & Ito's palette; classes and the settings of one method have Tol's "muted", so that neither is taken
for a method.
"""

from __future__ import annotations

from typing import Any

CLASS_COLOURS = {"face": "#332288", "cat": "#882255", "car": "#117733", "horse": "#999933"}
SETTING_COLOURS = ("#332288", "#AA4499", "#117733", "#999933", "#882255")
OTHER_COLOUR = "#444444"

# A method's family has the colour; its head the line: FCN solid with circles, MLP dashed with squares.
FCN = {"linestyle": "-", "marker": "o"}
MLP = {"linestyle": "--", "marker": "s"}
METHOD_COLOURS: dict[str, dict[str, str]] = {
    "copy_mask": {"color": "#888888", "linestyle": ":", "marker": "x"},
    "datasetgan": {"color": "#E69F00", "linestyle": "-.", "marker": "^"},
    "lagm": {"color": "#0072B2", "linestyle": "-.", "marker": "v"},
    "repurposegan_mlp": {"color": "#56B4E9", **MLP},
    "repurposegan_fcn": {"color": "#56B4E9", **FCN},
    "hfc_kmeans": {"color": "#009E73", "linestyle": "-.", "marker": "D"},
    "hfc_simclr_mlp": {"color": "#CC79A7", **MLP},
    "hfc_simclr_fcn": {"color": "#CC79A7", **FCN},
    "hfc_swav_mlp": {"color": "#D55E00", **MLP},
    "hfc_swav_fcn": {"color": "#D55E00", **FCN},
    "supervised_fcn": {"color": "#000000", "linestyle": ":", "marker": "*"},
}


def method_line(name: str) -> dict[str, Any]:
    """Keywords of a matplotlib line for a method; grey for one that has no colour of its own."""
    return {"color": OTHER_COLOUR, "linestyle": "-", "marker": "."} | METHOD_COLOURS.get(name, {})
