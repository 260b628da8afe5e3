"""report.pdf out of report.tex, where a LaTeX is installed."""

from pathlib import Path

from onemask.jobs import job
from onemask.paper.latex import compile_pdf

with job(snakemake):
    compile_pdf(Path(snakemake.input.tex), Path(snakemake.output[0]))
