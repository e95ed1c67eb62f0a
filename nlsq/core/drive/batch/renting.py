"""Whether a call's fits stay in NumPy: by counted work, never by a clock."""

from __future__ import annotations

from nlsq.config import backend
from nlsq.core.drive.batch.many import Many

# In points times rows (a value and its derivatives), of some 7 ns: a program, and a call of the
# user's function with dual numbers.
PRICE, CALL = 2e8, 1e4
PASSES = 10  # of a fit


def stays_in_numpy(many: Many, singly: bool) -> bool:
    """Whether the fits' work in NumPy is less than the price of their program.

    singly: the model takes a call for each fit.
    """
    if backend() != "auto":
        return backend() == "numpy"
    return work(many, singly) < PRICE


def work(many: Many, singly: bool) -> float:
    """Points of all passes, times what a pass makes of each: a value and its derivatives."""
    rows = sum(many.free) + 1
    return PASSES * many.size * (many.m * rows + CALL * singly)
