"""Whether a call's fits stay in NumPy: by counted work, never by a clock."""

from __future__ import annotations

from nlsq.config import backend
from nlsq.core.drive.batch.many import Many

PRICE = 2e8  # of a program, in points times derivatives


def stays_in_numpy(many: Many) -> bool:
    """Whether the fits' work in NumPy is less than the price of their program."""
    if backend() != "auto":
        return backend() == "numpy"
    return work(many) < PRICE


def work(many: Many) -> float:
    """Points of all passes, times what a pass makes of each: a value and its derivatives."""
    passes = 10
    return passes * many.size * many.m * (sum(many.free) + 1.0)
