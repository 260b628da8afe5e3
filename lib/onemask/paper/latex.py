"""Compiling LaTeX, when there is one. Knows no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from onemask.errors import OnemaskError
from onemask.files import atomic

RUNS = 2  # the second one settles references and column widths


def compile_pdf(tex: Path, pdf: Path) -> None:
    """Compile with pdflatex in the folder of `tex`; equal sources are equal bytes.

    OnemaskError when pdflatex is missing, or with the first error of its log.
    """
    if not shutil.which("pdflatex"):
        raise OnemaskError(
            f"{pdf}: pdflatex is not installed; install a LaTeX (Debian: texlive-latex-recommended), or compile"
            f" {tex} elsewhere"
        )
    fixed = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
    with TemporaryDirectory() as folder, atomic(pdf) as temporary:
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"-output-directory={folder}", tex.name]
        for _ in range(RUNS):
            run = subprocess.run(
                command, cwd=tex.parent, env={**os.environ, **fixed}, capture_output=True, text=True, errors="replace"
            )
            if run.returncode:
                reason = next((line for line in run.stdout.splitlines() if line.startswith("!")), "no message")
                print(run.stdout, file=sys.stderr)
                raise OnemaskError(f"{tex}: LaTeX stops ({reason}); the whole log stands before this message")
        shutil.copyfile(Path(folder) / f"{tex.stem}.pdf", temporary)
