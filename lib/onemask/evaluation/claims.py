"""The paper's claims, tested on result files: holds, does not hold, undecided, or not tested with the reason.

config/claims.yaml holds the claims as data: two selections of rows (`more`, `less`) and what is measured on them. A
claim holds where the difference is above zero, by a paired bootstrap (onemask.evaluation.bootstrap) whose p-value,
corrected by Holm's method over all claims, is below 5 %; parts of claims are corrected over all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from onemask.errors import OnemaskError
from onemask.evaluation import bootstrap
from onemask.evaluation.metrics import AREAS, KEYS, METRICS, SECONDS, image_scores, read_rows
from onemask.evaluation.rare import outcomes
from onemask.files import read_yaml
from onemask.validation import one_line

LEVEL = 0.05
ALL = "all"  # scope of a claim as a whole; a part's is its class or label
ONE_SEED = "one clustering seed: another may decide otherwise"
HOLDS, FAILS, UNDECIDED, NOT_TESTED = "holds", "does not hold", "undecided", "not tested"
COLUMNS = [
    *("id", "paper", "claim", "scope", "over", "kind", "metric", "unit", "more", "less", "difference", "low", "high"),
    *("margin", "p", "p_holm", "verdict", "exemplars", "images", "replicates", "note"),
]
CELLS = ["replicate", "exemplar", "image"]
PIXELS = ["intersection", "union"]
FIXED = {*CELLS, "study", "class", "label", "part", "whole", *METRICS, *AREAS}  # other columns tell settings apart
Sources = Mapping[str, pd.DataFrame]


class Side(BaseModel):
    """Rows of a source: `one_shot`, `rare`, `speed`, `sdanet` or the name of an experiment.

    `where` is a condition on its columns as pandas.DataFrame.query takes it. Several settings that match (methods,
    values of a grid) are averaged, or the best of them is taken.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    methods: tuple[str, ...] = ()
    where: str | None = None
    take: Literal["mean", "best"] = "mean"


class Claim(BaseModel):
    """One claim: `more` should exceed `less`, another selection or a number.

    kind: `mean` of a metric, `share` of images whose metric is above `above`, `precision` of rare labels, `restraint`
    (share of images without the rare label that are left without it), `iou` of intersections and unions summed over
    images and runs, or `ratio` of frames per second, judged by quartiles over images, without a test. `margin` is how
    far `more` may fall short; `within` turns the claim into "both differ by less, everywhere", and the figures are
    those of where they differ most; `at_least` is the ratio asked for. Rows are compared per class, per rare label and
    per value of the columns `per`.
    With `everywhere` the margin must hold in every class and for every value of `per`, not on their mean. `parts` asks
    for a verdict of each class or label too, `seeds` for so many clustering seeds. Where the replicates are whole
    `runs`, each with an exemplar of its own, they stand for the exemplars.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    paper: str
    claim: str
    kind: Literal["mean", "share", "precision", "restraint", "iou", "ratio"]
    metric: Literal["wiou", "wiou_fg", "miou", "fg_iou"] | None = None
    above: float | None = None
    more: Side
    less: Side | float
    per: tuple[str, ...] = ()
    margin: float = 0.0
    everywhere: bool = False
    within: float | None = None
    at_least: float = 1.0
    seeds: int = 1
    runs: bool = False
    parts: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Claim:
        if (self.kind in ("mean", "share")) != (self.metric is not None):
            raise ValueError(f"{self.id}: kind {self.kind} goes {'without' if self.metric else 'with'} a `metric`")
        if (self.kind == "share") != (self.above is not None):
            raise ValueError(f"{self.id}: `above` belongs to kind share")
        return self


class Untested(Exception):
    """Why a claim has no verdict."""


def read_claims(path: str | Path) -> list[Claim]:
    """The list `claims` of config/claims.yaml; OnemaskError in one line."""
    entries = read_yaml(path, "a list of claims", lambda content: list(content["claims"]))
    try:
        claims = [Claim.model_validate(entry) for entry in entries]
    except ValidationError as error:
        raise OnemaskError(f"{path}: a claim's {one_line(error, Claim)}") from None
    names = [claim.id for claim in claims]
    if len(set(names)) < len(names):
        raise OnemaskError(f"{path}: two claims have the same id; give each its own")
    return claims


def read_sources(
    one_shot: Iterable[str],
    rare: Iterable[tuple[str, int]],
    speed: Iterable[str],
    experiments: Iterable[str],
    sdanet: Iterable[str] = (),
) -> dict[str, pd.DataFrame]:
    """Tables by the name of the source, from csv files; an experiment is called as its file.

    `rare` holds pairs of a file and its replicate, the number of the clustering's seed.
    Where there is an experiment `replicates`, its runs stand for those methods' rows in `one_shot`.
    """
    sources = {Path(path).stem: _read_csv(path, [*KEYS, "replicate", "exemplar", "image"]) for path in experiments}
    if paths := list(one_shot):
        scores = image_scores(read_rows(paths)).assign(replicate=0)
        if "replicates" in sources:
            seeds = sources["replicates"].drop(columns="shots", errors="ignore")
            covered = set(zip(seeds["class"], seeds["method"], strict=True))
            pairs = zip(scores["class"], scores["method"], strict=True)
            scores = pd.concat([scores[[pair not in covered for pair in pairs]], seeds], ignore_index=True)
        sources["one_shot"] = scores
    if tables := [outcomes(read_rows([path])).assign(replicate=replicate) for path, replicate in rare]:
        sources["rare"] = pd.concat(tables, ignore_index=True)
    for name, files, columns in (("speed", speed, ["fps", *SECONDS]), ("sdanet", sdanet, [*CELLS, "item", *PIXELS])):
        if tables := [_read_csv(path, [*KEYS, *columns]) for path in files]:
            sources[name] = pd.concat(tables, ignore_index=True)
    return sources


def judge(
    claims: Sequence[Claim], sources: Sources, resamples: int, seed: int, clustered: Sequence[str] = ()
) -> pd.DataFrame:
    """A row per claim and, below it, per class or label where it asks for them; see COLUMNS.

    more, less and difference are in percent, a ratio's in frames per second; low and high bound the difference at 95 %,
    a ratio by quartiles. exemplars, images and replicates are numbers, or "5 to 20" where units differ. `clustered` are
    the methods that have a clustering: the one with the fewest seeds says how many a claim has.
    """
    rows = [row for claim in claims for row in _rows(claim, sources, resamples, seed, clustered)]
    for whole in (True, False):  # how many parts are shown does not weaken the claims
        tested = [row for row in rows if "p" in row and (row["scope"] == ALL) == whole]
        for row, corrected in zip(tested, bootstrap.holm([row["p"] for row in tested]), strict=True):
            sure = corrected < LEVEL and ONE_SEED not in row["note"]
            decided = HOLDS if row["effect"] > 0 else FAILS
            row |= {"p_holm": corrected, "verdict": decided if sure else UNDECIDED}
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    claim: Claim, sources: Sources, resamples: int, seed: int, clustered: Sequence[str]
) -> list[dict[str, Any]]:
    """The claim's row and those of its parts, without Holm's correction."""
    head = {"id": claim.id, "paper": claim.paper, "claim": claim.claim, "kind": claim.kind, "metric": claim.metric}
    head["unit"] = "ratio" if claim.kind == "ratio" else "percent"
    try:
        if claim.kind == "ratio":
            return [head | _figure(claim, sources)]
        units, note = build_units(claim, sources)
        seeds = fewest_seeds(claim, sources, clustered)
    except Untested as reason:
        return [head | {"scope": ALL, "verdict": NOT_TESTED, "note": str(reason)}]
    groups = [(ALL, units)]
    if claim.parts and len(units) > 1:
        groups += [(unit.name, [unit]) for unit in units]
    return [head | {"scope": scope} | _tested(claim, some, note, seeds, resamples, seed) for scope, some in groups]


def _tested(
    claim: Claim, units: Sequence[bootstrap.Unit], note: str, seeds: int | None, resamples: int, seed: int
) -> dict[str, Any]:
    sizes = {factor: [unit.sizes[factor] for unit in units] for factor in bootstrap.FACTORS}
    seeds = min([*sizes["replicates"], *([] if seeds is None else [seeds])])
    sizes["replicates"] = [seeds, *sizes["replicates"]]
    row: dict[str, Any] = {"over": ", ".join(unit.name for unit in units)}
    one = [ONE_SEED] if seeds == 1 else []
    row["note"] = "; ".join([*one, *([note] if note else [])])
    row |= {factor: _range(values) for factor, values in sizes.items()}
    try:
        if seeds < claim.seeds:
            raise Untested(f"{seeds} clustering seeds, {claim.seeds} asked for")
        if min(sizes["replicates" if claim.runs else "exemplars"]) < 2:
            raise Untested("one run alone" if claim.runs else "one exemplar alone")
        found, effect, p = (_exceeds if claim.within is None else _equals)(claim, units, resamples, seed)
    except (Untested, ValueError) as reason:
        return row | {"verdict": NOT_TESTED, "note": str(reason)}
    low, high = found.interval()
    figures = {"more": found.more, "less": found.less, "difference": found.difference, "low": low, "high": high}
    figures["margin"] = claim.margin if claim.within is None else claim.within
    return row | {name: 100 * value for name, value in figures.items()} | {"effect": effect, "p": p}


def _exceeds(
    claim: Claim, units: Sequence[bootstrap.Unit], resamples: int, seed: int
) -> tuple[bootstrap.Comparison, float, float]:
    """The comparison, how far `more` is above `less` and the margin, and its p: on the mean of strata or everywhere."""
    if claim.everywhere:
        return _least(units, lambda found: found.difference + claim.margin, resamples, seed)
    found = bootstrap.compare(units, resamples, seed)
    effect = found.difference + claim.margin
    return found, effect, found.p_value(effect)


def _equals(
    claim: Claim, units: Sequence[bootstrap.Unit], resamples: int, seed: int
) -> tuple[bootstrap.Comparison, float, float]:
    """The stratum whose sides differ most, how far within the margin they are there, and the p of all strata.

    Two one-sided tests are as one of the nearer bound. Opposite differences must not cancel.
    """
    return _least(units, lambda found: claim.within - abs(found.difference), resamples, seed)


def _least(
    units: Sequence[bootstrap.Unit], effect_of: Callable[[bootstrap.Comparison], float], resamples: int, seed: int
) -> tuple[bootstrap.Comparison, float, float]:
    """The stratum of the least effect, that effect, and the p of all strata.

    That all are above zero is as sure as the least sure one (intersection-union); that one is below is
    Bonferroni-corrected.
    """
    tested = []
    for stratum in (bootstrap.Unit(unit.name, [pair]) for unit in units for pair in unit.pairs):
        found = bootstrap.compare([stratum], resamples, seed)
        effect = effect_of(found)
        tested.append((effect, found.p_value(effect), found))
    effect, p, found = min(tested, key=lambda test: test[0])
    return found, effect, max(test[1] for test in tested) if effect > 0 else min(1.0, p * len(tested))


def _figure(claim: Claim, sources: Sources) -> dict[str, Any]:
    """Ratio of frames per second, the geometric mean over classes; decided where the images' quartiles agree."""
    if not isinstance(claim.less, Side):
        raise Untested("a ratio needs a second selection")
    (more, absent), (less, also_absent) = (_select(side, sources) for side in (claim.more, claim.less))
    fast, slow = _speeds(more, claim.more), _speeds(less, claim.less)
    common = [name for name in fast.index if name in slow.index]
    if not common:
        raise Untested("no class in common")
    fast, slow = (np.exp(np.log(speeds.loc[common]).mean()) for speeds in (fast, slow))
    ratio, low, high = (float(fast[a] / slow[b]) for a, b in (("median", "median"), ("low", "high"), ("high", "low")))
    return {
        "scope": ALL,
        "over": ", ".join(common),
        "more": float(fast["median"]),
        "less": float(slow["median"]),
        "difference": ratio,
        "low": low,
        "high": high,
        "margin": claim.at_least,
        "verdict": HOLDS if low >= claim.at_least else FAILS if high < claim.at_least else UNDECIDED,
        "note": _note([*absent, *also_absent], "by quartiles over images, not tested"),
    }


def _speeds(rows: pd.DataFrame, side: Side) -> pd.DataFrame:
    """Frames per second of each class: the median and quartiles of the fastest method, or means over methods."""
    speeds = pd.DataFrame({
        "class": rows["class"],
        "median": rows["fps"],
        "low": 1 / rows["seconds_high"],
        "high": 1 / rows["seconds_low"],
    })  # fmt: skip
    if side.take == "best":
        return speeds.sort_values("median", kind="stable").groupby("class", sort=False).last()
    return speeds.groupby("class", sort=False).mean()


def fewest_seeds(claim: Claim, sources: Sources, clustered: Sequence[str]) -> int | None:
    """Of any clustered method on any class that the claim compares; None where it compares none."""
    sides = [side for side in (claim.more, claim.less) if isinstance(side, Side)]
    counts = []
    for rows, _ in (_select(side, sources) for side in sides):
        rows = rows[rows["method"].isin(clustered)]
        if "replicate" in rows and len(rows):
            counts.append(int(rows.groupby(["class", "method"])["replicate"].nunique().min()))
    return min(counts, default=None)


def build_units(claim: Claim, sources: Sources) -> tuple[list[bootstrap.Unit], str]:
    """Classes (and rare labels) that both sides have, as arrays over the replicates, exemplars and images of both.

    Also a note about methods that are left out. Raises Untested where there is nothing to compare.
    """
    more, absent = _select(claim.more, sources)
    less, also_absent = (None, []) if isinstance(claim.less, float) else _select(claim.less, sources)
    tables = [_measured(claim, table) for table in (more, less) if table is not None]
    keys = [name for name in ("class", "label") if name in tables[0]]
    per = list(claim.per)
    for name in per:
        if any(name not in table for table in tables):
            raise Untested(f"no column {name}")
    grouped = [dict(list(table.groupby([*keys, *per], sort=False, dropna=False))) for table in tables]
    strata = [stratum for stratum in grouped[0] if all(stratum in groups for groups in grouped)]
    if not strata:
        raise Untested("no class in common")
    units: dict[str, list[list[list[pd.DataFrame]]]] = {}
    for stratum in strata:
        units.setdefault(" ".join(stratum[: len(keys)]), []).append([_settings(groups[stratum]) for groups in grouped])
    takes = [side.take for side in (claim.more, claim.less) if isinstance(side, Side)]
    built = [_unit(name, pairs, takes, claim.less) for name, pairs in units.items()]
    return built, _note([*absent, *also_absent])


def _select(side: Side, sources: Sources) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a side and its methods that the source lacks."""
    if side.source not in sources:
        raise Untested(f"the study has no {side.source}")
    rows = sources[side.source]
    absent = [name for name in side.methods if name not in set(rows["method"])]
    if side.methods:
        rows = rows[rows["method"].isin(side.methods)]
    if rows.empty:
        raise Untested(f"{side.source} has no method {' or '.join(side.methods)}")
    if side.where:
        try:
            rows = rows.query(side.where)
        except (NameError, TypeError, ValueError, KeyError, SyntaxError) as error:
            raise Untested(f"{side.source}: {side.where}: {error}") from None
    if rows.empty:
        raise Untested(f"{side.source} has no row with {side.where}")
    return rows, absent


def _measured(claim: Claim, rows: pd.DataFrame) -> pd.DataFrame:
    """Columns part and whole: a side's score is the ratio of their sums. Rows without a score are left out."""
    if claim.kind in ("mean", "share"):
        rows = rows[rows[claim.metric].notna()]
        values = rows[claim.metric] if claim.above is None else rows[claim.metric] > claim.above
        return rows.assign(part=values.astype(float), whole=1.0)
    if claim.kind == "iou":
        if missing := [name for name in PIXELS if name not in rows]:
            raise Untested(f"iou needs the column {missing[0]}")
        return rows.assign(part=rows["intersection"].astype(float), whole=rows["union"].astype(float))
    if "tp" not in rows:
        raise Untested(f"{claim.kind} needs rows of rare labels")
    if claim.kind == "precision":
        part, whole = rows["tp"], rows["tp"] + rows["fp"]
    else:
        whole = 1 - rows["present"]
        part = whole * (rows["fp"] == 0)
    rows = rows.drop(columns=["tp", "fp", "fn", "present"])
    return rows.assign(part=part.astype(float), whole=whole.astype(float))


def _settings(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """One table per setting, indexed by replicate, exemplar and image."""
    names = [name for name in rows if name not in FIXED]
    groups = rows.groupby(names, sort=False, dropna=False)
    return [group.set_index(CELLS)[["part", "whole"]] for _, group in groups]


def _unit(
    name: str, pairs: Sequence[Sequence[Sequence[pd.DataFrame]]], takes: Sequence[Any], less: Side | float
) -> bootstrap.Unit:
    """`pairs` holds, per stratum, the settings of each side."""
    tables = [table for sides in pairs for settings in sides for table in settings]
    axes = [_common([table.index.unique(cell) for table in tables], f"{name}: no {cell} in common") for cell in CELLS]
    built = []
    for sides in pairs:
        arrays = [[_array(table, axes) for table in settings] for settings in sides]
        there = np.logical_and.reduce(np.broadcast_arrays(*(~np.isnan(a[1]) for side in arrays for a in side)))
        masked = [
            bootstrap.Side([_masked(array, there) for array in side], take)
            for side, take in zip(arrays, takes, strict=True)
        ]
        if isinstance(less, float):
            masked.append(bootstrap.Side([bootstrap.Setting(np.full((1, 1, 1), less), np.ones((1, 1, 1)))]))
        built.append(tuple(masked))
    return bootstrap.Unit(name, built)


def _common(indices: Sequence[pd.Index], reason: str) -> pd.Index:
    """Values that all hold; a table with a single one (no clustering, the supervised fit) does not restrict others."""
    several = [index for index in indices if len(index) > 1] or list(indices[:1])
    values = several[0]
    for index in several[1:]:
        values = values.intersection(index)
    if not len(values):
        raise Untested(reason)
    return values.sort_values()


def _array(table: pd.DataFrame, axes: Sequence[pd.Index]) -> np.ndarray:
    """[2, R, E, I] of part and whole, NaN where there is no row; an axis with one value in the table has length 1."""
    own = [
        index if len(index) == 1 else axis
        for index, axis in zip((table.index.unique(cell) for cell in CELLS), axes, strict=True)
    ]
    cells = pd.MultiIndex.from_product(own, names=CELLS)
    return table.reindex(cells).to_numpy().T.reshape(2, *map(len, own))


def _masked(array: np.ndarray, there: np.ndarray) -> bootstrap.Setting:
    """Cells that any side lacks count for none: a failed fit is left out on both sides."""
    if there.all():
        return bootstrap.Setting(array[0], array[1])
    part, whole = (np.where(there, np.broadcast_to(values, there.shape), 0) for values in array)
    return bootstrap.Setting(part, whole)


def _note(absent: Sequence[str], *more: str) -> str:
    return "; ".join([*more, *([f"without {', '.join(absent)}"] if absent else [])])


def _range(values: Sequence[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _read_csv(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype={name: str for name in KEYS})
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{path}: not a readable csv ({error}); run the rule that makes it again") from None
    if missing := [name for name in columns if name not in rows]:
        raise OnemaskError(f"{path}: has no column {missing[0]!r}; run the rule that makes it again")
    return rows
