"""The floors of the package: an import only points down."""

import ast

from onemask.config import PACKAGE

FLOORS = (
    {"errors", "kernels", "optim", "progress", "sections", "seeds", "validation"},
    {"files", "jobs"},
    {"codedigest", "config", "download", "labels", "segmenters", "stylegan2"},
    {"checkpoints", "clustering"},
    {"data", "training"},
    {"demo", "evaluation", "preflight", "real_faces", "zoo"},
    {"downstream", "paper"},
    {"annotation"},
    {"labelling"},
    {"cli"},
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def imported(path):
    """Modules of ours that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "onemask":
            yield from (f"onemask.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_an_import_only_points_down():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert rooms - {"__init__"} == set(FLOOR)
    upward = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for module in imported(path)
        for own, other in [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), module.split(".")[1:2])]
        if module.startswith("onemask.") and own != "__init__" and other != [own] and FLOOR[other[0]] >= FLOOR[own]
    ]
    assert not upward
