"""Running Snakemake as a user does: the command, in a directory of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_snakemake(*arguments, directory=None, root=ROOT):
    """The completed process of `snakemake ARGUMENTS`; outputs go to `directory`. stdout and stderr are one text."""
    where = ["--directory", str(directory)] if directory else []
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--snakefile", str(root / "Snakefile"), *where]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments], cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def planned(output):
    """{rule: number of jobs} of a (dry) run's job statistics; empty when there is nothing to do."""
    match = re.search(r"^Job stats:\njob [^\n]*\n-+ [^\n]*\n(.*?)^total ", output, re.M | re.S)
    return {line.split()[0]: int(line.split()[1]) for line in match[1].splitlines()} if match else {}


def pytest_collection_modifyitems(items):
    """The whole workflow first: it takes longest, and beside it the other files' tests fill the second core."""
    items.sort(key=lambda item: item.path.name != "test_dag.py")
