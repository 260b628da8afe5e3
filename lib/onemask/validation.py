"""What pydantic found wrong with a file, as one line with the key and a near miss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError


def one_line(error: ValidationError, model: Any) -> str:
    """The first problem that validation by `model` found, by its dotted key, and how many others there are."""
    problems = error.errors(include_url=False)
    path, more = problems[0]["loc"], len({(p["type"], p["loc"][-1:], str(p["input"])) for p in problems}) - 1
    where = ".".join(map(str, path)) or "content"
    return f"{where}: {_message(problems[0], model)}" + (f" (and {more} more)" if more else "")


def _message(problem: Mapping[str, Any], model: Any) -> str:
    if problem["type"] == "missing":
        return "is required"
    if problem["type"] != "extra_forbidden":
        return f"{problem['msg'].removeprefix('Value error, ')} (got {str(problem['input'])[:80]!r})"
    known = list(_keys_at(model, problem["loc"][:-1]))
    guess = get_close_matches(str(problem["loc"][-1]), known, 1)
    return f"unknown key; did you mean {guess[0]!r}?" if guess else f"unknown key; there are {', '.join(known)}"


def _keys_at(model: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """Field names of the model found by following `path` from `model` through fields and mapping values."""
    for part in path:
        fields = getattr(model, "model_fields", None)
        model = fields[part].annotation if fields and part in fields else _value_type(model)
    yield from getattr(model, "model_fields", {})


def _value_type(annotation: Any) -> Any:
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None
