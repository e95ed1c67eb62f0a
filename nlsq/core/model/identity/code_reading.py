"""What a function's code says of it, worked out once per code object.

Names are read as paths: ``constants.inner.K`` is the path ("inner", "K") from the global
"constants". What is asked of a value that no path leads to (an argument, a local variable, the
result of a call) is a loose name: it may be asked of any module that went somewhere by itself.
"""

from __future__ import annotations

import dis
import types
import weakref
from collections.abc import Hashable
from typing import NamedTuple


class Path(NamedTuple):
    """A name and the attributes that are asked of it one after the other."""

    name: str
    attributes: tuple[str, ...]


class Import(NamedTuple):
    """``import`` inside a function; level counts the dots of a relative one."""

    level: int
    name: str


class Code:
    """Static part of a function's identity.

    Attributes
    ----------
    key : tuple
        The code by content; lines, files and the function's name are none.
    globals, free : tuple of Path
        Paths from global names and from the closure's, in order.
    names : frozenset of str
        Loose names.
    imports : tuple of Import
    catches : bool
        Whether it handles exceptions (`try`, `with`).
    """

    __slots__ = ("__weakref__", "catches", "free", "globals", "imports", "key", "names")

    def __init__(self, code: types.CodeType):
        self.key: Hashable = (
            code.co_code, constant(code.co_consts), code.co_names, code.co_varnames,
            code.co_freevars, code.co_cellvars, code.co_flags, code.co_argcount,
            code.co_posonlyargcount, code.co_kwonlyargcount, code.co_exceptiontable,
        )  # fmt: skip
        paths, derefs, names, imports = _read(code)
        self.catches = bool(code.co_exceptiontable)
        for inner in (read(c) for c in code.co_consts if isinstance(c, types.CodeType)):
            paths.update(inner.globals)
            derefs.update(inner.free)
            names |= inner.names
            imports.update(inner.imports)
            self.catches |= inner.catches
        own = {p for p in derefs if p.name not in code.co_freevars}  # a local of this function
        self.globals, self.free = tuple(sorted(paths)), tuple(sorted(derefs - own))
        self.names = frozenset(names.union(*(p.attributes for p in own)))
        self.imports = tuple(sorted(imports))


def constant(value) -> Hashable:
    """A constant of a code object by type and content: 1, 1.0 and True differ, 0.0 and -0.0 too."""
    if isinstance(value, types.CodeType):
        return read(value).key
    if isinstance(value, tuple | frozenset):  # the order in a frozenset's repr is no content
        return (type(value).__name__, type(value)(map(constant, value)))
    if isinstance(value, slice):
        return ("slice", *map(constant, (value.start, value.stop, value.step)))
    return (type(value).__name__, repr(value))


def _read(code: types.CodeType):
    """(paths from globals, paths from cells, loose names, imports) of one code object."""
    paths: set[Path] = set()
    derefs: set[Path] = set()
    names: set[str] = set()
    imports: set[Import] = set()
    begun, attributes = None, []  # the path that the last instruction may go on with
    before: list = [0, 0]  # arguments of the last two instructions: an import's level is one

    def end():
        if begun is not None:
            kept, name = begun
            kept.add(Path(name, tuple(attributes)))

    for step in dis.get_instructions(code):
        name, value = step.opname, step.argval
        if name in ("EXTENDED_ARG", "CACHE", "PUSH_NULL", "PRECALL"):
            continue
        if begun is not None and name in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.append(value)
            continue
        end()
        begun, attributes = None, []
        if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            begun = paths, value
        elif name in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
            begun = derefs, value
        elif name == "IMPORT_NAME":
            level = before[0] if isinstance(before[0], int) else 0
            imports.add(Import(level, value))
        elif step.opcode in dis.hasname and not name.endswith(("_GLOBAL", "_NAME")):
            names.add(value)
        before = [before[1], value]
    end()
    return paths, derefs, names, imports


_read_before: dict[int, tuple[weakref.ref, Code]] = {}


def known(code: types.CodeType) -> Code | None:
    """What was read of this code object before; to read one takes 1 µs a byte."""
    before = _read_before.get(id(code))
    return before[1] if before is not None and before[0]() is code else None


def read(code: types.CodeType) -> Code:
    """What this code object says.

    By the object itself: code objects are equal although what their `except` covers differs.
    """
    before = known(code)
    if before is not None:
        return before
    number, found = id(code), Code(code)
    _read_before[number] = (weakref.ref(code, lambda _: _read_before.pop(number, None)), found)
    return found
