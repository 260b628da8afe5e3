"""What the tests of the paper's tables share: tiny csv files, and whether LaTeX is well formed."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLISHED = str(ROOT / "config/published.yaml")
METHODS = {
    "datasetgan": {"title": "DatasetGAN", "published": "DatasetGAN/-"},
    "lagm": {"title": "LAGM", "published": "LAGM/-"},
    "swav_mlp": {"title": "HFC + SwAV_x (MLP)", "published": "HFC+SwAV/MLP"},
    "swav_fcn": {"title": "HFC + SwAV_x (FCN)", "published": "HFC+SwAV/FCN"},
    "supervised": {"title": "Supervised", "published": None},
}
OPTIONS = {"methods": METHODS, "base": {}}
FIXED = {"study": "demo_x", "class": "face", "method": "swav_fcn", "shots": 1, "replicate": 0}


def write_rows(path, rows):
    """A csv of mappings that share their keys; True and False as pandas writes them."""
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def runs(settings, *exemplars):
    """Rows of an experiment's run: for each exemplar the wIoU of each image; wIoU_fg is 0.1, FG-IoU 0.2 above."""
    return [
        FIXED
        | settings
        | {"exemplar": exemplar, "image": image}
        | {"wiou": wiou, "wiou_fg": wiou + 0.1, "miou": wiou, "fg_iou": wiou + 0.2}
        for exemplar, scores in enumerate(exemplars)
        for image, wiou in enumerate(scores)
    ]


def outputs_in(folder):
    return {"tex": str(folder / "table.tex"), "csv": str(folder / "table.csv")}


def check_latex(text, tabulars):
    """Braces and environments close, nothing special is left, and all rows of a tabular have as many cells."""
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    assert opened == ["table", *["tabular"] * tabulars]
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    assert not re.search(r"(?<!\\)[%#_]", re.sub(r"\$.*?\$", "", text)) and "nan" not in text and "None" not in text
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    for tabular in re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", text, re.S):
        columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", tabular)[1]
        lines = [line for line in tabular.splitlines() if line.endswith(r"\\")]
        assert {cells_of(line) for line in lines} == {len(columns)}


def check_page(text, folder):
    """LaTeX compiles in a document that uses booktabs, and fits its page."""
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex is not installed")
    packages = r"\usepackage{booktabs}\usepackage[margin=2cm]{geometry}"
    lines = [r"\documentclass{article}", packages, r"\begin{document}", text, r"\end{document}", ""]
    (folder / "page.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout and "too large" not in run.stdout


def cells_of(line):
    cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\"))
    return sum(int(span[1]) if (span := re.match(r" ?\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells)


def row_of(text, title):
    """Cells behind the first column of the first row that starts with `title`."""
    line = next(line for line in text.splitlines() if line.startswith(f"{title} &"))
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))[1:]]
