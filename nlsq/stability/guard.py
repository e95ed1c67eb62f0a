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

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nlsq.stability.numbers import (
    CONDITION,
    SVD_ELEMENTS,
    TIKHONOV,
    SafeFunctions,
    detect_collinearity,
    detect_parameter_scale_mismatch,
    estimate_condition_number,
    null_direction,
)
from nlsq.stability.numbers import (
    solve_with_cholesky_fallback as solve_with_cholesky_fallback,
)
from nlsq.stability.report import Action, Finding, StabilityReport

SCALE = 1e6  # sizes between its inverse and itself are no matter
ORDINARY = 1e3  # the same for a start of 1
SPREAD = 1e6  # of deviations, from which on few points decide alone
FAR = 1e3  # times its span, from which on x is far from 0
SQUARE = 1e150  # beyond it, and below its inverse, squares are no numbers
IDLE = 1e-5  # relative change of the model that is next to none
NEAR = 0.1  # how far from the start an edge is looked for, relative
_STEEP = 2.0  # change of the model for that of a parameter, both relative, that may be an edge
#: What tells against a start.
OF_START = frozenset(("start", "condition", "idle parameter", "units"))


class Look(NamedTuple):
    """What is looked at before a fit; f0 and JT are divided by sigma.

    Attributes
    ----------
    x : ndarray (m,) or (k, m), or None where it is no array of numbers
    y : ndarray (m,)
    p0, lb, ub : ndarray (n,)
    names : sequence of str (n,)
    free : sequence (n,), true for parameters that are fitted
    f0 : ndarray (m,)
        The model at p0.
    JT : ndarray (n, m) or None
        Its derivatives there; None where nobody computed them.
    value : callable
        value(p) -> (m,), NaN where the model has no value.
    weights : None or ndarray (m,)
        1 / sigma.
    factor : None or ndarray (m, m)
        Lower Cholesky factor of the covariance of y.
    """

    x: np.ndarray | None
    y: np.ndarray
    p0: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    names: Sequence[str]
    free: Sequence
    f0: np.ndarray
    JT: np.ndarray | None
    value: Callable
    weights: np.ndarray | None = None
    factor: np.ndarray | None = None


class NumericalStabilityGuard(SafeFunctions):
    """Looks for what endangers a fit, and keeps numbers where they can be computed with.

    Parameters
    ----------
    max_jacobian_elements_for_svd : int
        Of a larger Jacobian no singular values are computed: a condition beyond what its Gram
        matrix shows, 1e7, is then not told apart from infinity.

    Examples
    --------
    >>> guard = NumericalStabilityGuard()
    >>> fixed, findings = guard.check_and_fix_jacobian(np.array([[1.0, 2.0], [1.0, 2.0]]))
    >>> findings[0].kind, bool(np.linalg.cond(fixed) < 1e6)
    ('condition', True)
    """

    def __init__(self, max_jacobian_elements_for_svd: int = SVD_ELEMENTS):
        self.max_jacobian_elements_for_svd = max_jacobian_elements_for_svd

    # ----------------------------------------------------------------------------- a whole fit

    def check(self, look: Look) -> tuple[Finding, ...]:
        """Everything in the table above."""
        found: list[Finding] = []
        _of_data(look.x, look.y, look.p0.tolist(), found)
        _of_sigma(look, found)
        self._of_start(look, found)
        return tuple(found)

    def _of_start(self, look: Look, found: list[Finding]) -> None:
        f0, JT = look.f0, look.JT
        if JT is None:
            JT = np.empty((0, f0.size))
        with np.errstate(all="ignore"):
            size, squares = float(f0 @ f0), np.einsum("jm,jm->j", JT, JT).tolist()
        if not math.isfinite(size + sum(squares)):
            found += _not_finite(look, JT)
            return
        acting = [
            (j, name, p, math.sqrt(square))
            for j, (name, p, square, free) in enumerate(
                zip(look.names, look.p0.tolist(), squares, look.free, strict=False)
            )
            if free
        ]
        size = math.sqrt(size)
        if idle := tuple(name for _, name, p, c in acting if p and abs(p) * c <= IDLE * size):
            text = f"doubling {' or '.join(idle)} changes the model by less than {IDLE:g} of it."
            found.append(Finding("idle parameter", text, len(idle), "doubt", idle))
        if not acting:
            return
        if len(acting) < len(JT):
            JT = JT[[j for j, *_ in acting]]
        columns = np.array([c for *_, c in acting])
        if condition := self._condition(JT, columns, [name for _, name, *_ in acting]):
            found.append(condition)
        _of_edges(look, JT, [j for j, *_ in acting], found)

    def _condition(self, JT, columns: np.ndarray, names: Sequence[str]) -> Finding | None:
        """The finding of a Jacobian whose condition is beyond `CONDITION`."""
        if not columns.all():
            silent = tuple(name for name, c in zip(names, columns, strict=True) if not c)
            text = f"the model does not depend on {' or '.join(silent)} at the start."
            return Finding("condition", text, math.inf, "fault", silent)
        unit = JT / columns[:, None]
        svd = JT.size <= self.max_jacobian_elements_for_svd
        condition, direction = null_direction(unit, svd)
        if condition <= CONDITION:
            return None
        part = tuple(n for n, v in zip(names, direction.tolist(), strict=True) if abs(v) > 0.1)
        text = (
            f"the columns of the Jacobian of {', '.join(part)} are dependent at the start, with a "
            f"condition of {condition:.2g}: the data tell them apart only elsewhere, or not at all."
        )
        return Finding("condition", text, condition, "fault", part)

    # ------------------------------------------------------------------------- parts of a fit

    def check_and_fix_jacobian(self, J: Any) -> tuple[np.ndarray, tuple[Finding, ...]]:
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
            found.append(Finding("not finite", text, int(bad.sum()), "fault"))
        columns = self.safe_norm(J, axis=0)
        names = [f"column {j}" for j in range(J.shape[1])]
        if condition := self._condition(J.T, columns, names):
            found.append(condition)
            size = np.where(columns > 0, columns, columns.max(initial=0.0) or 1.0)
            J = np.vstack([J, np.diag(math.sqrt(TIKHONOV) * size)])
        return J, tuple(found)

    def check_gradient(self, gradient: Any) -> tuple[Finding, ...]:
        """Findings of a gradient (n,): not finite, or of sizes that differ by more than 1e12."""
        found = self.detect_numerical_issues(gradient, "the gradient")
        size = np.abs(np.asarray(gradient, float))
        size = size[np.isfinite(size) & (size > 0)]
        if size.size and (ratio := float(size.max() / size.min())) > CONDITION:
            text = f"its components differ by a factor of {ratio:.2g}: scale the parameters."
            found += (Finding("gradient scales", text, ratio),)
        return found

    def check_parameters(self, params: Any) -> tuple[Finding, ...]:
        """Findings of parameters (n,): not finite, or of sizes that differ by more than 1e6."""
        found = list(self.detect_numerical_issues(params, "a parameter"))
        _of_sizes(np.ravel(params).tolist(), found)
        return tuple(found)

    def check_residuals(self, residuals: Any) -> tuple[Finding, ...]:
        """Findings of residuals (m,): not finite, or too large or small to be squared."""
        return self.detect_numerical_issues(residuals, "a residual")

    def detect_numerical_issues(self, x: Any, what: str = "a value") -> tuple[Finding, ...]:
        """Findings of any numbers: NaN, infinite, too large or too small to be squared."""
        x = np.ravel(np.asarray(x, float))
        size = np.abs(x[np.isfinite(x)])
        counts = {
            "NaN": np.isnan(x).sum(),
            "infinite": np.isinf(x).sum(),
            "too large to be squared": (size > SQUARE).sum(),
            "too small to be squared": ((size < 1 / SQUARE) & (size > 0)).sum(),
        }
        return tuple(
            Finding(kind, f"{what} is {kind} at {count} of {x.size} places.", int(count), "fault")
            for kind, count in counts.items()
            if count
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
    found: list[Finding] = list(stability_guard.detect_numerical_issues(x, "x"))
    found += stability_guard.detect_numerical_issues(y, "y")
    if f is None or not p.size:
        _of_data(x, y, p.tolist(), found)
        return StabilityReport("check", tuple(found), (), y.size)

    def value(q: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(f(x, *q), float), y.shape)

    step = 1e-6 * np.where(p != 0, np.abs(p), 1.0)
    with np.errstate(all="ignore"):
        JT = np.array([(value(p + h) - value(p - h)) / (2 * h.sum()) for h in np.diag(step)])
    open_sides = np.full(p.size, np.inf)
    names = [f"p{i}" for i in range(p.size)]
    look = Look(x, y, p, -open_sides, open_sides, names, np.ones(p.size), value(p), JT, value)
    return StabilityReport("check", (*found, *stability_guard.check(look)), (), y.size)


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
    stability='auto' asks the model. No value is invented for one that is missing.

    Parameters
    ----------
    stability_report : StabilityReport, optional
        Of `check_problem_stability`: what has no finding is not rescaled. Default: look now.
    rescale_data : bool
        Whether units are changed.

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
    units = {"x": 1.0, "y": 1.0}
    actions = []
    for axis, data in (("x", x), ("y", y)):
        finding = report.of(f"{axis} scale")
        if rescale_data and finding is not None:
            units[axis] = unit = 2.0 ** math.frexp(float(np.abs(data).max()))[1]
            text = f"{axis} is divided by {unit:g}."
            actions.append(Action(f"{axis} unit", text, finding.text, unit))
    done = {
        "x_unit": units["x"], "y_unit": units["y"], "left_out": int((~good).sum()),
        "actions": tuple(actions),
    }  # fmt: skip
    return x / units["x"], y / units["y"], p0, done


# ------------------------------------------------------------------------------------ the looks


def _of_data(x: np.ndarray | None, y: np.ndarray, p: list[float], found: list[Finding]) -> None:
    axes = () if x is None else (x,) if x.ndim == 1 else x
    largest = []
    for i, axis in enumerate(axes):
        name = "x" if len(axes) == 1 else f"x[{i}]"
        low, high = axis.min().item(), axis.max().item()
        size, span = max(-low, high), high - low
        largest.append(size)
        if size > SCALE or 0 < size < 1 / SCALE:
            text = f"{name} runs to {size:.3g}: parameters of its unit are of that size."
            found.append(Finding("x scale", text, size))
        if 0 < FAR * span < size:
            number = estimate_condition_number(axis)
            text = f"{name} is far from 0, {size:.3g} for a span of {span:.3g}: subtract a place."
            found.append(Finding("x offset", text, number))
    if len(axes) > 1:
        for i, j, r in detect_collinearity(x)[1]:
            text = f"x[{i}] and x[{j}] have the correlation {r:.6g}: their effects are alike."
            found.append(Finding("collinear x", text, r))
    if axes and (count := _duplicates(axes, y)):
        text = f"{count} points are there twice, in x and y: they count twice."
        found.append(Finding("duplicated points", text, count))
    size = max(abs(y.min()), abs(y.max())).item()
    if size > SCALE or 0 < size < 1 / SCALE:
        lost = size > SQUARE or size < 1 / SQUARE
        text = f"y runs to {size:.3g}"
        text += ", whose square is no number: change its unit." if lost else "."
        found.append(Finding("y scale", text, size, "fault" if lost else "note"))
    _of_sizes(p, found)
    _of_units(largest, p, found)


def _duplicates(axes: Sequence[np.ndarray], y: np.ndarray) -> int:
    """How many points have the x and y of another one."""
    if len(axes) == 1:
        ordered = np.sort(axes[0])
        if not (ordered[1:] == ordered[:-1]).any():
            return 0
    order = np.lexsort((y, *axes))
    same = np.ones(max(y.size - 1, 0), bool)
    for column in (y, *axes):
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    return int(same.sum())


def _of_sizes(p: list[float], found: list[Finding]) -> None:
    mismatch, ratio = detect_parameter_scale_mismatch(p)
    if mismatch:
        text = f"the largest start is {ratio:.2g} times the smallest; the fit scales them itself."
        found.append(Finding("parameter scales", text, ratio))


def _of_units(largest: list[float], p: list[float], found: list[Finding]) -> None:
    """Starts among which none is of the size of x, or of 1 / x."""
    sizes = [abs(value) for value in p if value]
    for size in largest:
        if not sizes or 1 / ORDINARY <= size <= ORDINARY or not 0 < size < math.inf:
            continue
        products = [s / size for s in sizes] + [s * size for s in sizes]
        if not any(1 / ORDINARY <= q <= ORDINARY for q in products):
            text = f"x runs to {size:.3g}, and no start is near that size, or near 1 over it."
            found.append(Finding("units", text, size, "doubt"))


def _of_sigma(look: Look, found: list[Finding]) -> None:
    if look.factor is not None:
        diagonal = np.abs(np.diagonal(look.factor))
        ratio = float(diagonal.max() / diagonal.min()) ** 2
        if ratio > CONDITION:
            text = f"the covariance of y is nearly singular: its condition is {ratio:.2g} at least."
            found.append(Finding("sigma", text, ratio))
    elif look.weights is not None:
        acting = look.weights[look.weights > 0]
        ratio = float(acting.max() / acting.min())
        if ratio > SPREAD:
            text = f"the largest sigma is {ratio:.2g} times the smallest: few points decide alone."
            found.append(Finding("sigma", text, ratio))


def _not_finite(look: Look, JT: np.ndarray) -> list[Finding]:
    """The finding of a start without value or derivative; none where squares alone overflow."""
    bad, of_J = ~np.isfinite(look.f0), ~np.isfinite(JT).all(axis=0)
    what = "the model" if bad.any() else "a derivative of the model"
    count = int((bad | of_J).sum())
    if not count:
        text = "the squares of the model or of its derivatives overflow at the start."
        return [Finding("start", text, bad.size, "fault")]
    start = ", ".join(f"{n}={p:g}" for n, p in zip(look.names, look.p0, strict=True))
    text = f"{what} is not finite at {count} of {bad.size} points with {start}."
    return [Finding("start", text, count, "fault")]


def _of_edges(look: Look, JT: np.ndarray, places: list[int], found: list[Finding]) -> None:
    """What is not finite near the start; looked for where the model is steep."""
    top = max(look.f0.max(), -look.f0.min())
    p = look.p0[places]
    steep = np.maximum(JT.max(axis=1), -JT.min(axis=1)) * np.abs(p) > _STEEP * top
    if not steep.any():
        return
    for j in (j for j, is_steep in zip(places, steep.tolist(), strict=True) if is_steep):
        for sign in (1, -1):
            q = look.p0.copy()
            q[j] = min(max(q[j] * (1 + sign * NEAR), look.lb[j]), look.ub[j])
            if count := int((~np.isfinite(look.value(q))).sum()):
                name = look.names[j]
                text = f"the model is not finite at {count} points with {name}={q[j]:g}: bound it."
                found.append(Finding("edge", text, count, "note", (name,)))
