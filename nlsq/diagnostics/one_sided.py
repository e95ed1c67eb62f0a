"""Parameters that the data bound on one side only: the slope of a step, a rate far too large.

A standard error has two sides by construction. A parameter that is ill known is therefore followed
outwards, ten times and a thousand times its value, with the others fitted again at each place (its
profile). It has no end on that side where chi-square never leaves what a 95 % interval allows.
The search stops at the first rise that it cannot undo, so that it errs on the side of silence.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.explained import is_right_end
from nlsq.diagnostics.finding import WARNING, DiagnosticsConfig, Finding, listed
from nlsq.diagnostics.residual_space import unit_columns

_OUT = (1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_IN = (0.3, 0.1, 0.03, 0.01, 1e-3, *(10.0**-k for k in range(4, 26, 2)))
_RISE = 3.84  # of chi-square: the 95 % point of one degree of freedom
_ILL = 0.12  # relative error from which on a parameter is followed
_MOST = 12  # parameters that are followed
_TRIES = 10  # steps of the others at one place


def analyse(
    evidence: Evidence, config: DiagnosticsConfig, settled: Collection[str]
) -> list[Finding]:
    """Findings on all but the `settled`; none where the model or the noise is not known."""
    if not (evidence.has_model and evidence.plain and 0 < evidence.noise < math.inf):
        return []
    places = [i for i in _doubtful(evidence) if evidence.names[i] not in settled]
    if not places or not is_right_end(evidence, config):
        return []
    sides: dict[str, list[str]] = {"bounded only from below": [], "bounded only from above": []}
    for place in places:
        if not _stays(evidence, place, _OUT):
            continue
        side = "bounded only from " + ("below" if evidence.values[place] > 0 else "above")
        if _stays(evidence, place, _IN):
            if place not in evidence.directions.places:
                continue  # nothing responds to it anywhere, which is said already
            side = "not bounded"
        sides.setdefault(side, []).append(evidence.names[place])
    told = {side: names for side, names in sides.items() if names}
    if not told:
        return []
    said = [f"{listed(n)} {'is' if len(n) == 1 else 'are'} {side}" for side, n in told.items()]
    remedy = "state a limit instead of an error, or add data that tell"
    every = tuple(name for names in told.values() for name in names)
    return [Finding("one-sided", WARNING, "; ".join(said), _OUT[-1], remedy, every)]


def _doubtful(evidence: Evidence) -> list[int]:
    """Parameters that may have no end on a side, as their errors say."""
    ill = evidence.errors > _ILL * np.abs(evidence.values)
    if evidence.undetermined:
        ill |= np.isin(evidence.names, evidence.undetermined)
    return (ill & evidence.moved & (evidence.values != 0)).nonzero()[0][:_MOST].tolist()


def _stays(evidence: Evidence, place: int, factors: tuple[float, ...]) -> bool:
    """Whether chi-square rises by less than one error's at all these multiples of the value."""
    others = evidence.moved.copy()
    others[place] = False
    p = before = evidence.values.astype(float)
    enough = chi_square(evidence, p) + _RISE * evidence.noise
    for factor in factors:
        starts = _starts(evidence, place, factor, p, before)
        ends = (follow(evidence, start, others, enough) for start in starts)
        before, p = p, next((end for end in ends if end is not None), None)
        if p is None:
            return False
    return True


def _starts(
    evidence: Evidence, place: int, factor: float, last: np.ndarray, before: np.ndarray
) -> Iterator[np.ndarray]:
    """Points at this multiple: the others as they are, or where tangent or secant lead them."""
    values, gone = evidence.values, last - before
    value = factor * values[place]
    tries = [last, values + (value - values[place]) * _tangent(evidence, place)]
    if gone[place]:
        tries.insert(0, last + (value - last[place]) / gone[place] * gone)
    for p in tries:
        p = p.copy()
        p[place] = value
        p = _inside(evidence, p)
        if p[place] == value and np.isfinite(p).all():  # else a bound is in the way
            yield p


def _tangent(evidence: Evidence, place: int) -> np.ndarray:
    """(n,) how the tangent's best others move with the parameter."""
    d = evidence.directions
    if place not in d.places:
        return np.arange(len(evidence.names)) == place
    k = int(np.flatnonzero(d.places == place)[0])
    with np.errstate(all="ignore"):
        scaled = (d.rows / d.values[:, None]).T @ (d.rows[:, k] / d.values)
        along = scaled / d.lengths / (scaled[k] / d.lengths[k])
    out = np.zeros(len(evidence.names))
    out[d.places] = along
    return out


def follow(
    evidence: Evidence, p: np.ndarray, others: np.ndarray, enough: float
) -> np.ndarray | None:
    """The others moved (Levenberg-Marquardt) until chi-square is low enough; None if that fails."""
    square, damping, hopeless = chi_square(evidence, p), 1e-3, 0
    for _ in range(_TRIES):
        if square <= enough:
            return p
        if not math.isfinite(square) or not others.any() or hopeless == 2:
            return None
        trial, best = _step(evidence, p, others, damping)
        hopeless = hopeless + 1 if best - enough > 0.5 * (square - enough) else 0
        new = chi_square(evidence, trial)
        if new < square:
            p, square, damping = trial, new, damping / 10
        else:
            damping = max(10 * damping, 1e-3)
    return p if square <= enough else None


def _step(
    evidence: Evidence, p: np.ndarray, others: np.ndarray, damping: float
) -> tuple[np.ndarray, float]:
    """Where the others go next, and the chi-square that the tangent promises at best."""
    with np.errstate(all="ignore"):
        J, r = evidence.jacobian_at(p)[:, others], evidence.residual_at(p)
    if not np.isfinite(J).all():
        return p, math.inf
    J, lengths = unit_columns(J)
    U, w, VT = np.linalg.svd(J, full_matrices=False)
    kept = w > 1e-12 * w.max(initial=0.0)
    gain = np.where(kept, w / np.where(kept, w * w + damping, 1.0), 0.0)
    seen = U.T @ r
    trial = p.copy()
    trial[others] -= (VT.T @ (gain * seen)) / np.where(lengths > 0, lengths, 1.0)
    return _inside(evidence, trial), float(r @ r - seen[kept] @ seen[kept])


def _inside(evidence: Evidence, p: np.ndarray) -> np.ndarray:
    return p if evidence.bounds is None else np.clip(p, *evidence.bounds)


def chi_square(evidence: Evidence, p: np.ndarray) -> float:
    """Sum of squared residuals at parameters p (n,); inf where the model has no value."""
    with np.errstate(all="ignore"):
        r = evidence.residual_at(p)
        square = float(r @ r)
    return math.inf if math.isnan(square) else square
