"""The name of a model's key in every process, by which a fit that is taken up again knows it."""

from __future__ import annotations

import pickletools
import sys
import types
from collections.abc import Hashable

import numpy as np
import xxhash

from nlsq.core.model.identity import code_reading
from nlsq.core.model.identity.keys import Here, Same
from nlsq.core.model.identity.ownership import found_at, is_installed, version
from nlsq.core.model.identity.walk import content_key


def fingerprint(key: Hashable) -> str | None:
    """The same text for an equal key in every process; None when no other could tell it is equal.

    `key` is what `model_key` gives. Line numbers, files, addresses and PYTHONHASHSEED have no
    part in it. Functions and classes of installed packages count by name and version.
    """
    digest = _digest(key)
    return None if digest is None else digest.hex()


def _digest(part) -> bytes | None:
    kind = type(part)
    if kind is Same:
        part = _name(part.thing)
        if part is None:
            return None
    if kind is Here:
        content = b""
    elif isinstance(part, tuple | frozenset):
        if kind is tuple and part[:1] == ("pandas",) and _holds_a_set(part[2][1]):
            return None
        inner = [_digest(p) for p in part]
        if None in inner:
            return None
        content = b"".join(sorted(inner) if kind is frozenset else inner)
    elif isinstance(part, bytes):
        content = part
    elif isinstance(part, int):
        content = f"{part:x}".encode()
    elif isinstance(part, str | type(None) | type(Ellipsis)):
        content = ascii(part).encode()
    else:
        return None
    return xxhash.xxh3_128_digest(kind.__name__.encode() + b":" + content)


def _holds_a_set(pickled: bytes) -> bool:
    """Whether a pickle holds a set: in an order that changes with PYTHONHASHSEED."""
    return any(code.name in ("EMPTY_SET", "FROZENSET") for code, *_ in pickletools.genops(pickled))


def _name(thing) -> tuple | None:
    """What a thing of a package is called everywhere; None if that does not say what it is."""
    owner = getattr(thing, "__objclass__", None)  # of a method as its class holds it
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    homes = [getattr(owner or thing, "__module__", None)]
    if isinstance(thing, np.ufunc):
        homes = ["numpy", "scipy.special"]
    for home in homes:
        module = sys.modules.get(home) if name and home else None
        if module is None or not is_installed(module):
            continue
        found = found_at(module, name)
        same = found is thing or getattr(found, "__wrapped__", None) is thing
        if same or home == "builtins":
            return (home, name, version(home))
    if isinstance(thing, types.FunctionType):  # nested or a lambda: its name is not enough
        defaults = content_key((thing.__defaults__, thing.__kwdefaults__))
        return (thing.__module__, name, code_reading.read(thing.__code__).key, defaults)
    return None
