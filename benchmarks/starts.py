"""Where fits from bad starts end, ours beside SciPy's: ``python -m benchmarks.starts``.

Every model of `start_problems` is fitted in every unit from 100 starts, 1 everywhere first. The
best cost is the lowest that any solver found in any unit, or a fit from the truth. A fit ends in
one of five ways:

best     at 1.001 times the best cost or below
other    at a minimum that is worse: the scaled gradient is below 1e-2, and success is reported
honest   without success, or with a warning
false    success without a warning at a point that is no minimum, or where the model does not
         respond to a parameter
raised   in an exception

SciPy's answers stay in a cache between runs, so that only ours are fitted anew.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy
from rich.console import Console
from rich.progress import track
from scipy.optimize import OptimizeWarning
from scipy.optimize import curve_fit as scipy_curve_fit

import nlsq
from benchmarks import start_tables as tables
from benchmarks.report import console
from benchmarks.start_problems import MODELS, Problem, make_problem, rng
from benchmarks.start_tables import BEST, Row, is_ours

STATIONARY = 1e-2  # scaled gradient below which a point is a minimum
_BOX = 1e6  # bounds, in units of the larger of truth and start
_FAILURES = (RuntimeError, ValueError, ArithmeticError)
_UNITS = ["1", "1e-15", "forgot1e-9", "forgot1e6", "wide"]
_ALL_UNITS = [*_UNITS, "1e-9", "1e6", "1e12", "x1e-6", "x1e6"]


@dataclass(frozen=True)
class End:
    """What a solver said of one fit."""

    p: np.ndarray
    nfev: int
    status: str
    success: bool
    retried: bool = False


def _ours(problem: Problem, p0, **options) -> End:
    fit = nlsq.curve_fit(problem.f, problem.x, problem.y, p0=p0, **options)
    success = bool(fit.success) and not fit.undetermined
    return End(fit.popt, fit.nfev, f"{fit.status}", success, bool(fit.tries))


def _ours_in_a_box(problem: Problem, p0) -> End:
    reach = _BOX * np.maximum(np.abs(p0), np.abs(problem.true))
    return _ours(problem, p0, bounds=(-reach, reach))


def _scipy(problem: Problem, p0, **options) -> End:
    p, _, facts, _, status = scipy_curve_fit(
        problem.f, problem.x, problem.y, p0=p0, full_output=True, **options
    )
    return End(p, facts["nfev"], f"{status}", True)


SOLVERS: dict[str, Callable[..., End]] = {
    "ours": _ours,
    "ours-lm": partial(_ours, method="lm"),
    "ours-dogbox": partial(_ours, method="dogbox"),
    "ours-box": _ours_in_a_box,
    "lm": partial(_scipy, method="lm"),
    "trf": partial(_scipy, method="trf"),
    "trf-jac": partial(_scipy, method="trf", x_scale="jac"),
}


@dataclass(frozen=True)
class Ends:
    """A solver's fits of one problem; the rows are the starts.

    Attributes
    ----------
    p : (number of starts, n)
        NaN where the fit raised.
    nfev : (number of starts,)
    status : (number of starts,)
        The solver's code, or the exception.
    raised, claimed, retried : (number of starts,)
        Whether it raised, whether it reported success without a warning, whether it tried again.
    """

    p: np.ndarray
    nfev: np.ndarray
    status: np.ndarray
    raised: np.ndarray
    claimed: np.ndarray
    retried: np.ndarray


def fit_all(solver: str, problem: Problem) -> Ends:
    """Fit a problem from all its starts."""
    fit, rows = SOLVERS[solver], []
    lost = np.full(problem.true.size, np.nan)
    with np.errstate(all="ignore"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", OptimizeWarning)
        for p0 in problem.starts:
            caught.clear()
            try:
                end = fit(problem, p0)
            except _FAILURES as error:
                rows.append((lost, 0, type(error).__name__, True, False, False))
            else:
                claimed = end.success and not caught
                rows.append((end.p, end.nfev, end.status, False, claimed, end.retried))
    return Ends(*(np.array(column) for column in zip(*rows, strict=True)))


def cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "nlsq-benchmarks" / "starts"


def _cache_file(solver: str, problem: Problem) -> Path:
    """Where SciPy's ends are kept, by the problem's content and the versions."""
    asked = [solver, scipy.__version__, np.__version__]
    for function in (problem.f, _scipy):  # not its source, which may be edited during the run
        code = function.__code__
        asked += [code.co_code.hex(), str(code.co_consts), str(code.co_names)]
    digest = hashlib.sha256(repr(asked).encode())
    for array in (problem.x, problem.y, problem.starts):
        digest.update(array.tobytes())
    return cache_folder() / f"{digest.hexdigest()[:32]}.npz"


def _recalled(solver: str, problem: Problem) -> tuple[Ends, bool]:
    """The ends of a solver, and whether they come from the cache; ours never do."""
    if is_ours(solver):
        return fit_all(solver, problem), False
    path = _cache_file(solver, problem)
    if path.exists():
        with np.load(path) as kept:
            return Ends(**kept), True
    ends = fit_all(solver, problem)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(part, **asdict(ends))
    part.replace(path)
    return ends, False


def _judged(problem: Problem, solver: str, ends: Ends, costs, best: float) -> Iterator[Row]:
    for i, cost in enumerate(costs):
        p, slope, dead = ends.p[i], np.nan, np.zeros(problem.true.size, bool)
        claimed = bool(ends.claimed[i])
        if ends.raised[i]:
            outcome = "raised"
        elif cost <= BEST * best:
            outcome = "best"
        else:
            with np.errstate(all="ignore"):
                slope, dead = problem.judge(p)
            stands = slope <= STATIONARY and not dead.any()
            outcome = "honest" if not claimed else "other" if stands else "false"
        yield Row(
            problem.key, problem.unit, solver, i, outcome, cost / best, cost, best,
            int(ends.nfev[i]), str(ends.status[i]), claimed, bool(ends.retried[i]), slope,
            " ".join(map(str, np.flatnonzero(dead))),
            " ".join(f"{v:.4g}" for v in problem.starts[i]), " ".join(f"{v:.6g}" for v in p),
        )  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What was found out of one model."""

    rows: list[Row]
    seconds: dict[str, float]  # for each solver, the first fit of ours included
    cached: int  # sets of SciPy's fits that were not fitted anew
    fitted: int


def measure(key: str, units: list[str], solvers: list[str], starts: int, seed: int) -> Measured:
    """Fit one model in all units with all solvers."""
    seconds, fresh, found = dict.fromkeys(solvers, 0.0), [], []
    for unit in units:
        problem = make_problem(key, unit, starts, seed)
        for solver in solvers:
            began = time.perf_counter()
            ends, recalled = _recalled(solver, problem)
            seconds[solver] += time.perf_counter() - began
            if not is_ours(solver):
                fresh.append(not recalled)
            found.append((problem, solver, ends, np.array([problem.cost(p) for p in ends.p])))
    best = min(_cost_from_truth(key, seed), *(costs.min() for *_, costs in found))
    rows = [row for one in found for row in _judged(*one, best)]
    return Measured(rows, seconds, len(fresh) - sum(fresh), sum(fresh))


def _cost_from_truth(key: str, seed: int) -> float:
    problem = make_problem(key, "1", 1, seed)
    with np.errstate(all="ignore"):
        end = _scipy(problem, problem.true, method="lm", xtol=1e-12, ftol=1e-12)
    return problem.cost(end.p)


def fit_noisy(keys: list[str], fits: int, seed: int) -> Iterator[tables.Noisy]:
    """Fits with noise for an R² of 0.1 to 0.8, from starts some 10 % off, the models in turns."""
    for i in range(fits):
        key = keys[i % len(keys)]
        model, draw = MODELS[key], rng(key, seed, 2, i)
        true = np.array(model.true, float)
        clean, wanted = model.f(model.x, *true), draw.uniform(0.1, 0.8)
        y = clean + clean.std() * np.sqrt(1 / wanted - 1) * draw.normal(size=clean.size)
        p0 = true * np.exp(0.1 * draw.normal(size=true.size))
        problem = replace(make_problem(key, "1", 1, seed), y=y, starts=p0[None])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fit = nlsq.curve_fit(model.f, model.x, y, p0=p0)
            except _FAILURES:
                yield tables.Noisy(key, True, False, False, False)
                continue
        named = [fit.param_names.index(name) for name in fit.undetermined]
        falsely = bool((_relative_errors(problem, fit.popt)[named] < 1).any())
        yield tables.Noisy(key, False, bool(fit.tries), bool(named), falsely)


def _relative_errors(problem: Problem, p) -> np.ndarray:
    """Standard errors (n,) in units of the parameter, or of the truth if larger."""
    J = problem.jacobian(p)
    norms = np.linalg.norm(J, axis=0)
    if not (np.isfinite(norms) & (norms > 0)).all():
        return np.full(norms.size, np.inf)
    _, s, Vt = np.linalg.svd(J / norms, full_matrices=False)
    variance = 2 * problem.cost(p) / (problem.y.size - norms.size)
    with np.errstate(all="ignore"):
        return np.sqrt(variance) * np.linalg.norm(Vt.T / s, axis=1) / norms


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.starts", description=__doc__.splitlines()[0]
    )
    listed = {"type": lambda text: text.split(","), "metavar": "A,B"}
    parser.add_argument("--models", default=list(MODELS), help="default: all", **listed)
    parser.add_argument(
        "--units", default=_UNITS, help=f"default: {','.join(_UNITS)}; all: five more", **listed
    )
    parser.add_argument(
        "--solvers",
        default=["ours", "lm", "trf", "trf-jac"],
        help=f"of {', '.join(SOLVERS)}; default: ours,lm,trf,trf-jac",
        **listed,
    )
    parser.add_argument("--starts", type=int, default=100, help="of each model (100)")
    parser.add_argument("--seed", type=int, default=0, help="of noise and starts (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--examples", type=int, default=5, help="false successes shown (5)")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="write a row for each fit, CSV")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with such a file")
    parser.add_argument(
        "--noisy",
        type=int,
        nargs="?",
        const=400,
        metavar="FITS",
        help="only fit healthy noisy data (400 of them)",
    )
    options = parser.parse_args()
    if options.units == ["all"]:
        options.units = _ALL_UNITS
    for given, known in ((options.models, MODELS), (options.solvers, SOLVERS)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"{', '.join(unknown)}: not known; there are {', '.join(known)}.")
    try:
        for unit in options.units:
            make_problem("decay", unit, 1, 0)
    except ValueError as error:
        parser.error(str(error))
    return options


def main() -> None:
    options = _options()
    shown = console()
    if options.noisy:
        fits = list(fit_noisy(options.models, options.noisy, options.seed))
        shown.print(tables.noisy(fits), highlight=False)
        return
    work = partial(
        measure,
        units=options.units,
        solvers=options.solvers,
        starts=options.starts,
        seed=options.seed,
    )
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        spread = pool.map(work, options.models) if options.jobs > 1 else map(work, options.models)
        total = len(options.models)
        measured = list(track(spread, "models", total, console=Console(stderr=True)))
    rows = [row for one in measured for row in one.rows]
    tables.show(rows, options, shown)
    took = {s: sum(one.seconds[s] for one in measured) for s in options.solvers}
    shown.print("Seconds: " + ", ".join(f"{s} {t:.1f}" for s, t in took.items()), highlight=False)
    cached, fitted = sum(m.cached for m in measured), sum(m.fitted for m in measured)
    if cached:
        shown.print(
            f"SciPy: {cached} of {cached + fitted} sets of fits were kept in {cache_folder()}.",
            highlight=False,
        )
    if options.dump:
        tables.dump(rows, options.dump)
        shown.print(f"Wrote {options.dump}", highlight=False)


if __name__ == "__main__":
    main()
