"""Whether a model may swallow the error by which JAX says that it cannot be traced."""

from __future__ import annotations

import functools
import types
from typing import Any

from nlsq.core import code_reading
from nlsq.core.ownership import STABLE, class_fact, home, is_standard, root

_MANY = 2_000  # things that are looked at before the answer is "it may"


def may_catch_errors(thing: Any) -> bool:
    """True when code that `thing` can reach by name handles exceptions (`try`, `with`).

    So may the code of packages that are not known to leave JAX's errors alone.
    """
    things, seen = [thing], {id(thing)}
    for item in things:
        inner = _reached(item)
        if inner is None or len(things) > _MANY:
            return True
        for value in inner:
            if callable(value) and id(value) not in seen:
                seen.add(id(value))
                things.append(value)
    return False


def _reached(thing) -> list | None:
    """What `thing` calls by name; None where it handles exceptions."""
    kind = type(thing)
    if kind is types.MethodType:
        return [thing.__func__, type(thing.__self__)]
    if issubclass(kind, functools.partial):
        return [functools.partial.func.__get__(thing)]
    if kind is types.FunctionType or issubclass(kind, type):
        top = root(home(thing))
        if top in STABLE or is_standard(top):
            return []
    if kind is types.FunctionType:
        code = code_reading.read(thing.__code__)
        if code.catches:
            return None
        held = [cell.cell_contents for cell in thing.__closure__ or () if _bound(cell)]
        return held + [thing.__globals__.get(path.name) for path in code.globals]
    if issubclass(kind, type):
        inner = class_fact(thing, "__dict__").values()
        return [*inner, *class_fact(thing, "__bases__")]
    wrapped = getattr(thing, "__wrapped__", None) if root(home(kind)) in STABLE else None
    return [kind, wrapped]


def _bound(cell) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
