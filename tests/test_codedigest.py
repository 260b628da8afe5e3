"""Code digests: they follow what a script runs, ignore how it is written, and miss no module that is imported."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from onemask import codedigest
from onemask.clustering.kinds import CLUSTERINGS
from onemask.codedigest import closure, code_digest, syntax
from onemask.config import REPOSITORY, load_study

SCRIPTS = REPOSITORY / "scripts"
RULES = "".join(path.read_text() for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")))
# What rules say that a script loads by name; scripts that are not here load nothing so.
BY_NAME = {
    "one_shot.py": [
        (f"onemask.segmenters.{method.module}", *CLUSTERINGS.get(method.clustering, ())[:1])
        for method in load_study({"study": "demo"}).methods.values()
    ],
    "paper.py": [(name,) for name in re.findall(r'code\("paper\.py", "([\w.]+)"\)', RULES)],
    "invert_renders.py": [("onemask.demo.face",)],
    "score_generator.py": [("onemask.demo.face",)],
    **{name: [("onemask.segmenters.hfc",)] for name in ("tune.py", "measure_speed.py")},
    "real_faces_segment.py": [("onemask.segmenters.hfc",)],
}
CASES = [
    (script, modules)
    for script in sorted(set(re.findall(r'code\("(\w+\.py)"', RULES)))
    for modules in sorted(set(BY_NAME.get(script, [()])))
]
# Loads the heavy libraries once, then runs each script's imports in a fork of its own.
PROBE = """
import ast, importlib, json, os, sys
import pandas, safetensors.torch, sklearn.cluster, torch
for script, modules in json.load(sys.stdin):
    if os.fork():
        os.wait()
        continue
    tree = ast.parse(open(script).read())
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(tree, "imports", "exec"))
    for name in modules:
        importlib.import_module(name)
    print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "onemask"]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def really_imported():
    """{case: set of onemask files that its imports load}."""
    cases = json.dumps([(str(SCRIPTS / script), modules) for script, modules in CASES])
    run = subprocess.run([sys.executable, "-c", PROBE], input=cases, check=True, capture_output=True, text=True)
    return {case: set(map(Path, json.loads(line))) for case, line in zip(CASES, run.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case[0], *(m.split(".")[-1] for m in case[1])]))
def test_the_closure_is_what_the_script_imports(really_imported, case):
    script, modules = case
    assert really_imported[case] <= set(closure(SCRIPTS / script, modules))
    assert really_imported[case] == set(closure(SCRIPTS / script, modules, nested=False)) - {SCRIPTS / script}


def test_tables_and_figures_need_no_torch():
    names = [f"onemask.paper.{path.stem}" for path in (REPOSITORY / "lib/onemask/paper").glob("*.py")]
    probe = f"import onemask.jobs, {', '.join(sorted(names))}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0
    for script in ("paper.py", "table2.py"):
        assert not re.search("torch", (SCRIPTS / script).read_text().replace("without torch", ""))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules and a script, in place of onemask."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("from pack import two\n\ndef f(x):\n    return two.g(x)\n")
    (folder / "two.py").write_text("def g(x):\n    return x + 1\n")
    (tmp_path / "script.py").write_text("from pack.one import f\nf(1)\n")
    monkeypatch.setattr(codedigest, "PACKAGE", folder)
    return folder


def fresh_digest(folder, *modules):
    for function in (codedigest.syntax, codedigest._imports, codedigest._files):
        function.cache_clear()
    return code_digest(folder.parent / "script.py", modules)


def test_documentation_comments_and_layout_change_nothing(package):
    before = fresh_digest(package)
    (package / "two.py").write_text('"""Doc."""\n\n\ndef g(\n  x,\n):\n    """Doc."""\n    # why\n    return (x + 1)\n')
    assert fresh_digest(package) == before


def test_a_change_of_an_indirect_import_changes_the_digest(package):
    before = fresh_digest(package)
    (package / "two.py").write_text("def g(x):\n    return x + 2\n")
    assert fresh_digest(package) != before


def test_a_module_that_is_not_imported_counts_only_when_named(package):
    before = fresh_digest(package)
    (package / "three.py").write_text("from pack import two\n")
    assert fresh_digest(package) == before
    assert fresh_digest(package, "pack.three") != before


def test_a_function_of_documentation_alone_stays_a_function(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('def f():\n    """Doc."""\n')
    syntax.cache_clear()
    assert "Doc" not in syntax(path) and ast.dump(ast.parse("def f(): pass")) == syntax(path)
