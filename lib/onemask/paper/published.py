"""The paper's own figures (config/published.yaml), printed beside ours. Percent, but for the speeds of Table 5."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from onemask.errors import OnemaskError
from onemask.files import read_yaml

Table2 = Mapping[str, Mapping[str, tuple[float, float]]]
T = TypeVar("T")
ABLATED = "face"  # the one class of Tables 7, 9 and 10
DEFAULT_SEGMENTERS = ("-", "FCN")


def read_table1(path: str | Path) -> dict[str, dict[str, Any]]:
    """Data sets: {class: {unlabelled, samples, resolution, layers, annotated, annotated_samples, parts}}."""

    def parse(content: Any) -> dict[str, dict[str, Any]]:
        table = dict(content["table1_datasets"])
        columns = table.pop("columns")
        return {name: dict(zip(columns, values, strict=True)) for name, values in table.items()}

    return _read(path, parse)


def read_table2(path: str | Path) -> Table2:
    """Table 2 as {"Method/segmenter": {class: (wIoU, FG-IoU)}}, percent; OnemaskError on another file."""

    def parse(content: Any) -> Table2:
        table = content["table2_one_shot"]
        groups = [table["semi_supervised"], table["self_supervised"]]
        return {
            f"{method}/{segmenter}": {name: (float(pair[0]), float(pair[1])) for name, pair in figures.items()}
            for group in groups
            for method, segmenters in group.items()
            for segmenter, figures in segmenters.items()
        }

    return _read(path, parse)


def read_table3(path: str | Path) -> tuple[dict[str, float], dict[str, dict[str, dict[int, float]]]]:
    """DeepLabV3 on real images: {class: wIoU} on them alone, {method: {class: {ratio: wIoU}}} with synthetic ones."""

    def parse(content: Any) -> tuple[dict[str, float], dict[str, dict[str, dict[int, float]]]]:
        table = dict(content["table3_downstream_deeplabv3"])
        ratios = [int(ratio.split(":")[1]) for ratio in table.pop("ratios")]
        alone = {name: float(value) for name, value in table.pop("no_augmentation").items()}
        return alone, {
            method: {name: dict(zip(ratios, map(float, values), strict=True)) for name, values in row.items()}
            for method, row in table.items()
        }

    return _read(path, parse)


def read_sdanet(path: str | Path) -> dict[int, float]:
    """Improvement of SDANet's IoU by synthetic scans, in points: {ratio: points} (Section 8.2)."""

    def parse(content: Any) -> dict[int, float]:
        return {int(ratio.split(":")[1]): float(gain) for ratio, gain in content["sdanet_iou_improvement"].items()}

    return _read(path, parse)


def read_table4(path: str | Path) -> dict[str, dict[str, float]]:
    """Precision at IoU 0.5 of the rare labels: {method: {label: percent}}."""

    def parse(content: Any) -> dict[str, dict[str, float]]:
        table = dict(content["table4_rare_label_precision"])
        del table["labels"]
        return _floats(table)

    return _read(path, parse)


def read_table5(path: str | Path) -> dict[str, dict[str, float]]:
    """Frames per second on one V100: {"Method" or "Method/segmenter": {class: fps}}."""

    def parse(content: Any) -> dict[str, dict[str, float]]:
        table = dict(content["table5_inference_fps"])
        classes = table.pop("classes")
        return _floats({method: dict(zip(classes, row, strict=True)) for method, row in table.items()})

    return _read(path, parse)


def read_table6(path: str | Path) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Precision at IoU 0.5 and IoU of prohibited items: {method: {item: percent}} each."""

    def parse(content: Any) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
        table = dict(content["table6_baggan"])
        del table["items"]
        precision, iou = (
            {method: {item: pair[i] for item, pair in row.items()} for method, row in table.items()} for i in (0, 1)
        )
        return _floats(precision), _floats(iou)

    return _read(path, parse)


def read_table7(path: str | Path) -> dict[str, dict[str, float]]:
    """Face by perturbed layer: {"0" .. "6" or "all": {"interpolation": wIoU, "interpolation_ratio": share, ..}}."""
    names = ("interpolation", "interpolation_ratio", "noise", "noise_ratio")
    return _read(path, lambda content: _pairs(content["table7_perturbation_layer"], names))


def read_table8(path: str | Path) -> dict[str, dict[str, float]]:
    """Local loss: {"with_local" or "without_local": {class: wIoU}}."""

    def parse(content: Any) -> dict[str, dict[str, float]]:
        table = content["table8_local_loss"]
        return _floats({name: table[name] for name in ("with_local", "without_local")})

    return _read(path, parse)


def read_table9(path: str | Path) -> dict[str, dict[str, float]]:
    """Face by segmenter: {"MLP-1" ..: {"wiou": percent, "fg_iou": percent}}."""
    return _read(path, lambda content: _pairs(content["table9_segmenter_size"], ("wiou", "fg_iou")))


def read_table10(path: str | Path) -> tuple[dict[str, dict[int, float]], float]:
    """Face by shots: {method: {shots: wIoU}}, and the supervised wIoU."""

    def parse(content: Any) -> tuple[dict[str, dict[int, float]], float]:
        table = dict(content["table10_few_shot"])
        shots, supervised = table.pop("shots"), float(table.pop("supervised"))
        return _floats({method: dict(zip(shots, row, strict=True)) for method, row in table.items()}), supervised

    return _read(path, parse)


def read_table_a1(path: str | Path) -> dict[str, dict[str, Any]]:
    """Training configuration: {key: {class: value}}; the key `labels` holds lists of names."""

    def parse(content: Any) -> dict[str, dict[str, Any]]:
        return {key: dict(values) for key, values in content["tableA1_training"].items()}

    return _read(path, parse)


def check_rows(keys: Iterable[str | None], published: Table2) -> None:
    """OnemaskError for a key that is no row of the paper's table; None is a method without a counterpart."""
    for key in keys:
        if key and key not in published:
            raise OnemaskError(f"methods: published {key!r} is no row of the paper's Table 2: {', '.join(published)}")


def counterpart(key: str | None, rows: Container[str]) -> str | None:
    """The row of another table for a row of Table 2, or None.

    A row that names a method alone stands for its FCN, the paper's segmenter where nothing else is said (6.2.4).
    """
    if key is None or key in rows:
        return key
    method, _, segmenter = key.partition("/")
    return method if segmenter in DEFAULT_SEGMENTERS and method in rows else None


def _read(path: str | Path, parse: Callable[[Any], T]) -> T:
    return read_yaml(path, "the published figures, which `git checkout` restores", parse)


def _floats(table: Mapping[str, Mapping[Any, Any]]) -> dict[str, dict[Any, float]]:
    return {row: {column: float(value) for column, value in figures.items()} for row, figures in table.items()}


def _pairs(table: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return _floats({row: dict(zip(names, pair, strict=True)) for row, pair in table.items()})
