r"""Whether to fit by NumPy, at once, or by a program, which has to be compiled: rent or buy.

A fit by NumPy costs more than one by a program, and a program costs its compiling. Nobody knows how
often a model will be fitted. So we rent until the rent that was paid is the price, and then buy:
whatever comes, that is at most twice what the best choice with hindsight would have cost. What is
predicted to cost more than the price in one call is bought at once.

Work is counted, not timed, and the disk is not asked, so that the same script takes the same
backend at the same call on every run. The unit is about a microsecond of one core:

    W = passes (PASS + operations (CALL + (n + 1) m POINT)),

with n parameters, m points and the model's arithmetic operations with dual numbers.

Reference: A. R. Karlin, M. S. Manasse, L. Rudolph, D. D. Sleator, "Competitive snoopy caching",
Algorithmica 3 (1988), the ski-rental problem.
"""

from __future__ import annotations

import dataclasses

from nlsq.caching.unified_cache import UnifiedCache
from nlsq.core.model.reading import asks_for_identity, count_operations, writes_jax

NOT_YET = "compiling does not pay yet"
PASS = 250.0  # judging a trial and proposing the next
CALL = 3.0  # an operation, however few the points
POINT = 3e-3  # for each point and each of a value and its tangents
PRICE = 1.2e6  # of finding a model's road and compiling its fit
PASSES = 12  # of a fit that is to come

_accounts = UnifiedCache("rents", maxsize=1024)
tables = [_accounts]  # `batch.renting` adds its own


@dataclasses.dataclass
class Account:
    """What fits of a model have cost by NumPy.

    operations: as they are written in its code.
    writes_jax: its code names JAX, so that it is not for NumPy.
    asks_for_identity: it may ask which array it is given.
    """

    operations: int
    writes_jax: bool
    asks_for_identity: bool
    pointwise: bool | None = None  # by its values at some of the points, once there are any
    no_rule: bool = False  # dual numbers do not take it
    refuted: str = ""  # why its program is not used
    paid: float = 0.0

    def work(self, passes: int, n: int, m: int) -> float:
        """The work of so many passes over m points."""
        return passes * (PASS + self.operations * (CALL + (n + 1) * m * POINT))

    def rents(self, n: int, m: int) -> bool:
        """Whether the next fit of m points runs by NumPy."""
        return self.paid < PRICE and self.work(PASSES, n, m) < PRICE

    def pay(self, passes: int, n: int, m: int) -> None:
        """Note the work of a fit that ran by NumPy."""
        self.paid += self.work(passes, n, m)


def account_of(model) -> Account:
    """The account of all fits of a model's content."""
    if model.account is None:
        model.account = _accounts.get_or_make((model.key, model.n), lambda: _opened(model.call.f))
    return model.account


def _opened(f) -> Account:
    return Account(max(count_operations(f), 1), writes_jax(f), asks_for_identity(f))


def forget_rents() -> None:
    """Let the next fit of each model decide as the first of a process does.

    A program that stays open for days must find the digits of one that makes one fit.
    """
    for table in tables:
        for account in table.values():
            account.paid = 0.0
