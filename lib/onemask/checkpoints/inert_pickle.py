"""A pickle machine that calls nothing: it turns a pickle into plain values and records of what it would have called.

Python's own unpickler imports and calls whatever a file names, so that reading one is running it. Here the opcodes
(listed by the standard library's pickletools) work on a stack of values alone: a global is a `Global`, a call of it a
`Made`, and whoever reads them decides what they stand for. A global that is not on the reader's list ends the reading.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from onemask.errors import OnemaskError

MAX_OPCODES = 1_000_000  # a 1024-px StyleGAN2-ADA pickle has some hundred thousand
MAX_PROTOCOL = 5
MAX_DIMENSIONS = 8
ENCODE = "_codecs.encode"  # how protocol 2 writes bytes
SCALARS = (str, int, float, bytes, type(None))  # keys of mappings: hashing a nested value may never end


@dataclass(frozen=True, slots=True)
class Global:
    """A name of a module, as `torch.FloatStorage`; nothing was imported."""

    name: str


@dataclass(eq=False, slots=True)
class Made:
    """What a pickle would have made by calling `function`; later opcodes may have given it a state, items or pairs."""

    function: Global
    arguments: tuple[Any, ...]
    state: Any = None
    items: list[Any] = field(default_factory=list)
    pairs: dict[Any, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Persistent:
    """A persistent id: something that the writer kept outside of the pickle."""

    identity: Any


def mapping_of(value: Any) -> dict[str, Any]:
    """A dict, or a record of one (an OrderedDict, an EasyDict), with keys of text; empty for anything else."""
    pairs = value.pairs if isinstance(value, Made) else value
    return {key: inner for key, inner in pairs.items() if isinstance(key, str)} if isinstance(pairs, dict) else {}


def bytes_of(value: Any) -> bytes | None:
    """The bytes that a record stands for, which protocol 2 writes as encoded text; None where it is none."""
    if isinstance(value, Made) and value.function.name == ENCODE and value.arguments[1:] == ("latin1",):
        text = value.arguments[0]
        value = text.encode("latin1", "replace") if isinstance(text, str) else None
    return value if isinstance(value, bytes) else None


def whole_numbers(numbers: Any) -> bool:
    """Whether these are a tuple of few whole numbers that a file could hold."""
    return (
        isinstance(numbers, tuple)
        and len(numbers) <= MAX_DIMENSIONS
        and all(type(n) is int and 0 <= n < 2**40 for n in numbers)
    )


class Refused(Exception):
    """A pickle that is broken, or that asks for something that is not on the list."""


BROKEN = (ValueError, IndexError, KeyError, TypeError, OverflowError, EOFError, AssertionError, RecursionError)


class Bounded:
    """A stream that is never asked for more than is left: a length in a pickle may be any number."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, start = stream, stream.tell()
        self.end = stream.seek(0, io.SEEK_END)
        stream.seek(start)
        self.readline, self.tell = stream.readline, stream.tell

    def read(self, count: int) -> bytes:
        """At most `count` bytes."""
        return self.stream.read(min(count, self.end - self.stream.tell()))


def read_pickle(
    stream: BinaryIO,
    allowed: Collection[str],
    where: str,
    persistent: list[Persistent] | None = None,
    prefixes: tuple[str, ...] = (),
) -> Any:
    """The value of the pickle at the stream's position, which moves behind it.

    `allowed` are the globals that it may name, and those that begin with one of `prefixes`; every persistent id that it
    holds is appended to `persistent`.
    OnemaskError names `where` and what was refused.
    """
    try:
        machine = _Machine(frozenset(allowed), prefixes, [] if persistent is None else persistent)
        return machine.run(Bounded(stream))
    except Refused as error:
        raise OnemaskError(f"{where}: {error}; nothing of it was run") from None
    except BROKEN as error:
        raise OnemaskError(f"{where}: not a complete pickle ({' '.join(str(error).split())[:120]})") from None


class _Machine:
    def __init__(self, allowed: frozenset[str], prefixes: tuple[str, ...], persistent: list[Persistent]) -> None:
        self.allowed, self.prefixes, self.persistent = allowed, prefixes, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: BinaryIO) -> Any:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MAX_OPCODES:
                raise Refused(f"has more than {MAX_OPCODES} opcodes")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in VALUES:
                self.stack.append(argument)
            elif act := ACTIONS.get(opcode.name):
                act(self, argument)
            else:
                raise Refused(f"uses the opcode {opcode.name}")
        raise Refused("ends without STOP")

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def pop(self, count: int) -> list[Any]:
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise Refused("takes more values than there are")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def name(self, qualified: str) -> Global:
        if qualified not in self.allowed and not qualified.startswith(self.prefixes):
            raise Refused(f"names {qualified[:80]!r}, which no checkpoint of this kind needs")
        return Global(qualified)

    def keep(self, identity: Any) -> None:
        self.persistent.append(Persistent(identity))
        self.stack.append(self.persistent[-1])

    def call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise Refused("calls something that is no global of its own")
        self.stack.append(Made(function, arguments))


def _put(machine: _Machine, index: int | None) -> None:
    machine.memo[len(machine.memo) if index is None else index] = machine.stack[-1]


def _append(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list | Made):
        raise Refused("appends to something that is no list")
    (target if isinstance(target, list) else target.items).extend(values)


def _set(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict | Made) or len(values) % 2:
        raise Refused("sets keys of something that is no mapping")
    (target if isinstance(target, dict) else target.pairs).update(_pairs(values))


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if not all(isinstance(key, SCALARS) for key in values[::2]):
        raise Refused("has a mapping with a key that is neither text nor a number")
    return dict(zip(values[::2], values[1::2], strict=True))


def _build(machine: _Machine, _: Any) -> None:
    (state,) = machine.pop(1)
    if not isinstance(target := machine.stack[-1], Made) or target.state is not None:
        raise Refused("gives a state to something that takes none")
    target.state = state


def _stack_global(machine: _Machine, _: Any) -> None:
    names = machine.pop(2)
    if not all(isinstance(name, str) for name in names):
        raise Refused("names a global by something that is no text")
    machine.stack.append(machine.name(".".join(names)))


def _call_with_class(machine: _Machine, _: Any) -> None:
    function, *arguments = machine.since_mark()
    machine.call(function, tuple(arguments))


def _new_with_keywords(machine: _Machine, _: Any) -> None:
    function, arguments, keywords = machine.pop(3)
    if keywords:
        raise Refused("makes an object by keywords")
    machine.call(function, arguments)


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make(machine))


VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
SET = Global("builtins.set")
ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, version: _check_protocol(version),
    "FRAME": lambda machine, _: None,
    "NONE": _push(lambda machine: None),
    "NEWTRUE": _push(lambda machine: True),
    "NEWFALSE": _push(lambda machine: False),
    "EMPTY_LIST": _push(lambda machine: []),
    "EMPTY_TUPLE": _push(lambda machine: ()),
    "EMPTY_DICT": _push(lambda machine: {}),
    "EMPTY_SET": _push(lambda machine: Made(SET, ())),
    "LIST": _push(_Machine.since_mark),
    "TUPLE": _push(lambda machine: tuple(machine.since_mark())),
    "TUPLE1": _push(lambda machine: tuple(machine.pop(1))),
    "TUPLE2": _push(lambda machine: tuple(machine.pop(2))),
    "TUPLE3": _push(lambda machine: tuple(machine.pop(3))),
    "DICT": _push(lambda machine: _pairs(machine.since_mark())),
    "FROZENSET": _push(lambda machine: Made(SET, (), items=machine.since_mark())),
    "APPEND": lambda machine, _: _append(machine, machine.pop(1)),
    "APPENDS": lambda machine, _: _append(machine, machine.since_mark()),
    "ADDITEMS": lambda machine, _: _append(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: _set(machine, machine.pop(2)),
    "SETITEMS": lambda machine, _: _set(machine, machine.since_mark()),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.pop(1),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": _push(lambda machine: machine.stack[-1]),
    **{name: _put for name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")},
    **{
        name: lambda machine, index: machine.stack.append(machine.memo[index])
        for name in ("GET", "BINGET", "LONG_BINGET")
    },
    "GLOBAL": lambda machine, names: machine.stack.append(machine.name(names.replace(" ", "."))),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda machine, _: machine.call(*machine.pop(2)),
    "NEWOBJ": lambda machine, _: machine.call(*machine.pop(2)),
    "NEWOBJ_EX": _new_with_keywords,
    "OBJ": _call_with_class,
    "BUILD": _build,
    "PERSID": lambda machine, identity: machine.keep(identity),
    "BINPERSID": lambda machine, _: machine.keep(*machine.pop(1)),
}


def _check_protocol(version: int) -> None:
    if version > MAX_PROTOCOL:
        raise Refused(f"has protocol {version}, the latest known is {MAX_PROTOCOL}")
