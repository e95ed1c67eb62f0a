"""Global searches of other libraries, as `benchmarks.global` runs them in a problem's box.

Each is called with its own defaults, and again with the next seed when it ends, until it reaches
the minimum or its time is up; it is stopped at the very evaluation that reaches the minimum.
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.global_problems import Problem

_RESTARTS = 9  # of CMA-ES
_SUCCESSES, _LOCAL_SECONDS = 40, 60  # of SciPy's local fits, after which no more are made


class Over(BaseException):
    """The search has reached the minimum, or its time is up. No library's `except` may stop it."""


class Referee:
    """A problem's function that counts, remembers the best and stops the search.

    Attributes
    ----------
    evaluations : int
    best : float
        The least sum of squares.
    """

    def __init__(self, problem: Problem, seconds: float) -> None:
        self.problem, self.until = problem, time.perf_counter() + seconds
        self.evaluations, self.best = 0, np.inf
        self._far = 1e3 * float(np.linalg.norm(problem.y))  # stands for what is not finite

    def residuals(self, p) -> np.ndarray:
        """Of the model at p (n,), in units of y; NaN and infinity are left."""
        if time.perf_counter() > self.until:
            raise Over
        self.evaluations += 1
        r = self.problem.f(self.problem.x, *p) - self.problem.y
        inside = (p >= self.problem.lo).all() and (p <= self.problem.hi).all()
        sse = float(r @ r)
        if inside and sse < self.best:
            self.best = sse
            if self.problem.reached(sse):
                raise Over
        return r

    def finite(self, p) -> np.ndarray:
        """The residuals, large ones where the model is not finite."""
        r = self.residuals(np.asarray(p))
        return r if np.isfinite(r @ r) else np.full(r.shape, self._far)

    def cost(self, p) -> float:
        """The sum of squares, a large one where the model is not finite."""
        r = self.finite(p)
        return float(r @ r)


def _trf(problem: Problem, residuals: Callable, p0):
    """SciPy's local fit; None where it cannot go on from values that are not finite."""
    from scipy.optimize import least_squares

    try:
        return least_squares(residuals, p0, bounds=(problem.lo, problem.hi), method="trf")
    except np.linalg.LinAlgError:
        return None
    except ValueError as error:
        if "not finite" in str(error) or "infs or NaNs" in str(error):
            return None
        raise


def trf_starts(referee: Referee, seed: int) -> None:
    problem, draw = referee.problem, np.random.default_rng(seed)
    while True:
        _trf(problem, referee.residuals, draw.uniform(problem.lo, problem.hi))


def differential_evolution(referee: Referee, seed: int) -> None:
    from scipy.optimize import differential_evolution as search

    box = list(zip(referee.problem.lo, referee.problem.hi, strict=True))
    search(referee.cost, box, rng=seed)


def dual_annealing(referee: Referee, seed: int) -> None:
    from scipy.optimize import dual_annealing as search

    search(referee.cost, list(zip(referee.problem.lo, referee.problem.hi, strict=True)), rng=seed)


def cma(referee: Referee, seed: int) -> None:
    from cma import fmin2

    problem = referee.problem
    lo, width = problem.lo, problem.hi - problem.lo

    def start():
        return np.random.uniform(size=lo.size)  # cma seeds it

    fmin2(
        lambda u: referee.cost(np.clip(lo + width * u, lo, problem.hi)), start, 0.25,
        {"bounds": [0, 1], "seed": seed + 1, "verbose": -9, "maxfevals": np.inf},
        restarts=_RESTARTS, bipop=True,
    )  # fmt: skip


def _lmfit(referee: Referee, seed: int, method: str) -> None:
    from lmfit import Minimizer, Parameters

    problem, params = referee.problem, Parameters()
    draw = np.random.default_rng(seed)
    np.random.seed(seed)  # ampgo and basinhopping draw from it
    for i, (lo, hi) in enumerate(zip(problem.lo, problem.hi, strict=True)):
        params.add(f"p{i}", draw.uniform(lo, hi), min=lo, max=hi)
    Minimizer(lambda params: referee.finite(list(params.valuesdict().values())), params).minimize(
        method=method
    )


def ampgo(referee: Referee, seed: int) -> None:
    _lmfit(referee, seed, "ampgo")


def basinhopping(referee: Referee, seed: int) -> None:
    _lmfit(referee, seed, "basinhopping")


class Peer(NamedTuple):
    label: str
    package: str
    search: Callable[[Referee, int], None]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


PEERS = {
    "trf": Peer("SciPy trf, many starts", "scipy.optimize", trf_starts),
    "de": Peer("differential_evolution", "scipy.optimize", differential_evolution),
    "annealing": Peer("dual_annealing", "scipy.optimize", dual_annealing),
    "cma": Peer("cma, BIPOP", "cma", cma),
    "ampgo": Peer("lmfit ampgo", "lmfit", ampgo),
    "basinhopping": Peer("lmfit basinhopping", "lmfit", basinhopping),
}


def run(name: str, problem: Problem, seed: int, seconds: float) -> Referee:
    """Search with a peer until it reaches the minimum or the seconds are over."""
    importlib.import_module(PEERS[name].package)  # a second, which is not the search's
    referee = Referee(problem, seconds)
    try:
        for again in itertools.count():
            PEERS[name].search(referee, seed + 1000 * again)
    except Over:
        pass
    return referee


class LocalFits(NamedTuple):
    """SciPy's local fits with `trf` from starts uniform in the box.

    Attributes
    ----------
    fits, successes : int
        All, and those that ended at the global minimum.
    nfev, evaluations : int
        Of all; `evaluations` with those of the differences, nfev + n · njev.
    """

    fits: int
    successes: int
    nfev: int
    evaluations: int


def local_fits(problem: Problem, most: int, seed: int) -> LocalFits:
    """Fit until enough have reached the minimum; a fit that breaks off counts as one evaluation."""
    draw, until = np.random.default_rng(seed), time.monotonic() + _LOCAL_SECONDS
    fits = successes = nfev = evaluations = 0
    while fits < most and successes < _SUCCESSES and time.monotonic() < until:
        fits += 1
        p0 = draw.uniform(problem.lo, problem.hi)
        end = _trf(problem, lambda p: problem.f(problem.x, *p) - problem.y, p0)
        if end is None:
            nfev, evaluations = nfev + 1, evaluations + 1
        else:
            successes += problem.reached(problem.sse(end.x))
            nfev, evaluations = nfev + end.nfev, evaluations + end.nfev + p0.size * end.njev
    return LocalFits(fits, successes, nfev, evaluations)
