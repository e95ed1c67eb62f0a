"""What a search for the best fit says of its answer: how often it was found, what else there is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nlsq.result.formatting import count, percent, significant
from nlsq.result.minima import CUT_SHORT, USED_UP, Minima
from nlsq.result.statistics import LEVEL

if TYPE_CHECKING:
    from nlsq.result.fit_statistics import FitStatistics
    from nlsq.result.minima import Minimum

_MOST = 3  # minima named
_COVERED = 0.75  # share of the starts whose minimum was seen, below which one may be left


def worse(minima: Minima, i: int) -> str:
    """How much worse than the best a minimum is, by its cost; "" where that says nothing."""
    if minima[i].equal:
        return "equal"
    best, cost = minima[0].cost, minima[i].cost
    return _amount(cost / best if best > 0 else math.inf)


def _amount(ratio: float) -> str:
    if ratio >= 1e4:
        return ""
    return f"{percent(ratio - 1)} %" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f} ×"


def search_sentence(minima: Minima) -> str:
    """How sure the best minimum is.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq.result.minima import Minima
    >>> ends = np.repeat([[1.0], [2.0]], [7, 2], axis=0)
    >>> costs = np.repeat([1.0, 1.031], [7, 2])
    >>> search_sentence(Minima.gather(ends, costs, ends, lambda p: p, ["a"], stopped=""))
    'best of 9 starts, found 7 times; next minimum 3.1 % worse'
    """
    if not minima:
        return f"no local fit of {count(minima.n_starts, 'start')} came to an end"
    fitted = "" if minima.n_fits == minima.n_starts else f" ({minima.n_fits:,} fitted to the end)"
    times = _times(minima[0].count)
    parts = [f"best of {count(minima.n_starts, 'start')}{fitted}, found {times}"]
    equal = sum(minimum.equal for minimum in minima) - 1
    if equal:
        parts.append("a second minimum is equal" if equal == 1 else f"{equal} others are equal")
    if len(minima) > equal + 1:
        parts.append(f"next minimum {_next(minima, equal + 1)}")
    elif not equal:
        parts.append("no other minimum")
    if minima.n_failed:
        parts.append(f"{count(minima.n_failed, 'start')} failed")
    return "; ".join(parts)


def found_sentence(n_best: int, n_fits: int, following: float | None) -> str:
    """How sure the best minimum of one of many fits is, by the numbers of its `FitsMinima`.

    Examples
    --------
    >>> found_sentence(6, 14, 0.031)
    'found 6 times in 14 local fits; next minimum 3.1 % worse'
    >>> found_sentence(1, 9, None)
    'found once in 9 local fits; no other minimum'
    """
    amount = "" if following is None else _amount(1 + following) or "over 10,000 ×"
    other = f"next minimum {_by(amount)}" if amount else "no other minimum"
    return f"found {_times(n_best)} in {count(n_fits, 'local fit')}; {other}"


def best_of_many(made: int, data_sets: int, once: int) -> str:
    """How sure the best minima of many fits are."""
    text = f"best of {count(made, 'local fit')} for {count(data_sets, 'data set')}"
    return text + (f"; {once:,} found its best minimum once only" if once else "")


def _times(found: int) -> str:
    return "once" if found == 1 else f"{found:,} times"


def _by(amount: str) -> str:
    return f"{amount} worse" if "%" in amount else f"{amount} the cost"


def _next(minima: Minima, i: int) -> str:
    amount = worse(minima, i)
    return _by(amount) if amount else f"of cost {significant(minima[i].cost, 3)}"


def noise_threshold(result: FitStatistics) -> float | None:
    """Above which cost, as multiple of the best, a minimum is worse by more than the noise.

    The difference of chi-squared to the best is below this with 95 % where the other is true.
    None where the noise is not known.
    """
    from scipy.special import chdtri

    best = 0.5 * result.misfit
    if not result.knows_dof or not best > 0 or not result.n_free:
        return None
    if not result.get("absolute_sigma", False) and result.dof <= 0:
        return None
    variance = 1.0 if result.get("absolute_sigma", False) else 2 * best / result.dof
    return 1 + 0.5 * float(chdtri(result.n_free, 1 - LEVEL)) * variance / best


def tell(result: FitStatistics, found: dict[str, Any]) -> None:
    """Give a result what the search before it found, and doubts about that as warnings."""
    result.update(found)
    if (own := found.get("optimizer")) is not None and not own["success"]:
        where = f"{own['name']} did not converge ({own['message'].rstrip('.')})"
        result["warnings"] += (f"{where}; the fit began where it stopped",)
    if (minima := found.get("minima")) is not None:
        result["minima"] = minima.improved(result.popt, result.cost)
        result["warnings"] += tuple(doubts(result))


def doubts(result: FitStatistics) -> list[str]:
    """What to doubt: whether the search saw enough, and whether the data decide."""
    minima = result.get("minima")
    if minima is None:
        return []
    out = []
    if minima.stopped in CUT_SHORT:
        out.append(
            f"{minima.stopped} ended the search after {count(minima.n_starts, 'start')}: this is "
            "the best so far, and there may be a better minimum"
        )
    if not minima:
        return out
    limit = noise_threshold(result)
    if minima.stopped in USED_UP and (minima[0].count == 1 or minima.covered < _COVERED):
        times = "once" if minima[0].count == 1 else f"{minima[0].count} times"
        out.append(
            f"{minima.n_fits:,} local fits ended in {len(minima):,} minima, in this one {times}: a "
            f"better one may be left; draw more starts (n_starts={4 * minima.n_starts:,}), or give "
            "bounds"
        )
    equal = [minimum for minimum in minima[1:] if minimum.equal]
    if equal:
        out.append(
            f"{_number(len(equal))} just as well as this one: {_values(equal)}; the data cannot "
            "tell them apart, only knowledge from elsewhere can"
        )
    best = minima[0].cost
    near = [m for m in minima[1:] if limit and not m.equal and m.cost <= limit * best]
    if near:
        out.append(
            f"{_number(len(near))} as well within the noise (95 %): {_values(near)}, cost "
            f"{_higher(minima, 1 + len(equal), len(near))}; the data do not decide between them"
        )
    return out


def _higher(minima: Minima, first: int, count: int) -> str:
    """How much higher the costs of so many minima are."""
    amounts = worse(minima, first), worse(minima, first + count - 1)
    return f"{amounts[0]} higher" if count == 1 else f"{amounts[0]} to {amounts[1]} higher"


def _number(n: int) -> str:
    return "another minimum fits" if n == 1 else f"{n} other minima fit"


def _values(minima: list[Minimum]) -> str:
    said = [
        ", ".join(f"{n}={significant(v, 4)}" for n, v in zip(m.names, m.params, strict=True))
        for m in minima[:_MOST]
    ]
    more = " and others" if len(minima) > _MOST else ""
    return " and ".join(f"({values})" for values in said) + more
