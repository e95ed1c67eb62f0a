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

from nlsq.diagnostics.config import DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.explained import is_right_end
from nlsq.diagnostics.finding import WARNING, Finding, listed

_OUT = (1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_IN = (0.3, 0.1, 0.03, 0.01, 1e-3, *(10.0**-k for k in range(4, 26, 2)))
_RISE = 3.84  # of chi-square: the 95 % point of one degree of freedom
_ILL = 0.12  # relative error from which on a parameter is followed
_MOST = 12  # parameters that are followed
_TRIES = 10  # steps of the others at one place


def analyse(
    evidence: Evidence, config: DiagnosticsConfig, settled: Collection[str] = ()
) -> list[Finding]:
    """Findings on all but the `settled`; none where the model or the noise is not known."""
    known = evidence.residual_at is not None and evidence.jacobian_at is not None
    if not (known and evidence.plain and 0 < evidence.noise < math.inf):
        return []
    places = [i for i in _doubtful(evidence) if evidence.names[i] not in settled]
    if not places or not is_right_end(evidence, config):
        return []
    sides: dict[str, list[str]] = {"bounded only from below": [], "bounded only from above": []}
    for place in places:
        value, name = float(evidence.values[place]), evidence.names[place]
        profile = _Profile(evidence, place)
        if not all(profile.stays(factor) for factor in _OUT):
            continue
        profile = _Profile(evidence, place)
        if all(profile.stays(factor) for factor in _IN):
            if place not in evidence.directions.places:
                continue  # nothing responds to it anywhere, which is said already
            side = "not bounded"
        else:
            side = "bounded only from " + ("below" if value > 0 else "above")
        sides.setdefault(side, []).append(name)
    told = {side: names for side, names in sides.items() if names}
    if not told:
        return []
    said = [
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} {side}"
        for side, names in told.items()
    ]
    remedy = "state a limit instead of an error, or add data that tell"
    every = tuple(name for names in told.values() for name in names)
    return [Finding("one-sided", WARNING, "; ".join(said), _OUT[-1], remedy, every)]


def _doubtful(evidence: Evidence) -> list[int]:
    """Parameters that may have no end on a side, as their errors say."""
    d = evidence.directions
    errors = np.full(len(evidence.names), np.inf)  # of what the model does not respond to
    with np.errstate(divide="ignore"):
        errors[d.places] = math.sqrt(evidence.noise) * d.inflations / d.lengths
    ill = errors > _ILL * np.abs(evidence.values)
    if evidence.undetermined:
        ill |= np.isin(evidence.names, evidence.undetermined)
    ill &= evidence.free & (evidence.at_bound == 0) & (evidence.values != 0)
    return np.flatnonzero(ill)[:_MOST].tolist()


class _Profile:
    """Chi-square along one parameter, the others following."""

    def __init__(self, evidence: Evidence, place: int):
        self._evidence, self._place = evidence, place
        others = evidence.free & (evidence.at_bound == 0)
        others[place] = False
        self._others = np.flatnonzero(others)
        self._p = self._before = evidence.values.astype(float)
        self._along = _direction(evidence, place)
        self._enough = self._square(self._p) + _RISE * evidence.noise

    def stays(self, factor: float) -> bool:
        """Whether the rise is less than one error's at this multiple of the value."""
        for start in self._starts(factor):
            p = self._followed(start)
            if p is not None:
                self._before, self._p = self._p, p
                return True
        return False

    def _starts(self, factor: float) -> Iterator[np.ndarray]:
        """Points at this multiple: the others as they are, or where tangent or secant lead them."""
        values, place = self._evidence.values, self._place
        value, gone = factor * values[place], self._p - self._before
        tries = [self._p, values + (value - values[place]) * self._along]
        if gone[place]:
            tries.insert(0, self._p + (value - self._p[place]) / gone[place] * gone)
        for p in tries:
            p = p.copy()
            p[place] = value
            p = self._inside(p)
            if p[place] == value and np.isfinite(p).all():  # else a bound is in the way
                yield p

    def _inside(self, p: np.ndarray) -> np.ndarray:
        bounds = self._evidence.bounds
        return p if bounds is None else np.clip(p, *bounds)

    def _followed(self, p: np.ndarray) -> np.ndarray | None:
        """The others moved until chi-square is low enough; None where that fails."""
        square, damping, hopeless = self._square(p), 1e-3, 0
        for _ in range(_TRIES):
            if square <= self._enough:
                return p
            if not math.isfinite(square) or not self._others.size or hopeless == 2:
                return None
            trial, best = self._step(p, damping)
            hopeless = hopeless + 1 if best - self._enough > 0.5 * (square - self._enough) else 0
            new = self._square(self._inside(trial))
            if new < square:
                p, square, damping = self._inside(trial), new, damping / 10
            else:
                damping = max(10 * damping, 1e-3)
        return p if square <= self._enough else None

    def _step(self, p: np.ndarray, damping: float) -> tuple[np.ndarray, float]:
        """Where the others go next, and the chi-square that the tangent promises at best."""
        with np.errstate(all="ignore"):
            J = self._evidence.jacobian_at(p)[:, self._others]
            r = self._evidence.residual_at(p)
            lengths = np.linalg.norm(J, axis=0)
        if not np.isfinite(lengths).all():
            return p, math.inf
        lengths = np.where(lengths > 0, lengths, 1.0)
        U, w, VT = np.linalg.svd(J / lengths, full_matrices=False)
        kept = w > 1e-12 * w.max(initial=0.0)
        gain = np.where(kept, w / np.where(kept, w * w + damping, 1.0), 0.0)
        seen = U.T @ r
        trial = p.copy()
        trial[self._others] -= (VT.T @ (gain * seen)) / lengths
        return trial, float(r @ r - seen[kept] @ seen[kept])

    def _square(self, p: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            r = self._evidence.residual_at(p)
            square = float(r @ r)
        return square if square == square else math.inf


def _direction(evidence: Evidence, place: int) -> np.ndarray:
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
