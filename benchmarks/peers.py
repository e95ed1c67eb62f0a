"""The libraries that are measured, behind one protocol.

``peer.prepare(problem)`` does what a user does once, is not timed, and returns a call without
arguments: one fit from the problem's start with the library's default options, timed as a whole.
JAX's libraries get their data in JAX's memory and a fit under one `jax.jit`, in double precision;
SciPy, lmfit and `nlsq` get NumPy arrays and the model written in NumPy. Tolerances are the
libraries' own where they have a default that means convergence (1e-8, lmfit 1.5e-8), else 1e-8.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.problems import Problem

_TOLERANCE = 1e-8  # for the libraries without a default
_STEPS = 1000


class Fit(NamedTuple):
    """What a fit returns to the referee."""

    params: np.ndarray
    evaluations: int | None = None  # of the model; None: the referee counts the calls


def nlsq(problem: Problem, **options) -> Callable[[], Fit]:
    from nlsq import curve_fit

    f, x, y, p0, options = problem.f, problem.x, problem.y, problem.p0, problem.options | options

    def fit():
        result = curve_fit(f, x, y, p0, **options)
        return Fit(result.popt, result.nfev)

    return fit


def scipy(problem: Problem, **options) -> Callable[[], Fit]:
    from scipy.optimize import curve_fit

    f, x, y, p0, options = problem.f, problem.x, problem.y, problem.p0, problem.options | options
    return lambda: Fit(curve_fit(f, x, y, p0, **options)[0])


def scipy_trf(problem: Problem) -> Callable[[], Fit]:
    return scipy(problem, method="trf")


def scipy_jacobian(problem: Problem) -> Callable[[], Fit]:
    return scipy(problem, jac=problem.model.jacobian)


def lmfit(problem: Problem) -> Callable[[], Fit]:
    from lmfit import Parameters, minimize

    f, x, y = problem.f, problem.x, problem.y
    params = Parameters()
    for i, (start, low, high) in enumerate(zip(problem.p0, *problem.bounds, strict=True)):
        limits = {"min": low, "max": high} if problem.variant == "bounded" else {}
        params.add(f"p{i}", float(start), **limits)
    options = {}
    if problem.variant == "robust":
        options = problem.options | {"method": "least_squares"}

    def residual(params):
        return f(x, *params.valuesdict().values()) - y

    def fit():
        return Fit(
            np.array(list(minimize(residual, params, **options).params.valuesdict().values()))
        )

    return fit


def optimistix(problem: Problem) -> Callable[[], Fit]:
    import optimistix

    solver = optimistix.LevenbergMarquardt(rtol=_TOLERANCE, atol=_TOLERANCE)

    def solve(residual, p0, data):
        solution = optimistix.least_squares(
            residual, solver, p0, data, max_steps=_STEPS, throw=False
        )
        return solution.value, solution.stats["num_steps"]

    return _jitted(problem, solve)


def jaxopt(problem: Problem) -> Callable[[], Fit]:
    import jaxopt

    def solve(residual, p0, data):
        solver = jaxopt.LevenbergMarquardt(
            residual, maxiter=_STEPS, stop_criterion="madsen-nielsen", solver="cholesky",
            materialize_jac=True, xtol=_TOLERANCE, gtol=_TOLERANCE, implicit_diff=False,
        )  # fmt: skip
        params, state = solver.run(p0, data)
        return params, state.iter_num

    return _jitted(problem, solve)


def _jitted(problem: Problem, solve: Callable) -> Callable[[], Fit]:
    """One program for the whole of solve(residual, p0, (x, y)) -> params, steps."""
    import jax
    import jax.numpy as jnp

    f = problem.model.make(jnp)

    def residual(p, data):
        x, y = data
        return f(x, *p) - y

    program = jax.jit(lambda p0, data: solve(residual, p0, data))
    p0, data = jnp.asarray(problem.p0), (jnp.asarray(problem.x), jnp.asarray(problem.y))

    def fit():
        params, steps = program(p0, data)
        return Fit(np.asarray(params), int(steps))

    return fit


@dataclass(frozen=True)
class Peer:
    """A library as the referee sees it.

    Attributes
    ----------
    label : str
        Its name in tables and plots.
    package : str
        What has to be installed.
    copies : int
        Jacobians it holds at once, roughly: what it needs in memory.
    in_jax : bool
        It needs JAX's double precision switched on around it, and its model is traced.
    """

    label: str
    package: str
    prepare: Callable[[Problem], Callable[[], Fit]]
    variants: tuple[str, ...]
    copies: int = 0
    in_jax: bool = False
    needs_jacobian: bool = False

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def handles(self, problem: Problem) -> bool:
        given = problem.model.jacobian is not None
        return problem.variant in self.variants and (given or not self.needs_jacobian)

    def precision(self):
        """The context that its calls are made in."""
        return double_precision() if self.in_jax else contextlib.nullcontext()


def double_precision():
    """JAX in double precision, for this thread."""
    import jax

    return jax.enable_x64(True)


_ALL = ("free", "bounded", "robust")
PEERS = {
    "nlsq": Peer("nlsq", "nlsq", nlsq, _ALL),
    "scipy": Peer("SciPy", "scipy", scipy, ("free",), copies=3),
    "scipy-trf": Peer("SciPy trf", "scipy", scipy_trf, _ALL, copies=5),
    "scipy-jac": Peer(
        "SciPy + Jacobian", "scipy", scipy_jacobian, ("free",), copies=3, needs_jacobian=True
    ),
    "lmfit": Peer("lmfit", "lmfit", lmfit, _ALL, copies=3),
    "optimistix": Peer("optimistix", "optimistix", optimistix, ("free",), copies=5, in_jax=True),
    "jaxopt": Peer("jaxopt", "jaxopt", jaxopt, ("free",), copies=3, in_jax=True),
}
