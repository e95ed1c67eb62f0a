r"""The numerical guard: it looks at data, start and Jacobian before a fit.

It knows arrays and callables, no models. What it finds has a kind, a level and a number:

    kind                level   number
    x scale             note    largest abs(x) of a coordinate, far from 1
    x offset            note    condition of a straight line in x, which is far from 0
    y scale             note    largest abs(y), far from 1; a fault where its square is no number
    collinear x         note    correlation of two coordinates
    duplicated points   note    how many points were there before, in x and y
    sigma               note    largest over smallest sigma, or condition of the covariance
    parameter scales    note    largest over smallest start
    units               doubt   largest abs(x) of a coordinate that no start is the size of
    idle parameter      doubt   how many starts could be doubled, and the model stays as it is
    condition           fault   of the Jacobian at the start, its columns scaled to length 1
    start               fault   points at which the model or a derivative is not finite
    edge                note    points at which the model is not finite 10 % from the start

The engine scales the columns of J itself, so that units alone spoil nothing. They spoil the start:
a rate of 1 for times of 1e9 makes a curve that tells nothing about the data.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nlsq.stability import looks
from nlsq.stability.looks import SQUARE, Action, Hazard, Look, StabilityReport
from nlsq.stability.numbers import CONDITION, SVD_ELEMENTS, TIKHONOV, SafeFunctions, null_direction

IDLE = 1e-5  # relative change of the model that is next to none
#: What tells against a start.
OF_START = frozenset(("start", "condition", "idle parameter", "units"))


class NumericalStabilityGuard(SafeFunctions):
    """Looks for what endangers a fit, and keeps numbers where they can be computed with.

    Of a Jacobian of more than `max_jacobian_elements_for_svd` no singular values are computed: a
    condition beyond what its Gram matrix shows, 1e7, is then not told apart from infinity.

    Examples
    --------
    >>> guard = NumericalStabilityGuard()
    >>> fixed, findings = guard.check_and_fix_jacobian(np.array([[1.0, 2.0], [1.0, 2.0]]))
    >>> findings[0].kind, bool(np.linalg.cond(fixed) < 1e6)
    ('condition', True)
    """

    def __init__(self, max_jacobian_elements_for_svd: int = SVD_ELEMENTS):
        self.max_jacobian_elements_for_svd = max_jacobian_elements_for_svd

    def check(self, look: Look) -> tuple[Hazard, ...]:
        """Everything in the table above."""
        data = looks.of_data(look.x, look.y, look.p0.tolist())
        return (*data, *looks.of_sigma(look), *self._of_start(look))

    def _of_start(self, look: Look) -> Iterator[Hazard]:
        JT = np.empty((0, look.f0.size)) if look.JT is None else look.JT
        if fault := tuple(looks.not_finite(look, JT)):
            yield from fault
            return
        fitted = [j for j in range(len(JT)) if look.free[j]]
        names, JT = [look.names[j] for j in fitted], JT[fitted]
        size, p = self.safe_norm(look.f0), np.abs(look.p0[fitted])
        is_idle = (p > 0) & (p * self.safe_norm(JT, axis=1) <= IDLE * size) & (size > 0)
        if idle := tuple(itertools.compress(names, is_idle)):
            text = f"doubling {' or '.join(idle)} changes the model by less than {IDLE:g} of it."
            yield Hazard("idle parameter", text, len(idle), "doubt", idle)
        yield from self._condition(JT, names)
        yield from looks.of_edges(look, fitted)

    def _condition(self, JT: np.ndarray, names: Sequence[str]) -> Iterator[Hazard]:
        """The finding of a Jacobian (n, m) whose condition is beyond `CONDITION`."""
        lengths = self.safe_norm(JT, axis=1)
        if silent := tuple(itertools.compress(names, lengths == 0)):
            text = f"the model does not depend on {' or '.join(silent)} at the start."
            yield Hazard("condition", text, math.inf, "fault", silent)
        elif names:
            svd = JT.size <= self.max_jacobian_elements_for_svd
            condition, direction = null_direction(JT / lengths[:, None], svd)
            if condition > CONDITION:
                part = tuple(itertools.compress(names, np.abs(direction) > 0.1))
                text = (
                    f"the columns of the Jacobian of {', '.join(part)} are dependent at the start, "
                    f"with a condition of {condition:.2g}: the data tell them apart only "
                    "elsewhere, or not at all."
                )
                yield Hazard("condition", text, condition, "fault", part)

    def check_and_fix_jacobian(self, J: Any) -> tuple[np.ndarray, tuple[Hazard, ...]]:
        """(J, findings), J (m, n) with which a step can be computed.

        Rows that are not finite become 0, as if their points were missing. Where the condition is
        beyond 1e12, n rows are appended, Tikhonov's for the share 1e-10 of each column's square.
        """
        J = np.array(J, float)
        bad = ~np.isfinite(J).all(axis=1)
        found = []
        if bad.any():
            J[bad] = 0.0
            text = f"{bad.sum()} rows of the Jacobian are not finite: they are taken as 0."
            found.append(Hazard("not finite", text, int(bad.sum()), "fault"))
        if condition := tuple(self._condition(J.T, [f"column {j}" for j in range(J.shape[1])])):
            found += condition
            columns = self.safe_norm(J, axis=0)
            size = np.where(columns > 0, columns, columns.max(initial=0.0) or 1.0)
            J = np.vstack([J, np.diag(math.sqrt(TIKHONOV) * size)])
        return J, tuple(found)

    def check_gradient(self, gradient: Any) -> tuple[Hazard, ...]:
        """Findings of a gradient (n,): not finite, or of sizes that differ by more than 1e12."""
        found = self.detect_numerical_issues(gradient, "the gradient")
        size = np.abs(np.asarray(gradient, float))
        size = size[np.isfinite(size) & (size > 0)]
        if size.size and (ratio := float(size.max() / size.min())) > CONDITION:
            text = f"its components differ by a factor of {ratio:.2g}: scale the parameters."
            found += (Hazard("gradient scales", text, ratio),)
        return found

    def check_parameters(self, params: Any) -> tuple[Hazard, ...]:
        """Findings of parameters (n,): not finite, or of sizes that differ by more than 1e6."""
        return (*self.detect_numerical_issues(params, "a parameter"), *looks.of_sizes(params))

    def check_residuals(self, residuals: Any) -> tuple[Hazard, ...]:
        """Findings of residuals (m,): not finite, or too large or small to be squared."""
        return self.detect_numerical_issues(residuals, "a residual")

    def detect_numerical_issues(self, x: Any, what: str = "a value") -> tuple[Hazard, ...]:
        """Findings of any numbers: NaN, infinite, too large or too small to be squared."""
        x = np.ravel(np.asarray(x, float))
        size = np.where(np.isfinite(x), np.abs(x), 1.0)
        places = {
            "NaN": np.isnan(x), "infinite": np.isinf(x), "too large to be squared": size > SQUARE,
            "too small to be squared": (size < 1 / SQUARE) & (size > 0),
        }  # fmt: skip
        return tuple(
            Hazard(kind, f"{what} is {kind} at {count} of {x.size} places.", count, "fault")
            for kind, at in places.items()
            if (count := int(at.sum()))
        )


stability_guard = NumericalStabilityGuard()


def check_problem_stability(
    xdata: Any, ydata: Any, p0: Any = None, f: Callable | None = None
) -> StabilityReport:
    """What endangers a fit of these data; with `p0` and `f`, from this start too.

    `curve_fit(..., stability="check")` reports the same with exact derivatives, sigma and bounds.

    Examples
    --------
    >>> t = np.linspace(0, 3e6, 20)
    >>> growth = lambda t, a, k: a * np.exp(k * t)
    >>> report = check_problem_stability(t, growth(t, 1, 1e-6), [1, 1], growth)
    >>> [finding.kind for finding in report.findings]
    ['x scale', 'units', 'start']
    """
    x, y = np.asarray(xdata, float), np.ravel(np.asarray(ydata, float))
    p = np.ravel(np.asarray([] if p0 is None else p0, float))
    guard = stability_guard
    found = *guard.detect_numerical_issues(x, "x"), *guard.detect_numerical_issues(y, "y")
    if f is None or not p.size:
        return StabilityReport("check", (*found, *looks.of_data(x, y, p.tolist())), (), y.size)

    def value(q: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.asarray(f(x, *q), float), y.shape)

    with np.errstate(all="ignore"):
        step = np.diag(1e-6 * np.where(p != 0, np.abs(p), 1.0))
        JT = np.array([(value(p + h) - value(p - h)) / (2 * h.sum()) for h in step])
        names, wide = [f"p{i}" for i in range(p.size)], np.full(p.size, np.inf)
        look = Look(x, y, p, -wide, wide, names, np.ones(p.size), value(p), JT, value)
        return StabilityReport("check", (*found, *guard.check(look)), (), y.size)


def apply_automatic_fixes(
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    stability_report: StabilityReport | None = None,
    rescale_data: bool = True,
) -> tuple[np.ndarray, np.ndarray, Any, dict[str, Any]]:
    """(x, y, p0, what was done): data without points that are not finite, in units of their size.

    The units are powers of 2, so that no digit changes: ``xdata = x * done["x_unit"]``, and y
    likewise. `p0` is passed through, since only the model knows what it is measured in; a fit with
    stability='auto' asks the model. No value is invented for one that is missing. What has no
    finding in the report, by default that of `check_problem_stability`, is not rescaled.

    Examples
    --------
    >>> x, y, p0, done = apply_automatic_fixes([1e9, 2e9, np.nan], [1.0, 2.0, 3.0])
    >>> x.round(3), y, done["x_unit"], done["left_out"]
    (array([0.466, 0.931]), array([1., 2.]), 2147483648.0, 1)
    """
    x, y = np.asarray(xdata, float), np.asarray(ydata, float)
    good = np.isfinite(y) & np.isfinite(np.atleast_2d(x)).all(axis=0)
    x, y = x[..., good], y[good]
    report = stability_report or check_problem_stability(x, y, p0)
    units, actions = {"x": 1.0, "y": 1.0}, []
    for axis, data in (("x", x), ("y", y)) if rescale_data else ():
        if finding := report.of(f"{axis} scale"):
            units[axis] = unit = 2.0 ** math.frexp(float(np.abs(data).max()))[1]
            text = f"{axis} is divided by {unit:g}."
            actions.append(Action(f"{axis} unit", text, finding.text, unit))
    done = {f"{axis}_unit": unit for axis, unit in units.items()}
    done |= {"left_out": int((~good).sum()), "actions": tuple(actions)}
    return x / units["x"], y / units["y"], p0, done
