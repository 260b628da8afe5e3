"""Copy what the training rules left under results/demo into zoo/, with cards, and write checksums into demo.yaml.

Usage: python scripts/promote.py KIND[,KIND] CLASS...     (kinds: generators, annotators, annotated; see `make zoo`)
"""

import re
import shutil
import sys
from pathlib import Path

from onemask.config import load_study
from onemask.errors import one_line_errors
from onemask.files import read_json, sha256, write_text
from onemask.zoo import annotated_card, annotator_card, generator_card, require

ROOT = Path(__file__).resolve().parents[1]
STUDY_FILE = ROOT / "config/studies/demo.yaml"


def promote(source, file):
    """Copy a file to its place in the zoo and set its checksum in the study's file."""
    require(source)
    (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, ROOT / file)
    text, changed = re.subn(
        rf'(file: {re.escape(file)}, sha256: )"?[0-9a-f]*"?', rf"\g<1>{sha256(source)}", STUDY_FILE.read_text()
    )
    if changed != 1:
        sys.exit(f"error: {STUDY_FILE}: {file} must stand there once, with its sha256 on the same line")
    write_text(STUDY_FILE, text)


def generators(study, name, results):
    folder, file = results / "generators" / name, study.classes[name].generator.file
    promote(folder / "generator.safetensors", file)
    shutil.copyfile(folder / "samples.png", (ROOT / file).with_suffix(".png"))
    card = generator_card(study, name, folder / "metrics.csv", read_json(folder / "score.json"))
    write_text((ROOT / file).with_suffix(".md"), card)


def annotators(study, name, results):
    for which, source in study.classes[name].annotators.items():
        promote(results / "annotators" / f"{name}.{which}.safetensors", source.file)
        card = annotator_card(study, name, which, ROOT / source.file)
        write_text((ROOT / source.file).with_suffix(".md"), card)


def annotated(study, name, results):
    file = study.classes[name].annotated.file
    promote(results / "annotated" / f"{name}.npz", file)
    write_text((ROOT / file).with_suffix(".md"), annotated_card(study, name, ROOT / file, ROOT))


KINDS = {"generators": generators, "annotators": annotators, "annotated": annotated}

with one_line_errors():
    study = load_study({"study": "demo"}, ROOT)
    kinds, *names = sys.argv[1:]
    for kind in kinds.split(","):
        for name in names:
            KINDS[kind](study, name, ROOT / "results" / study.study)
            print(f"zoo: {kind} of {name}")
