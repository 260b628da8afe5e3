"""A table of seconds and peak memory per rule from benchmark files (`make timings`), as Markdown."""

import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1])
files = {path: path.relative_to(folder).parts[0].removesuffix(".tsv") for path in sorted(folder.rglob("*.tsv"))}
jobs = pd.concat([pd.read_csv(path, sep="\t").assign(rule=rule) for path, rule in files.items()])
jobs["max_rss"] = pd.to_numeric(jobs["max_rss"], errors="coerce")
rules = jobs.groupby("rule").agg(jobs=("s", "size"), mean=("s", "mean"), total=("s", "sum"), peak=("max_rss", "max"))
print("| rule | jobs | seconds per job | seconds in all | peak memory, MB |\n|---|---|---|---|---|")
for name, row in rules.sort_values("total", ascending=False).iterrows():
    print(f"| {name} | {row['jobs']:.0f} | {row['mean']:.1f} | {row['total']:.0f} | {row['peak']:.0f} |")
