"""A finished fit as what users get: the verdict on its uncertainties, and the `CurveFitResult`."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings

import numpy as np

from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import closing_line
from nlsq.core.verdict.finished import Finished, no_progress
from nlsq.core.verdict.response import unresponsive
from nlsq.interfaces.orchestration_protocol import CovarianceResult
from nlsq.result import CurveFitResult, FitError
from nlsq.result.sentences import null_direction_sentences


@dataclasses.dataclass
class Verdict:
    """What a fit's numbers mean.

    Attributes
    ----------
    active : ndarray of int (n,)
        -1 / 0 / 1: at the lower bound, inside, at the upper bound.
    notes : list of str
        What to be careful about, beside the null directions.
    """

    status: Status
    covariance: CovarianceResult
    active: np.ndarray
    notes: list[str]


def noise_variance(cost: float, dof: int, absolute_sigma: bool) -> float:
    """What the covariance is scaled by; inf without degrees of freedom."""
    if absolute_sigma:
        return 1.0
    return 2 * cost / dof if dof > 0 else np.inf


NO_FREEDOM = "no degrees of freedom are left to estimate the noise from"


def covariance_of(finished: Finished, absolute_sigma: bool) -> CovarianceResult:
    """What the factor of the engine's last pass says about the uncertainties."""
    spectrum = finished.spectrum
    dof = finished.data.n_residuals - spectrum.rank
    scale = noise_variance(finished.outcome.cost, dof, absolute_sigma)
    early = finished.stopped_early
    pcov, determined = spectrum.covariance(math.inf if early else scale)
    notes = [] if math.isfinite(scale) else [NO_FREEDOM]
    if early:
        notes.append("the fit was stopped before its covariance was accurate")
    undetermined = spectrum.undetermined
    if not early and math.isfinite(scale):
        silent = [j for j in unresponsive(finished, determined, scale) if not undetermined[j]]
        if silent:
            undetermined = undetermined.copy()
            undetermined[silent] = True
            pcov[silent], pcov[:, silent] = np.inf, np.inf
            fixed = finished.parameters.free == 0
            pcov[fixed], pcov[:, fixed] = 0.0, 0.0
            named = ", ".join(finished.parameters.names[j] for j in silent)
            notes.append(f"the data do not determine {named}: values far away fit them as well")
    return CovarianceResult(
        pcov, determined, spectrum.rank, dof, spectrum.null_directions, undetermined, notes,
        finished.outcome.R,
    )  # fmt: skip


def judge(finished: Finished, covariance: CovarianceResult) -> Verdict:
    """The verdict on a fit of the single-fit engine."""
    notes = covariance.notes + no_progress(finished)
    return Verdict(finished.status, covariance, finished.active_mask(), notes)


def record(
    finished: Finished, verdict: Verdict, absolute_sigma: bool, seconds: float | None
) -> CurveFitResult:
    """The result of `finished`; seconds: None when nobody measured it."""
    data = finished.data
    held = {"xdata": data.x.given, "ydata": data.y, "sigma": data.sigma}
    lazy = {"fun": finished.residual, "jac": finished.jacobian} | numbers_on_demand(finished)
    return CurveFitResult(fields(finished, verdict, absolute_sigma, seconds) | held, lazy=lazy)


def numbers_on_demand(finished: Finished) -> dict:
    """The lazy fields that need no data."""
    return {
        "grad": finished.gradient, "optimality": finished.optimality,
        "precision": finished.precision,
    }  # fmt: skip


def fields(
    finished: Finished, verdict: Verdict, absolute_sigma: bool, seconds: float | None
) -> dict:
    """What is said about a fit, besides its data and what is as long as they are."""
    outcome, data, parameters = finished.outcome, finished.data, finished.parameters
    names, status, covariance = parameters.names, verdict.status, verdict.covariance
    nulls = tuple(
        {name: value for name, value in zip(names, null, strict=True) if value}
        for null in covariance.null_directions.tolist()
    )
    notes = verdict.notes
    if nulls:
        values = dict(zip(names, outcome.x.tolist(), strict=True))
        notes = null_direction_sentences(nulls, values) + notes
    return {
        "x": outcome.x.copy(),
        "pcov": covariance.pcov,
        "cost": outcome.cost,
        "active_mask": verdict.active,
        "nfev": outcome.nfev,
        "njev": outcome.njev,
        "nit": outcome.nit,
        "tries": outcome.tries,
        "status": int(status),
        "message": status.sentence,
        "success": status.converged,
        "param_names": names,
        "p0": parameters.p0,
        "bounds": (parameters.lb, parameters.ub),
        "fixed": _named(names, [not free for free in parameters.free.tolist()]),
        "at_bound": _named(names, verdict.active.tolist()),
        "rank": covariance.rank,
        "undetermined": _named(names, covariance.undetermined.tolist()),
        "null_directions": nulls,
        "pcov_determined": covariance.determined,
        "absolute_sigma": bool(absolute_sigma),
        "loss": finished.options.loss,
        "f_scale": finished.options.f_scale,
        "method": finished.options.method,
        "n_points": data.n_residuals,
        "dof": covariance.dof,
        "warnings": tuple(notes),
        "wall_time": seconds,
        "model_info": finished.model.info,
        "backend": finished.model.info.backend,
        "model": finished.model,
        "model_name": finished.model.name,
    }


def announce(result: CurveFitResult, status: Status, verbose: int, stacklevel: int) -> None:
    """Say how a single fit ended: print, warn, or raise, as SciPy does.

    Raises
    ------
    FitError
        When the fit failed; a stop from outside is no failure.
    """
    if verbose:
        print(closing_line(result))
    kept = status.stopped_from_outside or status is Status.NO_PROGRESS
    if not status.converged and not kept:
        raise FitError(f"Optimal parameters not found: {result.message}", result)
    if result.get("warnings"):
        text = "; ".join(result.warnings)
        if not np.isfinite(result.pcov).all():
            text = f"Covariance of the parameters could not be estimated: {text}"
        from nlsq.result import OptimizeWarning  # loads SciPy's

        warnings.warn(f"{text}.", OptimizeWarning, stacklevel=stacklevel + 1)


def _named(names, mask) -> tuple[str, ...]:
    return tuple(itertools.compress(names, mask))
