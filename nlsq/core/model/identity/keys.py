"""What keys are made of, and what two of them have in common.

A key is nested tuples of names, numbers, bytes and the parts below. Keys of equal content are equal
and hash alike.
"""

from __future__ import annotations

from collections.abc import Hashable


class Same:
    """Key of a thing that cannot change: equal only to itself. Keeps the thing alive."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __hash__(self):
        return id(self.thing)

    def __eq__(self, other):
        return isinstance(other, Same) and self.thing is other.thing


class Here:
    """A part of a key that tells things apart in this process only: no fingerprint holds it."""

    __slots__ = ("part",)

    def __init__(self, part: Hashable):
        self.part = part

    def __hash__(self):
        return hash(self.part)

    def __eq__(self, other):
        return isinstance(other, Here) and self.part == other.part


class Unseen:
    """Stands for what cannot be seen: equal to nothing else."""

    __slots__ = ("why",)

    def __init__(self, why: str):
        self.why = why

    def __repr__(self):
        return f"Unseen({self.why!r})"


def unseen(key: Hashable) -> list[str]:
    """Why a model of this key is not shared; empty when it is."""
    if isinstance(key, Unseen):
        return [key.why]
    if isinstance(key, tuple | frozenset):
        return [why for part in key for why in unseen(part)]
    return unseen(key.part) if isinstance(key, Here) else []


def alike(one: Hashable, other: Hashable) -> bool:
    """Whether two keys agree in all that could be seen."""
    if type(one) is tuple and type(other) is tuple:
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, Here) and isinstance(other, Here):
        return alike(one.part, other.part)
    return one == other or (isinstance(one, Unseen) and isinstance(other, Unseen))
