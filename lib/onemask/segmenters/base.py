"""What every one-shot method offers, how a method is found by name, and how a fitted one is kept.

A method is a module of this package with
`build(settings: dict, num_labels: int, clustering: <loaded clustering or None>, seed: int) -> Segmenter`, and
STATES_UNCERTAINTY = True where what it builds has `uncertainty`.
Adding a method is one such file and one line of the configuration.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

import onemask.segmenters
from onemask.errors import OnemaskError
from onemask.files import read_safetensors, write_safetensors

Features = Sequence[Tensor]
T = TypeVar("T")
UNCERTAIN_SHARE = 0.1  # of an image's pixels, those that tell how uncertain it is


class Predictor(Protocol):
    """What labels images: a fitted segmenter, or several of them as one."""

    def predict(self, features: Features) -> Tensor:
        """Label maps uint8 [N, H, W]."""
        ...


class Segmenter(Predictor, Protocol):
    """Fitted on n annotated samples (one, in the paper), predicts the label maps of other images.

    `features` are the generator's maps [N, C_l, h_l, w_l] of a batch at their native sizes; label maps have the size of
    the largest. `predict(features)` is `segment(represent(features))`: the representation does not depend on what the
    segmenter was fitted on, so that many segmenters of one method, one per exemplar, share it.
    """

    def represent(self, features: Features) -> Any:
        """What the segmenter looks at, in the form that it reads fastest."""
        ...

    def fit(self, features: Features, label_maps: Tensor) -> Self:
        """Learn from label maps [n, H, W]. A label that no map holds is simply never predicted."""
        ...

    def segment(self, representation: Any) -> Tensor:
        """Label maps uint8 [N, H, W] from what `represent` returned."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything learnt by `fit`."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> Self:
        """Take `state` instead of fitting, and stay where it is."""
        ...


def load_method(name: str) -> ModuleType:
    """The module of a method; OnemaskError lists the methods that there are."""
    path = f"{onemask.segmenters.__name__}.{name}"
    if name not in _module_names() or not hasattr(module := importlib.import_module(path), "build"):
        raise OnemaskError(f"method module {name!r} is unknown; there are {', '.join(known_methods())}")
    return module


def method_builder(
    method: Mapping[str, Any], heads: Mapping[str, Any], num_labels: int, clustering: Any
) -> Callable[[int], Segmenter]:
    """`build(seed)` of a study's method under the study's section `heads` (onemask.sections)."""
    module, settings = load_method(method["module"]), build_settings(method, heads)
    return lambda seed: module.build(settings, num_labels, clustering, seed)


def method_states_uncertainty(module: str) -> bool:
    """Whether what a method's module builds has `uncertainty`: the module's constant STATES_UNCERTAINTY says so."""
    return getattr(load_method(module), "STATES_UNCERTAINTY", False)


def build_settings(method: Mapping[str, Any], heads: Mapping[str, Any]) -> dict[str, Any]:
    """What a method's `build` gets: the section `heads` under the method's own settings.

    A module that lists its SETTINGS is no head: it gets the method's own settings alone.
    """
    shared = {} if hasattr(load_method(method["module"]), "SETTINGS") else {"head": method["head"], **heads}
    return {**shared, **method["settings"]}


def load_clustering(path: str | Path, loader: Sequence[str], device: torch.device | str = "cpu") -> Any:
    """The clustering kept at `path`, read by load() of the class that `loader` names (module, class); None without."""
    if not loader:
        return None
    module, kind = loader
    return getattr(importlib.import_module(module), kind).load(path).to(device)


def known_methods() -> list[str]:
    """Names of the modules of this package that have a `build`."""
    package = onemask.segmenters.__name__
    return [name for name in _module_names() if hasattr(importlib.import_module(f"{package}.{name}"), "build")]


def _module_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(onemask.segmenters.__path__))


def fitted(learnt: T | None) -> T:
    """What a segmenter has learnt; RuntimeError before fit()."""
    if learnt is None:
        raise RuntimeError("predicting or saving before fit()")
    return learnt


def check_settings(settings: Mapping[str, Any], known: Sequence[str]) -> None:
    """OnemaskError for a setting that the method does not have."""
    if unknown := [key for key in settings if key not in known]:
        raise OnemaskError(f"method settings: unknown key {unknown[0]!r}; known keys: {', '.join(known)}")


def of_most_uncertain(uncertainty: Tensor) -> Tensor:
    """Per image [N] the mean of `uncertainty` [N, pixels] over its 10 % most uncertain pixels."""
    return uncertainty.topk(max(1, int(UNCERTAIN_SHARE * uncertainty.shape[1])), dim=1).values.mean(dim=1)


def output_size(features: Features) -> int:
    """Height and width of the label maps: those of the largest feature map."""
    return max(feature.shape[-1] for feature in features)


def check_label_maps(features: Features, label_maps: Tensor, num_labels: int) -> None:
    """OnemaskError unless there is one label map [H, W] per image, of the features' size, with known labels alone."""
    expected = (len(features[0]), output_size(features), output_size(features))
    if tuple(label_maps.shape) != expected:
        raise OnemaskError(f"label maps: shape {list(label_maps.shape)}, expected {list(expected)} for these features")
    if (largest := int(label_maps.max())) >= num_labels:
        raise OnemaskError(f"label maps: hold label {largest}, but there are labels 0 to {num_labels - 1}")


def save_segmenter(
    path: str | Path, segmenter: Segmenter, module: str, settings: Mapping[str, Any], num_labels: int
) -> None:
    """Keep a fitted segmenter as safetensors, with what `load_segmenter` needs to build it again."""
    metadata = {"kind": "segmenter", "module": module, "settings": dict(settings), "num_labels": num_labels}
    write_safetensors(path, segmenter.state(), metadata)


def load_segmenter(path: str | Path, clustering: Any = None, device: torch.device | str = "cpu") -> Segmenter:
    """A segmenter that `save_segmenter` kept; `clustering` is the one that it was fitted on."""
    state, metadata = read_safetensors(path)
    if metadata.get("kind") != "segmenter":
        raise OnemaskError(f"{path}: not a fitted segmenter; make it with the rule that fits one")
    state = {name: tensor.to(device) for name, tensor in state.items()}
    try:
        build = load_method(metadata["module"]).build
        return build(metadata["settings"], metadata["num_labels"], clustering, seed=0).restore(state)
    except torch.OutOfMemoryError:
        raise
    except (LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise OnemaskError(f"{path}: not a whole segmenter ({' '.join(str(error).split())}); fit it again") from None
