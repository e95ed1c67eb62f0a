"""Whether a call's many fits run in lanes of NumPy or of a program: `buying` for batches.

The account of a model's batches is its own, since their program is another than the single fit's.
"""

from __future__ import annotations

import dataclasses

from nlsq.caching.unified_cache import UnifiedCache
from nlsq.core.drive import buying
from nlsq.core.drive.batch.many import Many
from nlsq.core.drive.batch.results import fits_lanes
from nlsq.core.drive.buying import CALL, PASSES, POINT, PRICE

# In the unit of `buying`: a pass's step by n + 1, and by its square for each fit; and what a fit's
# own call of the model costs, and one with dual numbers, beside the operations.
STEP, LANE, OWN, BESIDE = 300.0, 0.01, 12.0, 40.0
ODD = 40  # passes of a fit that lanes cannot judge

_accounts = UnifiedCache("rents of batches", maxsize=1024)
buying.tables.append(_accounts)


@dataclasses.dataclass
class Account:
    """What a model's batches have cost in NumPy."""

    paid: float = 0.0
    stacks: bool = True  # the model may be evaluated at many fits at once
    lanes: bool = True  # and at least fit by fit


def account_of(many: Many) -> Account:
    """The account of all batches of a model's content, with x of this form."""
    key = many.model.key, many.n, many.x_rows is None
    return _accounts.get_or_make(key, Account)


def rents(many: Many) -> bool:
    """Whether these fits run in NumPy: in lanes, where they can, or one by one."""
    options, single = many.options, buying.account_of(many.model)
    if options.backend == "jax" or single.writes_jax:
        return False
    if not in_lanes(many):
        return rents_alone(many, many.size, PASSES)
    if options.backend == "numpy" or single.refuted:
        return True
    return account_of(many).paid < PRICE and work(many) < PRICE


def is_by_hand(many: Many) -> bool:
    """Whether NumPy was asked for, or no program is right: no account decides then."""
    return many.options.backend == "numpy" or bool(buying.account_of(many.model).refuted)


def in_lanes(many: Many) -> bool:
    """Whether lanes of NumPy can have the fits, as far as is known."""
    return fits_lanes(many) and account_of(many).lanes


def work(many: Many) -> float:
    """What the fits will cost in NumPy."""
    n, account = sum(many.free), account_of(many)
    operations = buying.account_of(many.model).operations
    points = (n + 1) * many.m * POINT
    step = STEP * (n + 1) + many.size * LANE * (n + 1) ** 2
    if account.stacks:
        evaluation = operations * (CALL + many.size * points)
    else:
        evaluation = many.size * (BESIDE + operations * (CALL + points))
    return OWN * many.size + PASSES * (step + evaluation)


def rents_alone(many: Many, count: int, passes: int = ODD) -> bool:
    """Whether so many fits run by NumPy, one by one."""
    account = buying.account_of(many.model)
    if many.options.backend == "numpy" or account.refuted:
        return True
    return account.paid + count * account.work(passes, many.n, many.m) < PRICE
