"""Which combinations of parameters the data know, in the parameters' names.

Where several parameters can move without the model noticing, something of them is determined all
the same: a product, a quotient, a sum. At one point several of these have the same tangent (of
a = c both a/c and a - c), so that a name is given only where the model stays as it is along the
whole way on which the named thing is constant.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from nlsq.diagnostics.evidence import Evidence

_SAME = 1e-6  # change of the residuals, as a share of what the moves alone would make, that is none
_WHOLE = 1e-3  # distance to a whole number
_EXPONENTS = 4
_MOST = 8  # parameters in one combination that has a name
_STEP = math.log(2.0)
_SLOPE = 0.15  # by how much the combination that is known best may differ from a named one
_WELL = 0.2  # its error, as a share of its size
_NEAR = 6.0  # times the shift of the best straight way, that a simple name is worth


@dataclasses.dataclass(frozen=True)
class Family:
    """A way to write what is determined: texts, and the moves that leave it as it is.

    Attributes
    ----------
    texts : tuple of str
        'a/c', 'b/c'.
    moves : list of ndarray (g,)
        Values of the parameters at other points of the way.
    """

    texts: tuple[str, ...]
    moves: list[np.ndarray]


def name_free(evidence: Evidence, places: Sequence[int], free: np.ndarray) -> tuple[str, ...]:
    """What is determined of parameters along whose directions `free` (k, g) the model is constant.

    Empty where that has no simple name, or nobody can say which of two names is right.
    """
    at = np.asarray(places)
    if len(at) > _MOST or not np.isfinite(evidence.values[at]).all():
        return ()
    names = [evidence.names[i] for i in at]
    families = list(_families(names, evidence.values[at], free))
    if evidence.residual_at is None or evidence.residuals is None:
        whole = [f for f in families if "e+" not in "".join(f.texts) and "." not in f.texts[0]]
        return whole[0].texts if len(whole) == 1 else ()
    right = (f.texts for f in families if _change(evidence, at, f.moves) <= _SAME)
    return next(right, ())  # of two names for one way the simpler, which comes first


def _families(names: list[str], p: np.ndarray, free: np.ndarray) -> Iterator[Family]:
    if (p != 0).all():
        rates = free / p
        if powers := _whole_rows(_complement(rates)):
            yield Family(
                tuple(product_text(names, row) for row in powers),
                [p * np.exp(sign * _STEP * u / np.abs(u).max()) for u in rates for sign in (1, -1)],
            )
    scale = np.where(p != 0, np.abs(p), 1.0)
    straight = [
        p + sign * 0.5 * v / np.abs(v / scale).max() for v in free for sign in (1, -1)
    ]  # fmt: skip
    rows = _complement(free)
    if sums := _whole_rows(rows):
        yield Family(tuple(sum_text(names, row) for row in sums), straight)
    elif len(names) == 2 and len(rows) == 1:
        yield Family((sum_text(names, rows[0]),), straight)
    if len(names) == 2 and len(free) == 1:
        yield from _half_logarithmic(names, p, free[0])


def _half_logarithmic(names: list[str], p: np.ndarray, v: np.ndarray) -> Iterator[Family]:
    """a*exp(k*c): an amplitude and a shift of what is exponential."""
    for i, j in ((0, 1), (1, 0)):
        if p[i] == 0 or v[j] == 0:
            continue
        rate = v[i] / p[i]
        moves = []
        for t in (_STEP / abs(rate), -_STEP / abs(rate)) if rate else ():
            q = p.copy()
            q[i], q[j] = p[i] * math.exp(t * rate), p[j] + t * v[j]
            moves.append(q)
        if moves:
            power = sum_text([names[j]], [float(f"{-rate / v[j]:.3g}")])
            yield Family((f"{names[i]}*exp({power})",), moves)


def _change(evidence: Evidence, at: np.ndarray, moves: list[np.ndarray]) -> float:
    """Largest change of the residuals over the moves, as a share of the moved columns' lengths."""
    lengths = np.linalg.norm(evidence.R[:, at], axis=0)
    worst = 0.0
    for move in moves:
        alone = float(lengths @ np.abs(move - evidence.values[at]))
        if not alone > 0:
            return math.inf
        worst = max(worst, _shift(evidence, at, move) / alone)
    return worst


def _shift(evidence: Evidence, at: np.ndarray, move: np.ndarray) -> float:
    """How far the residuals move with these parameters; inf where the model has no value."""
    p = evidence.values.copy()
    p[at] = move
    with np.errstate(all="ignore"):
        shift = float(np.linalg.norm(evidence.residual_at(p) - evidence.residuals))
    return shift if math.isfinite(shift) else math.inf


def _complement(rows: np.ndarray) -> np.ndarray:
    """Reduced echelon form (g - k, g) of all that is orthogonal to rows (k, g)."""
    size = np.abs(rows).max(axis=0)
    scale = np.where(size > 0, size, 1.0)
    _, values, VT = np.linalg.svd(rows / scale)
    rank = int((values > 1e-9 * values[0]).sum())
    rest = echelon(VT[rank:])
    leading = scale[np.argmax(np.abs(rest) > 1e-9, axis=1)]  # of each row the first is 1
    return rest / scale * leading[:, None]


def echelon(M: np.ndarray) -> np.ndarray:
    """Reduced row echelon form; the columns should be of like size."""
    M = M.copy()
    row = 0
    for column in range(M.shape[1]):
        if row == len(M):
            break
        k = row + int(np.argmax(np.abs(M[row:, column])))
        if abs(M[k, column]) <= 1e-9 * np.abs(M[k]).max():
            continue
        M[[row, k]] = M[[k, row]]
        M[row] /= M[row, column]
        others = np.arange(len(M)) != row
        M[others] -= np.outer(M[others, column], M[row])
        row += 1
    return M


def _whole_rows(M: np.ndarray) -> list[np.ndarray]:
    """The rows times the least number that makes them whole; [] where one is not."""
    out = []
    for row in M:
        for factor in (1, 2, 3):
            whole = np.round(factor * row)
            near = np.abs(factor * row - whole).max() <= _WHOLE
            if near and np.abs(whole).max() <= _EXPONENTS:
                out.append(whole)
                break
        else:
            return []
    return out


def product_text(names: Sequence[str], powers: Sequence[float]) -> str:
    """The product of powers.

    Examples
    --------
    >>> product_text(["a", "b", "c"], [1, 2, -1]), product_text(["a", "b"], [1, -1])
    ('a*b**2/c', 'a/b')
    """

    def factor(name: str, power: float) -> str:
        return name if abs(power) == 1 else f"{name}**{abs(power):g}"

    terms = list(zip(names, powers, strict=True))
    above = "*".join(factor(*t) for t in terms if t[1] > 0) or "1"
    below = [factor(*t) for t in terms if t[1] < 0]
    return above + (f"/({'*'.join(below)})" if len(below) > 1 else f"/{below[0]}" if below else "")


def sum_text(names: Sequence[str], weights: Sequence[float]) -> str:
    """The weighted sum.

    Examples
    --------
    >>> sum_text(["a", "b", "c"], [1, -1, 0]), sum_text(["c", "d"], [1, 16])
    ('a - b', 'c + 16*d')
    """
    text = ""
    for name, weight in zip(names, weights, strict=True):
        if weight == 0:
            continue
        sign = (" - " if weight < 0 else " + ") if text else ("-" if weight < 0 else "")
        text += sign + (name if abs(weight) == 1 else f"{abs(weight):.4g}*{name}")
    return text


# -- combinations that are known much better than their members ------------------------------------

_POWERS = ((1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))


@dataclasses.dataclass(frozen=True)
class Known:
    """A combination of two parameters, and its error as a share of the lesser of theirs."""

    places: tuple[int, int]
    text: str
    share: float
    simple: bool
    moves: list[np.ndarray]  # of the two, along the way on which it is constant


def known_pairs(evidence: Evidence, members: Sequence[int], known_well: float) -> list[Known]:
    """Of parameters that are ill known: combinations of two that are known well, each once."""
    at = {int(place): k for k, place in enumerate(evidence.directions.places)}
    found = []
    for i, j in itertools.combinations(members, 2):
        every = [k for k in _pair(evidence, (i, j), (at[i], at[j])) if k.share <= known_well]
        if best := _best(evidence, every):
            found.append(best)
    found.sort(key=lambda k: k.share)
    used: set[int] = set()
    out = []
    for known in found:
        if used.isdisjoint(known.places):
            used.update(known.places)
            out.append(known)
    return out


def _best(evidence: Evidence, every: list[Known]) -> Known | None:
    """A simple one where it changes the model as little as any straight one does, else that.

    Without the model to ask: the one with the least error, where no other comes near it.
    """
    simple, straight = [k for k in every if k.simple], [k for k in every if not k.simple]
    least = min((k.share for k in simple), default=math.inf)
    alike = [k for k in simple if k.share <= 3 * least]
    if evidence.residual_at is None or evidence.residuals is None:
        if straight and straight[0].share < 0.1 * least:
            return straight[0]
        return alike[0] if len(alike) == 1 else None

    def shift(known: Known) -> float:
        return max(_shift(evidence, np.array(known.places), move) for move in known.moves)

    shifts = [shift(k) for k in alike]
    least_shift = min(shifts, default=math.inf)
    best = alike[shifts.index(least_shift)] if alike else None
    if not straight:
        return best
    on_the_line, noise = shift(straight[0]), math.sqrt(evidence.noise)
    if least_shift <= max(_NEAR * on_the_line, 0.1 * noise):
        return best
    return straight[0] if on_the_line <= 0.1 * noise else None


def _pair(evidence: Evidence, places: tuple[int, int], at: tuple[int, int]) -> Iterator[Known]:
    d, names = evidence.directions, [evidence.names[i] for i in places]
    p = evidence.values[list(places)]

    def error(*weights: float) -> float:
        g = np.zeros(len(d.places))
        g[list(at)] = weights
        return d.error(g)

    single = np.array([error(1.0, 0.0), error(0.0, 1.0)])
    r = (error(*(1 / single)) ** 2 - error(*([1, -1] / single)) ** 2) / 4  # correlation
    weight = -r * single[0] / single[1]  # of the second in the sum that is known best

    noise = math.sqrt(evidence.noise)

    def known(text: str, g: np.ndarray, size: float, moves: list, simple: bool = True) -> Known:
        own = error(*g)
        right = abs(g[1] / g[0] - weight) <= _SLOPE * abs(weight) and noise * own <= _WELL * size
        share = own / float((np.abs(g) * single).min())
        return Known(places, text, share if right else math.inf, simple, moves)

    for w in map(np.array, _POWERS) if (p != 0).all() else ():
        u = np.array([w[1], -w[0]]) * _STEP / np.abs(w).max()
        yield known(product_text(names, w), w / p, 1.0, [p * np.exp(u), p * np.exp(-u)])
    for w in (np.array([1.0, 1.0]), np.array([1.0, -1.0]), np.array([1.0, weight])):
        v = np.array([-w[1], 1.0])
        v *= 0.5 * float((np.abs(p) / np.abs(v)).min())
        simple = abs(w[1]) == 1
        yield known(sum_text(names, w), w, float((np.abs(w * p)).max()), [p + v, p - v], simple)
