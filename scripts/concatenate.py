"""Csv files of the same columns, one after the other."""

from pathlib import Path

from onemask.files import write_text
from onemask.jobs import job

with job(snakemake):
    tables = [Path(path).read_text(encoding="utf-8").splitlines() for path in snakemake.input]
    rows = [row for table in tables for row in table[1:]]
    write_text(snakemake.output[0], "\n".join([tables[0][0], *rows]) + "\n")
