"""Results of many fits: written from lanes and from the engine of a single fit, and read again."""

from __future__ import annotations

import math
import pathlib
import threading
import time
from types import SimpleNamespace

import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive.batch import algebra, lanes
from nlsq.core.drive.batch.fields import COUNTS, Fields
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.rows import Slab
from nlsq.core.drive.batch.state import Form, answer_places, places
from nlsq.core.drive.solve import solve
from nlsq.core.loop.status import Status
from nlsq.core.loss_functions import scale_rows
from nlsq.core.problem.observations import Observations
from nlsq.core.verdict.covariance import Spectrum
from nlsq.core.verdict.finished import Finished
from nlsq.core.verdict.record import (
    NO_FREEDOM,
    Verdict,
    covariance_of,
    judge,
    noise_variance,
    record,
)
from nlsq.core.verdict.response import ROUNDING, WIDE
from nlsq.interfaces.orchestration_protocol import CovarianceResult
from nlsq.precision.precision_state import PrecisionState
from nlsq.result import CurveFitResult

# More parameters or points than this are the single fit's business: its passes are long enough.
MOST_PARAMETERS, MOST_POINTS = 12, 1 << 12
_LEAST_TOLERANCE = {np.dtype(np.float64): 0.0, np.dtype(np.float32): 1e-6}
_SHORT = 30  # steps after which a fit that needs more digits has not lost its way


def _improbable(state, done, answers, scale, form: Form) -> np.ndarray:
    """(k,) where `response` would take a closer look, for the lanes `done`."""
    at, found = places(form.n), answer_places(form)
    diagonal = [row for row, (i, j) in enumerate(algebra.pairs(form.n)) if i == j]
    hidden, answer = 2 * state[at.cost, done], np.zeros(len(done), bool)
    each = [(state[x, done] ** 2, diagonal[i]) for i, x in enumerate(at.x)]
    extents = [state[at.G[row], done] * square for square, row in each]
    for extent in extents:
        hidden += extent
    hidden *= ROUNDING**2
    with np.errstate(invalid="ignore"):
        for extent, (square, row) in zip(extents, each, strict=True):
            wide = answers[found.inverse[row]] * scale > WIDE**2 * square
            answer |= wide | (extent < hidden)
    return answer & np.isfinite(scale)


def fits_lanes(many: Many) -> bool:
    """Whether the fits are of the size and kind that lanes are for."""
    small = 0 < sum(many.free) <= MOST_PARAMETERS and many.m <= MOST_POINTS
    return small and not many.is_complex


def limits(many: Many, n: int) -> tuple:
    """The tolerances, budget and scale of the loss that `Numbers` has, for n fitted parameters."""
    options = many.options
    tolerances = (
        max(t or 0.0, _LEAST_TOLERANCE[many.dtype])
        for t in (options.ftol, options.xtol, options.gtol)
    )
    return *tolerances, options.max_nfev or 200 * (n + 1), options.f_scale


class Results:
    """One call's results, and the means to get them that all roads have.

    Attributes
    ----------
    fields : Fields
    width : int
        Of the slabs whose fits share their arithmetic, in fits; 1 where none do.
    """

    width = 1

    def __init__(self, many: Many, folder: pathlib.Path | None = None):
        self.many = many
        self.fields = Fields(many.size, many.n, folder)
        data, _ = many.first()
        self._x = data.x
        self._stop = threading.Event()
        self._deadline = math.inf

    def _read(self, slab: Slab) -> tuple[Lot, int]:
        """(the fits of a slab that can begin, how many cannot)."""
        fields = self.fields
        lot, status = self.many.read(slab)
        fields.n_points[lot.places] = self.many.residuals(lot.counts)
        failed = status != int(Status.RUNNING)
        if failed.any():
            fields.status[lot.places[failed]] = status[failed]
            fields.blank(lot.places[failed])
            lot = lot.take(np.flatnonzero(~failed))
        return lot, int(failed.sum())

    def _blank_rest(self) -> None:
        """Make the numbers of the fits that were not reached NaN."""
        self.fields.blank(np.flatnonzero(self.fields.status == int(Status.NOT_REACHED)))

    def _over(self) -> bool:
        """Whether to begin nothing more."""
        return self._stop.is_set() or time.monotonic() > self._deadline

    def _write(self, lot: Lot, done, state, answers, form: Form):
        """Results of the lanes `done` into the fields, but for two kinds, of which the indices.

        Fits whose Gram matrix has too few digits, and fits of which lanes cannot judge.
        """
        many, fields = self.many, self.fields
        at, found = places(form.n), answer_places(form)
        status, cost = state[at.status, done].astype(int), state[at.cost, done].astype(float)
        eps = np.finfo(many.dtype).eps
        sharp = eps <= lanes.ACCURACY[many.dtype] * answers[found.pivot] ** 2
        invalid = status == int(Status.NOT_FINITE)
        odd = (state[at.left, done] > 0) | (status <= 0) & (~invalid | np.isfinite(cost))
        odd |= (status > 0) & ~(eps <= lanes.LOST[many.dtype] * answers[found.pivot] ** 2)
        scale = many.noise_variances(cost, lot.counts[done] - form.n)
        odd |= (status > 0) & _improbable(state, done, answers, scale, form)
        inexact = (status > 0) & ~sharp & ~odd
        odd |= inexact & (state[at.nit, done] > _SHORT)  # too few digits for so long a way
        inexact &= ~odd
        aside = done[inexact], done[odd]
        if (keep := ~(inexact | odd)).sum() < len(done):
            done, answers = done[keep], answers[:, keep]
            rest = status, cost, sharp, invalid, scale
            status, cost, sharp, invalid, scale = (a[keep] for a in rest)

        place, free = lot.places[done], np.flatnonzero(many.free)
        n, k = len(free), len(place)
        popt = lot.start[done]
        popt[:, free] = state[list(at.x)][:, done].T
        known = sharp & np.isfinite(scale)
        scale[~known] = 1.0
        inverse = np.where(known, answers[list(found.inverse)] * scale, np.inf)
        pcov = inverse[algebra.triangle_of_square(n)].T.reshape(k, n, n)
        if n < many.n:
            inner, pcov = pcov, np.zeros((k, many.n, many.n))
            pcov[:, free[:, None], free] = inner
        popt[invalid], pcov[invalid], cost[invalid] = np.nan, np.nan, np.nan
        fields.popt[place], fields.pcov[place], fields.cost[place] = popt, pcov, cost
        fields.status[place], fields.rank[place] = status, np.where(invalid, 0, n)
        for name in COUNTS:
            getattr(fields, name)[place] = state[getattr(at, name), done]
        for j, row in zip(free, found.active, strict=False):
            fields.active_mask[place, j] = answers[row]
        return aside

    def _fit_alone(self, lot: Lot) -> int:
        """Fits one by one, by the engine of `curve_fit`; how many."""
        for i in range(len(lot)):
            if self._over():
                return i
            task = self._task(lot, i)
            self._record(lot.places[i], Finished(*task, solve(*task)))
        return len(lot)

    def _task(self, lot: Lot, i: int) -> tuple:
        """What the engine of a single fit is asked: model, data, parameters, options."""
        many = self.many
        data = self._observations(lot, i)
        parameters = many.parameters(lot.start[i], lot.lb[i], lot.ub[i])
        model = many.model.twin()  # a fit may change the road of its own
        model.bounds = (parameters.lb, parameters.ub)
        if not (model.on_host or model.info.pointwise) and many.x_rows is not None:
            model.resolve(data.x, data.y.size, parameters.p0, np.iscomplexobj(data.y))
        return model, data, parameters, many.options

    def _record(self, place: int, finished: Finished) -> None:
        """Results of the single fit's engine into the fields."""
        fields, outcome = self.fields, finished.outcome
        found = covariance_of(finished, self.many.absolute_sigma)
        verdict = judge(finished, found)
        fields.status[place] = int(verdict.status)
        if verdict.status is Status.NOT_FINITE:
            fields.blank(place)
            return
        fields.popt[place], fields.pcov[place] = outcome.x, found.pcov
        fields.cost[place], fields.rank[place] = outcome.cost, found.rank
        fields.active_mask[place] = verdict.active
        for name in COUNTS:
            getattr(fields, name)[place] = getattr(outcome, name)
        if len(found.null_directions):
            fields.null_directions[int(place)] = found.null_directions

    def _observations(self, lot: Lot, i: int) -> Observations:
        if lot.x is not None or lot.counts[i] < lot.m:
            return self.many.observations(int(lot.places[i]))
        weights = lot.weights
        if weights is not None and weights.ndim == 2:
            weights = weights[i]
        weights = None if weights is None else np.asarray(weights, float)
        y = lot.y[i] if np.iscomplexobj(lot.y) else np.asarray(lot.y[i], float)
        return Observations(self._x, y, None, weights, None)

    # ------------------------------------------------------------------------------- one result

    def result(self, place: int) -> CurveFitResult:
        """The fit at `place` as `curve_fit` would return it."""
        many, fields = self.many, self.fields
        lot, fit = many.read_one(place)
        status = Status(int(fields.status[place]))
        data = (many.observations if fit is Status.RUNNING else many.unchecked)(place)
        parameters = many.parameters(lot.start[0], lot.lb[0], lot.ub[0])
        x, pcov = np.array(fields.popt[place]), np.array(fields.pcov[place])
        counts = {name: int(getattr(fields, name)[place]) for name in COUNTS}
        single = many.dtype == np.float32
        state = PrecisionState(
            "single" if single else "double", f"one of many fits in {many.dtype}"
        )
        outcome = SimpleNamespace(
            x=x, cost=float(fields.cost[place]), tries=(), precision=state, **counts
        )
        finished = _Written(many.model, data, parameters, many.options, outcome)
        null = fields.null_directions.get(place, np.zeros((0, many.n)))
        rank = int(fields.rank[place])
        dof = int(fields.n_points[place]) - rank
        scale = noise_variance(outcome.cost, dof, many.absolute_sigma)
        determined = pcov if math.isfinite(scale) else np.zeros_like(pcov)
        if len(null):
            J = finished.jacobian()
            spectrum = Spectrum(np.linalg.qr(J, mode="r"), ~J.any(axis=0), parameters.free > 0)
            _, determined = spectrum.covariance(scale)
        notes = [NO_FREEDOM] if status.converged and not math.isfinite(scale) else []
        active = np.array(fields.active_mask[place], int)
        undetermined = np.isinf(np.diag(pcov)) & bool(math.isfinite(scale))
        found = CovarianceResult(pcov, determined, rank, dof, null, undetermined, notes, None)
        verdict = Verdict(status, found, active, notes)
        return record(finished, verdict, many.absolute_sigma, None)


class _Written(Finished):
    """A fit of which the results are known, and not the state of an engine."""

    def __post_init__(self):
        """Nothing: the verdict says how it ended."""

    def gradient(self) -> np.ndarray:
        """J^T r of the loss-scaled rows."""
        r, loss = self.residual(), self.options.loss_function
        if loss is not None:
            with double_precision():
                _, r, _ = scale_rows(loss, self.options.f_scale, r, np.zeros((1, r.size)), np)
        return self.parameters.free * (self.jacobian().T @ np.asarray(r))
