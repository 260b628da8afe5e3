"""Table A1: the configuration that was really used, per class, beside the published one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from onemask.labels import read_labels
from onemask.paper.published import read_table_a1
from onemask.paper.style import ABSENT, escape
from onemask.paper.table1 import generator_facts
from onemask.paper.tables import PUBLISHED, Row, Table, Tabular, heading, plain_value, write_table

# (title, key of ours, key of the paper's table): a dotted key of a class's sections, or of its generator's facts
BLOCKS: dict[str, list[tuple[str, str | None, str | None]]] = {
    "Generator": [
        ("Hidden features $C$", "generator.features", "hidden_features"),
        ("Generator training (kimg)", "generator.kimg", None),
        (r"Truncation $\psi$", "generator.truncation", None),
    ],
    "HFC + SwAV": [
        ("Epochs", None, "epochs"),
        ("Steps", "swav.steps", None),
        ("Images per step", "swav.images_per_step", None),
        ("Pixels per step, of all images (patch size)", "swav.pixels", "patch_size"),
        ("Patches", None, "patches"),
        ("Sampling", "swav.sampling", None),
        ("Marginals", "swav.marginals", None),
        ("Perturbation", "swav.perturbation.method", None),
        ("Perturbation strength", "swav.perturbation.strength", "perturbation"),
        ("Perturbed block", "swav.perturbation.block", None),
        ("Local loss", "swav.local_loss", None),
        ("Activation", "swav.activation", None),
        ("Upsampling", "swav.upsampling", None),
        ("Learning rate", "swav.lr", "learning_rate"),
        ("Momentum", "swav.momentum", "momentum"),
        ("Weight decay", "swav.weight_decay", None),
        ("LARS trust", "swav.lars_trust", "lars_trust"),
        ("Temperature", "swav.temperature", "temperature"),
        ("Prototypes $K$", "swav.prototypes", "prototypes"),
        ("Dimension $D$ (clusters)", "swav.dim", "clusters"),
        ("Sinkhorn iterations", "swav.sinkhorn_iterations", "sinkhorn_iterations"),
        (r"$\epsilon$ (entropy regulariser)", "swav.epsilon", "entropy_regularizer"),
    ],
    "HFC + SimCLR": [
        ("Steps", "simclr.steps", None),
        ("Images per step", "simclr.images_per_step", None),
        ("Pixels per step", "simclr.pixels", None),
        ("Perturbation strength", "simclr.perturbation.strength", None),
        ("Perturbation", "simclr.perturbation.method", None),
        ("Perturbed block", "simclr.perturbation.block", None),
        ("Activation", "simclr.activation", None),
        ("Momentum", "simclr.momentum", None),
        ("Weight decay", "simclr.weight_decay", None),
        ("Learning rate", "simclr.lr", None),
        ("LARS trust", "simclr.lars_trust", None),
        ("Temperature", "simclr.temperature", None),
        ("Dimension", "simclr.dim", None),
    ],
    "HFC + KMeans": [
        ("Clusters", "kmeans.clusters", None),
        ("Layers", "kmeans.layers", None),
        ("Scaling", "kmeans.scaling", None),
        ("Batch", "kmeans.batch", None),
        ("Iterations", "kmeans.iterations", None),
        ("Images", "kmeans.images", None),
        ("Pixels per image", "kmeans.pixels", None),
    ],
    "LAGM": [("Unlabelled images", "samples.images", None)],
    "One-shot segmenters": [
        ("Hidden width", "heads.hidden", None),
        ("Epochs", "heads.epochs", None),
        ("Learning rate", "heads.learning_rate", None),
        ("Adam's betas", "heads.betas", None),
        ("Most samples a step", "heads.batch", None),
    ],
}


def make(inputs: Mapping[str, Any], outputs: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """inputs: `generators` and `labels`, a file per class, and `published`.

    options: study; truncation; classes, {name: {section: plain values}} in the order of the files; methods, {name:
    {"title": text, "head": name or null, "settings": plain values over the sections'}}.
    """
    names = list(options["classes"])
    facts = [generator_facts(path) for path in inputs["generators"]]
    shared = {"truncation": options["truncation"]}
    ours = {
        name: options["classes"][name] | {"generator": fact | shared} for name, fact in zip(names, facts, strict=True)
    }
    labels = {name: read_labels(path).names for name, path in zip(names, inputs["labels"], strict=True)}
    theirs = read_table_a1(inputs["published"])
    table = summary(ours, labels, theirs)
    first, second = draw(table, labels, theirs["labels"], options)
    write_table(outputs, first, table.drop(columns="setting"), second)


def summary(
    ours: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, tuple[str, ...]],
    theirs: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """A row per setting: block, setting (LaTeX), key, <class>, published_<class>; None: a side has no such setting."""
    rows = [{"block": "Labels", "setting": "Labels", "key": "labels"}]
    rows[0] |= {name: ", ".join(values) for name, values in labels.items()}
    rows[0] |= {f"published_{name}": ", ".join(theirs["labels"].get(name, [])) for name in labels}
    for block, settings in BLOCKS.items():
        for title, key, published_key in settings:
            values = {name: _value(entry, key) for name, entry in ours.items()}
            figures = {f"published_{name}": theirs.get(published_key, {}).get(name) for name in ours}
            rows.append({"block": block, "setting": title, "key": key or published_key, **values, **figures})
    return pd.DataFrame(rows, dtype=object)


def draw(
    table: pd.DataFrame,
    labels: Mapping[str, tuple[str, ...]],
    theirs: Mapping[str, list[str]],
    options: Mapping[str, Any],
) -> tuple[Table, Table]:
    """A line per setting (the paper's in italics); label lists and what methods set for themselves."""
    names = list(labels)
    lists = [_labels(name, values, theirs.get(name)) for name, values in labels.items()]
    blocks = [
        [heading(escape(block), 2 * len(names)), *(_line(row, names) for row in group.to_dict("records"))]
        for block, group in table[table["block"] != "Labels"].groupby("block", sort=False)
    ]
    titles = [escape(name) for name in names]
    study = escape(options["study"])
    caption = (
        rf"Configuration that study \texttt{{{study}}} really used, per class, and in italics the paper's Table A1; in"
        " parentheses what the paper calls it."
    )
    settings = Tabular("Setting", [("ours", titles), (PUBLISHED, titles)], blocks)
    others = [
        Tabular("Class", [("", ["Labels"])], [lists], "l"),
        Tabular("Method", [("", ["Head", "Settings of its own"])], [_methods(options["methods"])], "l"),
    ]
    return (
        Table(caption, "tab:configuration", [settings], [rf"{ABSENT}: no such setting, or not in the paper's table."]),
        Table(rf"Labels and methods of study \texttt{{{study}}}.", "tab:configuration-methods", others),
    )


def _value(entry: Mapping[str, Any], key: str | None) -> Any:
    value: Any = entry
    for part in key.split(".") if key else []:
        value = value[part]
    return value if key else None


def _labels(name: str, ours: tuple[str, ...], theirs: list[str] | None) -> Row:
    same = r" \textit{(as published)}" if theirs == list(ours) else ""
    return [escape(name), escape(", ".join(ours)) + same]


def _methods(methods: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    return [
        [
            escape(method["title"]),
            plain_value(method["head"]),
            ", ".join(f"{escape(key)} {plain_value(value)}" for key, value in method["settings"].items()) or ABSENT,
        ]
        for method in methods.values()
    ]


def _line(row: Mapping[str, Any], names: list[str]) -> Row:
    figures = [plain_value(row[f"published_{name}"]) for name in names]
    italics = [figure if figure == ABSENT else rf"\textit{{{figure}}}" for figure in figures]
    return [row["setting"], *_joined([plain_value(row[name]) for name in names]), *_joined(italics)]


def _joined(cells: list[str]) -> list[str]:
    """One cell over all classes where they agree."""
    return cells if len(set(cells)) > 1 else [rf"\multicolumn{{{len(cells)}}}{{c}}{{{cells[0]}}}"]
