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
_POWERS = ((1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))  # that a pair is asked for
_SLOPE = 0.15  # by how much the combination that is known best may differ from a named one
_WELL = 0.2  # its error, as a share of its size
_ALIKE = 3.0  # times the least error, up to which simple names compete
_NEAR = 6.0  # times the shift of the best straight way, that a simple name is worth
_UNSEEN = 0.1  # of the noise: a shift that nobody sees

Moves = list[np.ndarray]  # values of some parameters at points of a way


def _curved(p: np.ndarray, rates: np.ndarray) -> Moves:
    """Along which products of powers are constant, up to half and twice the values."""
    return [p * np.exp(sign * _STEP * rates / np.abs(rates).max()) for sign in (1, -1)]


def _straight(p: np.ndarray, v: np.ndarray) -> Moves:
    """Along which sums are constant, up to half of a value."""
    scale = np.where(p != 0, np.abs(p), 1.0)
    return [p + sign * 0.5 * v / np.abs(v / scale).max() for sign in (1, -1)]


# -- combinations that alone are determined --------------------------------------------------------


def name_free(evidence: Evidence, places: Sequence[int], free: np.ndarray) -> tuple[str, ...]:
    """What is determined of parameters along whose directions `free` (k, g) the model is constant.

    Empty where that has no simple name, or nobody can say which of two names is right.
    """
    at = np.asarray(places)
    if len(at) > _MOST or not np.isfinite(evidence.values[at]).all():
        return ()
    families = list(_families([evidence.names[i] for i in at], evidence.values[at], free))
    if not evidence.has_model or evidence.residuals is None:
        whole = [texts for texts, _ in families if "e+" not in str(texts) and "." not in texts[0]]
        return whole[0] if len(whole) == 1 else ()
    # of two names for one way the simpler comes first
    return next((texts for texts, moves in families if _is_same(evidence, at, moves)), ())


def _families(
    names: list[str], p: np.ndarray, free: np.ndarray
) -> Iterator[tuple[tuple[str, ...], Moves]]:
    """Ways to write what is determined ('a/c', 'b/c'), and the moves that leave it as it is."""
    if (p != 0).all() and (powers := _whole_rows(_complement(free / p))):
        moves = [move for rates in free / p for move in _curved(p, rates)]
        yield tuple(product_text(names, row) for row in powers), moves
    rows, straight = _complement(free), [move for v in free for move in _straight(p, v)]
    sums = _whole_rows(rows) or (rows if len(names) == 2 and len(rows) == 1 else [])
    if len(sums):
        yield tuple(sum_text(names, row) for row in sums), straight
    if len(names) == 2 and len(free) == 1:  # an amplitude and a shift of what is exponential
        for i, j in ((0, 1), (1, 0)):
            if p[i] == 0 or free[0, i] == 0 or free[0, j] == 0:
                continue
            per = free[0, i] / p[i] / free[0, j]  # d log p_i / d p_j
            moves = [p.copy(), p.copy()]
            for move, sign in zip(moves, (1, -1), strict=True):
                move[i], move[j] = p[i] * math.exp(sign * _STEP), p[j] + sign * _STEP / per
            power = sum_text([names[j]], [float(f"{-per:.3g}")])
            yield (f"{names[i]}*exp({power})",), moves


def _is_same(evidence: Evidence, at: np.ndarray, moves: Moves) -> bool:
    """Whether the residuals stay, beside what the moves of each parameter alone would make."""
    alone = [float(evidence.lengths[at] @ np.abs(move - evidence.values[at])) for move in moves]
    shifts = (_shift(evidence, at, move) for move in moves)
    return all(one > 0 and shift <= _SAME * one for one, shift in zip(alone, shifts, strict=True))


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
    rest = echelon(VT[int((values > 1e-9 * values[0]).sum()) :])
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

    def whole(row: np.ndarray) -> np.ndarray | None:
        tries = ((factor * row, np.round(factor * row)) for factor in (1, 2, 3))
        near = (w for v, w in tries if np.abs(v - w).max() <= _WHOLE)
        return next((w for w in near if np.abs(w).max() <= _EXPONENTS), None)

    rows = [whole(row) for row in M]
    return [] if any(row is None for row in rows) else rows


def product_text(names: Sequence[str], powers: Sequence[float]) -> str:
    """The product of powers.

    Examples
    --------
    >>> product_text(["a", "b", "c"], [1, 2, -1]), product_text(["a", "b"], [1, -1])
    ('a*b**2/c', 'a/b')
    """
    texts = [n if abs(p) == 1 else f"{n}**{abs(p):g}" for n, p in zip(names, powers, strict=True)]
    above, below = ([t for t, p in zip(texts, powers, strict=True) if s * p > 0] for s in (1, -1))
    under = f"({'*'.join(below)})" if len(below) > 1 else "".join(below)
    return ("*".join(above) or "1") + (f"/{under}" if below else "")


def sum_text(names: Sequence[str], weights: Sequence[float]) -> str:
    """The weighted sum.

    Examples
    --------
    >>> sum_text(["a", "b", "c"], [1, -1, 0]), sum_text(["c", "d"], [1, 16])
    ('a - b', 'c + 16*d')
    """
    text = ""
    for name, weight in zip(names, weights, strict=True):
        if weight != 0:
            sign = (" - " if weight < 0 else " + ") if text else ("-" if weight < 0 else "")
            text += sign + (name if abs(weight) == 1 else f"{abs(weight):.4g}*{name}")
    return text


# -- combinations that are known much better than their members ------------------------------------


@dataclasses.dataclass(frozen=True)
class Known:
    """A combination of two parameters that is known well."""

    places: tuple[int, int]
    names: tuple[str, ...]
    text: str
    share: float  # its error over the lesser of theirs
    moves: Moves  # of the two, along the way on which it is constant
    simple: bool = True  # its name has whole numbers


def known_pairs(evidence: Evidence, members: Sequence[int], known_well: float) -> list[Known]:
    """Of parameters that are ill known: combinations of two that are known well, each once.

    None where the model cannot be asked which of several names is right.
    """
    if not evidence.has_model or evidence.residuals is None:
        return []
    pairs = ([k for k in _pair(evidence, p) if k.share <= known_well]
             for p in itertools.combinations(members, 2))  # fmt: skip
    best = (_best(evidence, every) for every in pairs if every)
    used: set[int] = set()
    out = []
    for known in sorted((k for k in best if k), key=lambda k: k.share):
        if used.isdisjoint(known.places):
            used.update(known.places)
            out.append(known)
    return out


def _best(evidence: Evidence, every: list[Known]) -> Known | None:
    """A simple one where it changes the model as little as any straight one does, else that."""

    def shift(known: Known) -> float:
        return max(_shift(evidence, np.array(known.places), move) for move in known.moves)

    unseen = _UNSEEN * math.sqrt(evidence.noise)
    least = min((k.share for k in every if k.simple), default=math.inf)
    alike = [(shift(k), k) for k in every if k.simple and k.share <= _ALIKE * least]
    moved, best = min(alike, key=lambda one: one[0], default=(math.inf, None))
    straight = next((k for k in every if not k.simple), None)
    if straight is None:
        return best
    on_the_line = shift(straight)
    if moved <= max(_NEAR * on_the_line, unseen):
        return best
    return straight if on_the_line <= unseen else None


def _pair(evidence: Evidence, places: tuple[int, int]) -> Iterator[Known]:
    d, names = evidence.directions, tuple(evidence.names[i] for i in places)
    p, at = evidence.values[list(places)], np.searchsorted(d.places, places)

    def error(weights: np.ndarray) -> float:
        g = np.zeros(len(d.places))
        g[at] = weights
        return d.error(g)

    single = np.array([error(np.array([1.0, 0.0])), error(np.array([0.0, 1.0]))])
    r = (error(1 / single) ** 2 - error(np.array([1.0, -1.0]) / single) ** 2) / 4  # correlation
    weight = -r * single[0] / single[1]  # of the second in the sum that is known best

    def share(g: np.ndarray, size: float) -> float:
        own = error(g)
        right = abs(g[1] / g[0] - weight) <= _SLOPE * abs(weight)
        if not right or math.sqrt(evidence.noise) * own > _WELL * size:
            return math.inf
        return own / float((np.abs(g) * single).min())

    for w in map(np.array, _POWERS) if (p != 0).all() else ():
        moves = _curved(p, np.array([w[1], -w[0]]))
        yield Known(places, names, product_text(names, w), share(w / p, 1.0), moves)
    for w in (np.array([1.0, 1.0]), np.array([1.0, -1.0]), np.array([1.0, weight])):
        moves = _straight(p, np.array([-w[1], 1.0]))
        size = float(np.abs(w * p).max())
        yield Known(places, names, sum_text(names, w), share(w, size), moves, abs(w[1]) == 1)
