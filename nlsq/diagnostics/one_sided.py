"""Parameters that the data bound on one side only: the slope of a step, a rate far too large.

A standard error has two sides by construction. A parameter that is ill known is therefore followed
outwards, ten times and a thousand times its value, with the others fitted again at each place (its
profile). It has no end on that side where chi-square never rises by as much as one error promises.
The search stops at the first rise that it cannot undo, so that it errs on the side of silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nlsq.diagnostics.config import DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.explained import is_right_end
from nlsq.diagnostics.finding import Finding, Severity

_OUT = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_IN = (0.3, 0.1, 0.03, 0.01, 1e-3, *(10.0**-k for k in range(4, 26, 2)))
_PERHAPS = 0.1  # relative error from which on one look far away is worth it
_TRIES = 10  # steps of the others at one place


def analyse(evidence: Evidence, config: DiagnosticsConfig) -> list[Finding]:
    """Findings, none where the model or the noise is not known."""
    known = evidence.residual_at is not None and evidence.jacobian_at is not None
    if not (known and evidence.plain and 0 < evidence.noise < math.inf):
        return []
    places = _doubtful(evidence, config)
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
    said = [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {side}"
        for side, names in sides.items()
        if names
    ]
    if not said:
        return []
    return [
        Finding(
            "one-sided", Severity.WARNING, "; ".join(said), _OUT[-1],
            "state a limit instead of an error, or add data that tell",
            tuple(name for names in sides.values() for name in names),
        )
    ]  # fmt: skip


def _doubtful(evidence: Evidence, config: DiagnosticsConfig) -> list[int]:
    """Parameters that may have no end on a side: to which errors or values far away point."""
    d = evidence.directions
    errors = np.full(len(evidence.names), np.inf)  # of what the model does not respond to
    with np.errstate(divide="ignore"):
        errors[d.places] = math.sqrt(evidence.noise) * d.inflations / d.lengths
    sizes = np.abs(evidence.values)
    known = evidence.free & (evidence.at_bound == 0) & (sizes > 0)
    ill = known & (errors > config.relative_error * sizes)
    if evidence.undetermined:
        ill |= known & np.isin(evidence.names, evidence.undetermined)
    perhaps = known & (errors > _PERHAPS * sizes)
    return [
        place
        for place in np.flatnonzero(ill | perhaps).tolist()
        if ill[place] or _Profile(evidence, place).is_low_far_out()
    ]


class _Profile:
    """Chi-square along one parameter, the others following."""

    def __init__(self, evidence: Evidence, place: int):
        self._evidence, self._place = evidence, place
        others = evidence.free & (evidence.at_bound == 0)
        others[place] = False
        self._others = np.flatnonzero(others)
        self._p = evidence.values.astype(float)
        self._along = _direction(evidence, place)
        self._enough = self._square(self._p) + evidence.noise

    def is_low_far_out(self) -> bool:
        """Whether chi-square is low at the far end of the way, the others not fitted again."""
        return any(self._square(p) <= self._enough for p in self._starts(_OUT[-1]))

    def stays(self, factor: float) -> bool:
        """Whether the rise is less than one error's at this multiple of the value."""
        for start in self._starts(factor):
            p = self._followed(start)
            if p is not None:
                self._p = p
                return True
        return False

    def _starts(self, factor: float) -> Iterator[np.ndarray]:
        """Points at this multiple: the others as they are now, or where the tangent leads them."""
        values, place = self._evidence.values, self._place
        value = factor * values[place]
        for p in (self._p, values + (value - values[place]) * self._along):
            p = p.copy()
            p[place] = value
            p = self._inside(p)
            if p[place] == value:  # else a bound is in the way
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
        if not np.isfinite(J).all():
            return p, math.inf
        lengths = np.linalg.norm(J, axis=0)
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
    scaled = (d.rows / d.values[:, None]).T @ (d.rows[:, k] / d.values)
    out = np.zeros(len(evidence.names))
    out[d.places] = scaled / d.lengths / (scaled[k] / d.lengths[k])
    return out
