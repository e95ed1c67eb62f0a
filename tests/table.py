"""Every road through the library crossed with every feature of a fit.

A case is a problem with one feature (`tests.table_cases`); a road is a way to have it fitted. Each
result is compared in all its fields with the plain reference (`nlsq.core.orchestration.old`): NumPy
and SciPy from the textbook, which share no numerics with the engine. A new feature is a case, a new
way through the engine a road; a field that results get is compared without a word here.

>>> faults("single, NumPy", "decay")
[]
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nlsq
from nlsq.config import double_precision
from nlsq.core.drive.batch.state import LANES
from nlsq.core.feature_flags import COMPONENTS, variable
from nlsq.streaming import ArraySource
from tests.table_cases import CASES, CHUNK, LENGTHS, LIMITS, ROBUST, SEED, Case, opaque, packed


def _options(case: Case) -> dict:
    """Options for roads on which equal bounds fix a parameter."""
    names = "abc"[: len(case.p0)]
    options = dict(case.options)
    if case.fixed:
        held = [(p, p) if name in case.fixed else (-np.inf, np.inf)
                for name, p in zip(names, case.p0, strict=True)]  # fmt: skip
        options["bounds"] = tuple(map(list, zip(*held, strict=True)))
    return options


def single(case: Case, **more) -> Any:
    return nlsq.curve_fit(
        case.f, case.x, case.y, case.p0, sigma=case.sigma, **_options(case) | more
    )


def among_neighbours(case: Case, fits: int = 4, at: int = 2) -> Any:
    """One row of many: the others are wilder, empty of numbers, and larger."""
    y = np.ma.stack if isinstance(case.y, np.ma.MaskedArray) else np.stack
    wilder = case.y * (1 + 0.2 * np.cos(9 * np.arange(case.y.size)))
    others = [wilder, case.y * np.nan, 3 * case.y]
    rows = y([case.y if k == at else others[k % len(others)] for k in range(fits)])
    options = dict(case.options)
    if case.fixed:
        options["fixed"] = {n: p for n, p in zip("abc", case.p0, strict=False) if n in case.fixed}
    many = nlsq.fit_many(case.f, case.x, rows, case.p0, sigma=case.sigma, **options)
    found, status = many[at], int(many.status[at])
    assert found.status == status
    for name in ("popt", "pcov", "cost", "rank", "active_mask"):
        np.testing.assert_array_equal(getattr(many, name)[at], getattr(found, name), name)
    return found


def full_blocks(case: Case) -> Any:
    """The last of so many that several threads, or devices, have some."""
    return among_neighbours(case, 3 * LANES + 1, 3 * LANES)


def from_source(case: Case, **more) -> Any:
    source = ArraySource(case.x, case.y, case.sigma)
    options = {"workflow": "chunked", "chunk_size": 100} | _options(case) | more
    return nlsq.fit(case.f, source, p0=case.p0, **options)


def streamed(case: Case) -> Any:
    return from_source(case, workflow="streaming", chunk_size=None)


class BrokenOff(Exception):
    """The source's."""


class Counting(ArraySource):
    """Arrays that can be read so many times."""

    reads, most = 0, math.inf

    def read_into(self, start, buffers):
        self.reads += 1
        if self.reads > self.most:
            raise BrokenOff
        super().read_into(start, buffers)


def resumed(case: Case) -> Any:
    """Broken off in the last pass, whose sums make the result, before its end, and resumed."""
    options = {"p0": case.p0, "workflow": "streaming", "chunk_size": 100} | _options(case)
    source = Counting(case.x, case.y, case.sigma)
    with tempfile.TemporaryDirectory() as folder:
        options |= {"checkpoint": folder, "checkpoint_interval": 0.0}
        nlsq.fit(case.f, source, **options)
        source.reads, source.most = 0, source.reads - 1
        with contextlib.suppress(BrokenOff):
            nlsq.fit(case.f, source, **options)
            pytest.fail("the fit was over before it could be broken off")
        source.most = math.inf
        found = nlsq.fit(case.f, source, resume=True, **options)
    assert found.streaming["resumed"]
    return found


def residuals(case: Case) -> Any:
    """`least_squares` on the residuals that the reference has."""
    weight = 1.0 if case.sigma is None else 1 / np.asarray(case.sigma)
    options = _options(case)

    def fun(p):
        return (case.f(case.x, *p) - case.y) * weight

    return nlsq.least_squares(fun, case.p0, **options)


@dataclasses.dataclass(frozen=True)
class Road:
    """`run` in NumPy or JAX; `small`: with the sizes from which data are long brought down."""

    run: Callable
    backend: str = "jax"
    small: bool = False


def _roads() -> dict[str, Road]:
    chunks = {"small": True}
    made = {
        "single": Road(single),
        "lm": Road(functools.partial(single, method="lm"), **chunks),
        "dogbox": Road(functools.partial(single, method="dogbox"), **chunks),
        "cg": Road(functools.partial(single, tr_solver="cg")),
        "lsmr": Road(functools.partial(single, tr_solver="lsmr")),
        "batch": Road(among_neighbours),
        "full blocks": Road(full_blocks),
        "chunks": Road(single, **chunks),
        "source": Road(from_source, **chunks),
        "streamed": Road(streamed, **chunks),
        "resumed": Road(resumed, **chunks),
        "residuals": Road(residuals),
    }
    in_numpy = {
        f"{name}, NumPy": dataclasses.replace(road, backend="numpy")
        for name, road in made.items()
        if name != "full blocks"  # of which NumPy knows nothing
    }
    return made | in_numpy


ROADS = _roads()
PLAIN = [
    "decay", "shuffled", *(name for name in CASES if name.startswith("x of")),
    *(f"{m} points" for m in (3, *LENGTHS["tile"], *LENGTHS["block"])),
]  # fmt: skip
PACKED = list(packed())
ALONE = [name for name in CASES if name not in PACKED]
SIMPLE = [name for name in PACKED if name.startswith("decay")]
OTHERS = [name for name in PACKED if name not in SIMPLE]
HALVES = SIMPLE, OTHERS
OPAQUE = [name for name in ALONE if name.startswith("not traceable")]
ACROSS = ["decay", *(f"{m} points" for m in LENGTHS["chunk"])]
# What is fitted on each road. Where each kind of a case costs a compilation, features go together.
FITTED = {
    "single": [*PLAIN, *PACKED, "coupled, sigma", "rank", "float32", *OPAQUE],
    "lm": [*ACROSS, "sigma, a vector", "masked", "fixed", "two fixed", "huber"],
    "dogbox": [*ACROSS, *PACKED],
    "cg": HALVES[SEED % 2],
    "lsmr": HALVES[SEED % 2],
    "batch": ["decay", "513 points", "sigma, a matrix", *SIMPLE, OTHERS[0]],
    "full blocks": ["decay"],
    "chunks": [*ACROSS, *PACKED, "rank", "float32", "sigma, a vector"],
    "source": [*ACROSS, *PACKED, "rank", "float32", "sigma, a matrix", "coupled"],
    "streamed": [*ACROSS, *PACKED],
    "resumed": [*ACROSS[-1:], *PACKED],
    "residuals": HALVES[SEED % 2][:1],
    "streamed, NumPy": ALONE[SEED % 2 :: 2],
    "resumed, NumPy": ALONE[(SEED + 1) % 2 :: 2],
}  # fmt: skip
FITTED = {road: FITTED.get(road, ALONE) for road in ROADS}
# by the number of devices, of which each compiles for itself; on one is all of the above
ON_DEVICES = {2: ["full blocks"], 4: ["source", "streamed"]}
IN_PIECES = {
    "sigma, a matrix": (ValueError, "A covariance matrix couples the points"),
    "coupled": (ValueError, "couples (its|the) points"),
    "not traceable": (ValueError, "each value of the model must depend on its own point alone"),
}
NOT_LM = (*(name for name in LIMITS if "fixed" not in name), *ROBUST)
# road: {words in a case's name: (the error, what it says)}
REFUSED: dict[str, dict[str, tuple]] = {
    "lm": dict.fromkeys(NOT_LM, (ValueError, "'lm'")),
    "batch": dict.fromkeys(
        ("sigma, a matrix", "coupled, sigma"), (ValueError, "do not broadcast")
    ),
    "source": IN_PIECES,
    "streamed": IN_PIECES,
    "resumed": IN_PIECES,
    "residuals": {
        "sigma, a number": (TypeError, "absolute_sigma"),
        "absolute": (TypeError, "absolute_sigma"),
        "sigma, a matrix": (ValueError, "at most 1-d"),
        "coupled, sigma": (ValueError, "at most 1-d"),
        "masked": (ValueError, "masked elements"),
        "complex": ((ValueError, TypeError), "must return real residuals|absolute_sigma"),
        "omit": (TypeError, "nan_policy"),
    },
}  # fmt: skip
SMALL = {
    "core.passes.layout.BLOCK": CHUNK,
    "core.passes.layout.CHUNKS": ((CHUNK, 1 << 19), (2 * CHUNK, math.inf)),
    "core.drive.compiled._LONG_PASS": (CHUNK, CHUNK),  # the samples are long data too
    "core.drive.compiled.MANY_POINTS": CHUNK,
    "core.drive.solve.MANY_POINTS": CHUNK,
    "core.drive.sampling.MANY_POINTS": CHUNK,
    "core.drive.sampling._SMALLEST_SAMPLE": CHUNK,
    "streaming.feed.BLOCK": CHUNK,
    "streaming.survey.PART": CHUNK,
    "streaming.full_passes.usable_cores": lambda: 1,  # so that few chunks are on their way
}


@contextlib.contextmanager
def _on(road: Road):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", road.backend)
        if road.small:
            for name, value in SMALL.items():
                patch.setattr(f"nlsq.{name}", value)
        yield


@functools.cache
def reference(name: str) -> tuple[Any, set]:
    """(the reference's result, the kinds of its warnings)."""
    case = CASES[name]
    with pytest.MonkeyPatch.context() as patch:
        for component in COMPONENTS:
            patch.setenv(variable(component), "old")
        told = dataclasses.replace(case, **case.plain)
        found, warned = _heard(lambda: single(told))
    _check(found, told)
    return found, warned


def _values(case: Case, p: np.ndarray) -> np.ndarray:
    with double_precision():
        return np.asarray(case.f(case.x, *p))


def _check(e: Any, case: Case) -> None:
    """What the reference has in common with the engine, by its definition."""
    sigma = np.ones(case.y.size) if case.sigma is None else np.asarray(case.sigma, float)
    kept = np.isfinite(case.y) & (np.isfinite(sigma) if sigma.ndim < 2 else True)
    count = int(kept.sum()) * (2 if np.iscomplexobj(case.y) else 1)
    assert (e.n_points, e.dof) == (count, count - e.rank)
    r = np.where(kept, case.y - _values(case, e.popt), 0.0)
    white = np.linalg.solve(np.linalg.cholesky(sigma), r) if sigma.ndim == 2 else r / sigma
    for value, of in ((e.rmse**2, r / math.sqrt(count)), (e.chi_squared, white)):
        assert math.isclose(value, np.sum(np.abs(of) ** 2), rel_tol=1e-9, abs_tol=1e-24)
    lb, ub = (np.broadcast_to(b, e.popt.shape) for b in e.bounds)
    sides = np.where(lb < ub, np.sign((e.popt >= ub) * 1.0 - (e.popt <= lb)), 0)
    np.testing.assert_array_equal(e.active_mask, sides)
    assert e.at_bound == tuple(np.array(e.param_names)[sides != 0])


def _heard(fit: Callable) -> tuple[Any, set]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = fit()
    kinds = {warning.category.__name__ for warning in seen}
    return found, kinds - {"RuntimeWarning"}  # SciPy's, of bounds that overflow


# ---------------------------------------------------------------------------------- the comparison

RTOL = 1e-10
# with a loss, whose curvature Gauss-Newton steps neglect: they contract, and stop at their noise
LOOSER = 1e-9
BLURRED = 1e-7  # by differences, of which the engine and the reference take other ones
# what tells how an answer was found, or repeats what was given
HOW = {
    "model", "model_info", "backend", "wall_time", "nfev", "njev", "nit", "status", "message",
    "tries", "method", "optimality", "xdata", "ydata", "sigma", "workflow", "streaming", "sample",
    "weighted", "moments", "has_statistics", "sigma_dimensions", "p0", "labels", "warnings",
    "params", "precision", "diagnostics",
}  # fmt: skip
AS_LONG_AS_DATA = {"predictions", "residuals", "fun", "jac", "xdata", "ydata", "sigma"}


def fields_of(result: Any) -> set[str]:
    """All fields and properties."""
    kind = type(result)
    return {*result.keys(), *(n for n in dir(kind) if isinstance(getattr(kind, n), property))}


def refusal(road: str, case: str) -> tuple | None:
    """(error, words) with which a road refuses a case, None where it does not."""
    refused = REFUSED.get(road.removesuffix(", NumPy"), {})
    return next((why for words, why in refused.items() if words in case), None)


def faults(road_name: str, case_name: str) -> list[str]:
    """What is wrong on a road with a case; nothing, where all is well."""
    road, case = ROADS[road_name], CASES[case_name]
    with _on(road):
        if why := refusal(road_name, case_name):
            with pytest.raises(why[0], match=why[1]):
                road.run(case)
            return []
        expected, warned = reference(case_name)
        found, heard = _heard(lambda: road.run(case))
        wrong = _compared(found, expected, case)
    # nobody is warned of one fit of many
    if road.run not in (among_neighbours, full_blocks, residuals) and heard != warned:
        wrong.append(f"warnings: {heard} instead of {warned}")
    return wrong


def _compared(found: Any, expected: Any, case: Case) -> list[str]:
    names = fields_of(expected) - HOW - case.not_unique
    if isinstance(found, nlsq.result.CurveFitResult):
        lacking = names - fields_of(found)
        if isinstance(found, nlsq.result.StreamedFitResult):
            lacking, names = lacking - AS_LONG_AS_DATA, names - AS_LONG_AS_DATA
        wrong = [f"no field {name}" for name in lacking] + _moving(found, case)
    else:
        names, wrong = names & {"x", "cost", "grad", "active_mask", "success", "fun", "jac"}, []
    scales = _scales(expected)
    rtol = BLURRED if case.f is opaque else RTOL if expected.loss == "linear" else LOOSER
    for name in sorted(names):
        a, b = found[name], expected[name]
        if off := _off(a, b, scales.get(name), rtol):
            wrong.append(f"{name}: {off}")
    return wrong


def _moving(found: Any, case: Case) -> list[str]:
    """Null directions along which the model changes."""
    wrong = []
    for direction in found.null_directions:
        h = 1e-3 * np.array([direction.get(name, 0.0) for name in found.param_names])
        ahead, behind = (_values(case, p) for p in (found.popt + h, found.popt - h))
        if np.abs(ahead - behind).max() > 1e-3 * LOOSER * np.abs(ahead).max():
            wrong.append(f"null_directions: the model changes along {direction}")
    return wrong


def _scales(e: Any) -> dict[str, Any]:
    """What an error in a field is measured by, where that is not the number itself."""
    errors = np.where(np.isfinite(e.perr), e.perr, 0)
    sigma = 1.0 if e.get("sigma") is None else np.asarray(e.sigma)
    y = np.abs(e.ydata).max()  # residuals are differences of numbers of this size
    r = y / np.min(np.sqrt(np.diag(sigma)) if np.ndim(sigma) == 2 else sigma)
    popt = np.abs(e.popt) + errors
    fixed = np.isin(e.param_names, e.fixed)  # differences have no room there and say 0
    jac = np.where(fixed, np.inf, np.abs(e.jac).max(axis=0))
    return {
        "x": popt, "popt": popt, "pcov": np.outer(errors, errors), "correlation": 1.0,
        "pcov_determined": np.sqrt(np.outer(*[np.diag(e.pcov_determined)] * 2)),
        "jac": jac, "grad": 10 * r * np.abs(e.jac).sum(axis=0),
        "fun": r, "residuals": y, "predictions": y,
    }  # fmt: skip


def _off(a: Any, b: Any, scale: Any, rtol: float) -> str:
    """How `a` differs from `b`; '' where it does not."""
    numbers = isinstance(b, float | complex) or getattr(b, "dtype", np.dtype("O")).kind in "fc"
    if not numbers:
        try:
            np.testing.assert_equal(a, b)
        except AssertionError:
            return f"{a!r} instead of {b!r}"
        return ""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return f"shape {a.shape} instead of {b.shape}"
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return f"{a[~finite]} instead of {b[~finite]}"
    scale = np.broadcast_to(np.abs(b) if scale is None else scale, b.shape)[finite]
    error = np.abs(a[finite] - b[finite])
    nothing = np.where(error > 0, np.inf, 0.0)
    share = np.divide(error, scale, out=nothing, where=scale > 0)
    return f"off by {share.max():.1e}" if share.size and not share.max() <= rtol else ""


def on_devices(count: int, case: str = "513 points") -> str:
    """What is wrong on roads that use several devices, and the bits of their answers."""
    lines = []
    for road in ON_DEVICES[count]:
        with _on(ROADS[road]):
            found = ROADS[road].run(CASES[case])
        bits = np.concatenate([found.popt, found.pcov.ravel(), [found.cost]]).tobytes().hex()
        lines.append(f"{road}: {faults(road, case)} {bits}")
    return "\n".join(lines)
