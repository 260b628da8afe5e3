"""A table's csv as a page of HTML, for Snakemake's report."""

from pathlib import Path

from onemask.jobs import job
from onemask.paper.html import write_page

with job(snakemake):
    study = snakemake.params.study
    note = Path(snakemake.input.note).read_text(encoding="utf-8").replace("``{{ snakemake.params.study }}``", study)
    write_page(snakemake.output[0], snakemake.input.csv, f"{snakemake.wildcards.table} of study {study}", note)
