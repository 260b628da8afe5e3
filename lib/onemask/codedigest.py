"""Digest of the code that a script runs: its import closure's syntax trees without docstrings and comments.

Snakemake does not see changes in imported modules. A rule that has this digest among its params runs again when the
code behind it changes, and not when it is reformatted or its documentation is edited.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def code_digest(script: Path, modules: Iterable[str] = ()) -> str:
    """16 hex digits for `script` and all of onemask that it imports; `modules` are those it loads by name."""
    digest = hashlib.sha256()
    for path in closure(script, modules):
        digest.update(f"{_label(path)}\0{syntax(path)}\0".encode())
    return digest.hexdigest()[:16]


def closure(script: Path, modules: Iterable[str] = (), nested: bool = True) -> list[Path]:
    """Files of the script and of every onemask module that it reaches by import statements, sorted.

    `nested=False` leaves out imports inside functions, which a run may never reach.
    """
    found = {script.resolve()}
    waiting = [script.resolve(), *(path for name in modules for path in _files(name))]
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting.extend(imported for imported in _imports(path, nested) if imported not in found)
    return sorted(found, key=_label)


def _label(path: Path) -> str:
    """A name that does not depend on where the repository lies."""
    return "/".join(path.relative_to(PACKAGE).parts) if path.is_relative_to(PACKAGE) else path.name


@cache
def syntax(path: Path) -> str:
    """The file's syntax tree as text, without docstrings, comments and positions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


@cache
def _imports(path: Path, nested: bool) -> frozenset[Path]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if nested else iter(tree.body)
    return frozenset(file for node in nodes for name in _names(node) for file in _files(name))


def _names(node: ast.AST) -> Iterator[str]:
    """Dotted names that an import statement may load; `from a import b` may load a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _files(name: str) -> tuple[Path, ...]:
    """The file of a onemask module and the __init__ files of the packages around it; empty for anything else."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return ()
    base = PACKAGE.joinpath(*parts[1:])
    module = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not module.is_file():
        return ()
    packages = (PACKAGE.joinpath(*parts[1:depth], "__init__.py") for depth in range(1, len(parts)))
    return (*(path for path in packages if path.is_file()), module)
