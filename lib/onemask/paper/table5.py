"""Table 5: frames per second of every method, as its authors run it and projected at native size, from csv alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from onemask.errors import OnemaskError
from onemask.evaluation.metrics import KEYS, SECONDS
from onemask.paper.published import read_table5
from onemask.paper.style import ABSENT, escape, number
from onemask.paper.tables import (
    PUBLISHED,
    Table,
    Tabular,
    check_methods,
    figures_of,
    heading,
    of_study,
    published,
    ranged,
    write_table,
)

READ = [*KEYS, "path", "generator", *SECONDS, "fps", "images", "threads", "device", "hardware"]
GENERATOR = ("included", "excluded")
PATHS = ("authors", "native")
ALONE = "generator"  # in place of a method: the image without a mask
REMEDY = "run the rule that makes it again"


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `rows` (results/<study>/speed/<class>.csv) and `published`; options: methods, as for Table 4."""
    rows = read_speeds(inputs["rows"])
    alone = rows["method"] == ALONE
    rows, generators = rows[~alone], rows[alone]
    table = summary(rows, options["methods"], read_table5(inputs["published"]))
    write_table(outputs, draw(table, rows, generators), table)


def read_speeds(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Rows of several csv files; OnemaskError names a file that is no csv of speeds."""
    return pd.concat([_read(path) for path in paths], ignore_index=True)


def summary(
    rows: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row per class and method: study, class, method, title, frames per second, published.

    <path>_<generator> are frames per second, speed_up_<generator> is native over authors.
    OnemaskError for a method that is not configured.
    """
    check_methods(rows, methods, "speed csv")
    table = rows.pivot_table("fps", KEYS, ["path", "generator"], sort=False)
    wide = pd.DataFrame(index=table.index)
    for generator in GENERATOR:
        for path in PATHS:
            wide[f"{path}_{generator}"] = table.get((path, generator), math.nan)
        wide[f"speed_up_{generator}"] = wide[f"native_{generator}"] / wide[f"authors_{generator}"]
    wide = wide.reset_index()
    wide.insert(3, "title", wide["method"].map(lambda name: methods[name]["title"]))
    wide["published"] = figures_of(wide, "class", methods, theirs)
    return wide


def draw(table: pd.DataFrame, rows: pd.DataFrame, generators: pd.DataFrame) -> Table:
    """A block per class, a line per method; the fastest of a class is bold. The caption has the generators' own."""
    columns = [f"{what}_{generator}" for generator in GENERATOR for what in (*PATHS, "speed_up")]
    blocks = []
    for name, group in table.groupby("class", sort=False):
        best = {column: group[column].max() for column in columns if not column.startswith("speed_up")}
        lines = [
            [escape(row["title"]), *(_cell(row, column, best) for column in columns), published(row["published"])]
            for row in group.to_dict("records")
        ]
        blocks.append([heading(escape(name), len(columns) + 1), *lines])
    groups = [(f"generator {generator}", ["authors", "native", "speed-up"]) for generator in GENERATOR]
    return Table(_caption(rows, generators), "tab:speed", [Tabular("Method", [*groups, ("", [PUBLISHED])], blocks)])


def frames(fps: float) -> str:
    """Frames per second with three digits or all before the point."""
    return number(fps, max(0, 2 - int(math.log10(fps)))) if fps >= 1 else number(fps, 2)


def _cell(row: Mapping[str, Any], column: str, best: Mapping[str, float]) -> str:
    value = row[column]
    if math.isnan(value):
        return ABSENT
    if column.startswith("speed_up"):
        return rf"{number(value, 1)}$\times$"
    return rf"\textbf{{{frames(value)}}}" if value == best[column] else frames(value)


def _caption(rows: pd.DataFrame, generators: pd.DataFrame) -> str:
    alone = ", ".join(f"{escape(row['class'])} {frames(row['fps'])}" for row in generators.to_dict("records"))
    hardware = "; ".join(
        f"{escape(str(hardware))} ({escape(str(device))}, threads: {ranged(group['threads'])})"
        for (hardware, device), group in rows.groupby(["hardware", "device"], sort=False)
    )
    spread = 100 * ((rows["seconds_high"] - rows["seconds_low"]) / rows["seconds"]).max()
    return (
        f"Inference speed in frames per second, study {of_study(rows, 'Table 5')}: one image at a time, the median of"
        f" {ranged(rows['images'])} images after a warm-up (quartiles at most {number(spread, 0)}\\% apart), with and"
        " without the generator's own time. Authors: on"
        " hidden features enlarged to the image's size and concatenated; native: projected at each map's own size."
        f"{f' The generator alone: {alone}.' if alone else ''} Hardware: {hardware}. Bold: fastest of a class."
        " Italics: the paper's Table 5, on one NVIDIA Tesla V100 and with other generators; whether its figures include"
        " the generator is not stated."
    )


def _read(path: str | Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype={name: str for name in [*KEYS, "path", "generator", "device", "hardware"]})
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{path}: not a readable csv ({error}); {REMEDY}") from None
    if missing := [name for name in READ if name not in rows]:
        raise OnemaskError(f"{path}: has no column {missing[0]!r}; {REMEDY}")
    return rows
