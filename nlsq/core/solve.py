"""Run the loop: choose the driver, feed it passes, hand back the numbers.

The whole fit runs as one device program unless something has to happen between passes: a callback,
`verbose`, a time limit, a model on the host, or passes so long that Ctrl-C should be answered
between them and that all cores should share them.

Many data are fitted from coarse to fine: first a sample, one point from each of S equal strata,
then all of them from there, in a few passes instead of ten. The sample's answer is a start and
nothing more, every test is on all the data, and it is dropped for the user's p0 where it does not
hold for them: a step from there should promise no more than sampling explains, which is
|z|^2 ~ s^2 n m / S for a residual variance s^2, or 2 n F / S for the cost F.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jaxlib.xla_client import execution_stream_id

from nlsq.caching.memory_manager import manager
from nlsq.caching.smart_cache import SmartCache
from nlsq.config import double_precision
from nlsq.core import differences, host, iterative, loop, passes, programs, sparse, staging, tries
from nlsq.core.believing import traced_loss
from nlsq.core.evaluation import ResidualCall
from nlsq.core.identity import content_key, model_key
from nlsq.core.loop import Method, Setup
from nlsq.core.loss_functions import BUILT_IN, user_loss
from nlsq.core.model import Model
from nlsq.core.problem import COMPLEX_MODEL, Observations, Parameters, interior_start
from nlsq.core.programs import Outcome
from nlsq.core.reduction import Sums
from nlsq.core.status import Status
from nlsq.core.tracing import TraceFailed
from nlsq.core.watch import Watch, drive_passes
from nlsq.device import in_calling_thread, usable_cores
from nlsq.utils import interruption

# Points, and points times parameters, above which a pass takes milliseconds and the host drives.
_LONG_PASS = 1 << 18, 400_000
# More points than _MANY are sampled first: a share 1 / _SHARE of them, within limits. Measured from
# 10^5 to 10^6 points: fewer than 8 192 cost another full pass, more cost their own time.
_MANY, _SHARE, _SMALLEST_SAMPLE = 1 << 15, 256, 1 << 13
# Evaluations after which a sample that has not converged is given up: two passes over all points.
_SAMPLE_BUDGET = 64
# Times what sampling explains, from which on a sample's answer is not believed.
_DOUBT = 30


@dataclasses.dataclass(frozen=True)
class Options:
    """How to solve; every field has an effect."""

    method: str = "trf"
    jac: Any = None  # None (exact, or differences on the host), a callable or a scheme
    ftol: float | None = 1e-8
    xtol: float | None = 1e-8
    gtol: float | None = 1e-8
    x_scale: Any = "jac"
    loss: Any = "linear"
    f_scale: float = 1.0
    max_nfev: int | None = None
    diff_step: Any = None
    factor: float | None = None  # None: the method's own
    callback: Callable | None = None
    verbose: int = 0
    deadline: float | None = None  # of time.monotonic(), for the whole call
    tr_solver: str = "exact"
    tr_options: dict = dataclasses.field(default_factory=dict)
    cache: SmartCache | None = None
    workers: Any = None  # who evaluates what differences need
    sampled: bool = True  # whether a fit to many points may begin on a sample of them

    def for_each(self, name: str, n: int) -> np.ndarray:
        """An option given as a number or one per parameter, as (n,)."""
        try:
            return np.broadcast_to(np.asarray(getattr(self, name), float), n)
        except (TypeError, ValueError):
            text = np.asarray(getattr(self, name)).dtype.kind not in "biufc"
            raise (TypeError if text else ValueError)(
                f"`{name}` must be a number or one number for each of the {n} parameters, got "
                f"{getattr(self, name)!r}."
            ) from None

    @property
    def loss_function(self) -> Callable | None:
        """(rho, rho', rho'') as `scale_rows` takes them; None for the plain sum of squares."""
        if callable(self.loss):
            return user_loss(self.loss, functools.partial(_traced_loss, self.loss))
        return BUILT_IN.get(self.loss)

    @property
    def schemes(self) -> tuple[str, str]:
        """Host derivatives while iterating and while finishing."""
        if callable(self.jac):
            return "jac", "jac"
        if isinstance(self.jac, str):
            return self.jac, self.jac
        return "2-point", "3-point"


_kept_loss = functools.lru_cache(maxsize=8)(traced_loss)


def _traced_loss(loss: Callable) -> Callable:
    hashable = getattr(type(loss), "__hash__", None) is not None  # a dataclass is not
    return (_kept_loss if hashable else traced_loss)(loss)


@interruption.deferred()
def solve(model: Model, data: Observations, parameters: Parameters, options: Options) -> Outcome:
    """Fit and return the outcome, whatever its status, or take it from `options.cache`.

    Where the model has a value at the start but no derivative (|p| at 0), differences take over.

    Raises
    ------
    ValueError
        When an iterative `tr_solver` meets a model it cannot make products with.
    MemoryError
        When data that must be evaluated whole do not fit into the memory allowed.
    """
    differs = model.on_host and model.jac is None
    with differences.shared_out(options.workers if differs else None) as mapped:
        model.mapped = mapped
        try:
            return _solve_once(model, data, parameters, options)
        finally:
            model.mapped = map


def _solve_once(model, data, parameters, options) -> Outcome:
    watched = options.callback is not None or options.verbose > 1
    if options.cache is None or watched or not data.x.in_full:
        return _solve_anew(model, data, parameters, options)
    plain = dataclasses.replace(options, cache=None, verbose=0, deadline=None, workers=None)
    content = (
        data.x.leaves, data.y, data.weights, data.factor,
        parameters.p0, parameters.lb, parameters.ub, tuple(vars(plain).values()),
        model.pattern and (model.pattern.rows, model.pattern.columns),
    )  # fmt: skip
    road = model.info  # a fit that changes it on its way is not kept
    return options.cache.get(
        (model.key, str(data.x.treedef), content_key(content)),
        lambda: _solve_anew(model, data, parameters, options),
        keep=lambda outcome: outcome.status > 0 and model.info is road,
    )


def _solve_anew(model, data, parameters, options) -> Outcome:
    try:
        outcome = _solve_trying(model, data, parameters, options, options.max_nfev)
    except TraceFailed as failure:
        if options.tr_solver != "exact":
            raise
        model.use_host(f"its trace fails in the fit: {failure.reason}", "finite differences")
        outcome = _solve_trying(model, data, parameters, options, options.max_nfev)
    if outcome.status == Status.NOT_FINITE and not model.on_host and options.tr_solver == "exact":
        with np.errstate(all="ignore"):
            value = model.evaluate(data.x.given, outcome.x)
        if np.isfinite(value).all() and np.isfinite(data.y).all():
            reason = "its exact derivatives are not finite at the start"
            model.use_host(reason, "finite differences")
            outcome = _solve_trying(model, data, parameters, options, options.max_nfev)
    if model.called or model.on_host:
        model.settle()
    return outcome


def _solve_trying(model, data, parameters, options, budget: int | None) -> Outcome:
    """The best of a fit from p0 and, where its end is suspicious, of further tries.

    budget: evaluations that all tries together may take.
    """
    outcome = _solve(model, data, parameters, options)
    many = options.sampled and data.y.size > _MANY
    sampled = many and model.info.pointwise and options.tr_solver == "exact"
    spent = budget is not None and outcome.nfev >= budget
    if sampled or spent or not tries.is_suspicious(model, data, outcome):
        return outcome  # a sample is tried by itself (see `_fit_sample`)
    total = tries.Tally(outcome)

    def run(parameters: Parameters, vary: Callable) -> Outcome:
        left = options.max_nfev if budget is None else budget - total.nfev
        again = dataclasses.replace(options, max_nfev=left)
        return total.add(_solve(model, data, parameters, again, vary))

    try:
        for one in tries.tries(model, data, parameters, run):
            if budget is not None and total.nfev >= budget:
                break
            if options.verbose > 1:
                print(f"Another try from p0: {one.name}.")
            outcome = run(one.parameters, one.vary)
            total.keep(one.name, outcome)
            if not tries.is_suspicious(model, data, outcome):
                break
    except tries.Stopped:
        pass
    except Exception:
        if not (model.on_host and model.take_refusal()):
            raise
        # the user's function refuses what lies where p0 did not lead: the ends so far remain
    return total.best()


def _solve(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    vary: Callable[[Setup], Setup] = lambda setup: setup,
) -> Outcome:
    setup = vary(make_setup(parameters, options))
    bounded = parameters.bounded or options.method == "dogbox"
    method = Method(options.method, bounded, model.n)
    residual = functools.partial(host.residual, model, data)
    watch = Watch(options.callback, options.verbose, options.deadline, residual)
    watched = options.callback is not None or options.verbose > 1 or options.deadline is not None
    m, x0 = data.y.size, setup.x0
    with double_precision():
        if model.on_host:
            return _on_host(model, data, options, setup, method, watch)

        iterates = options.tr_solver != "exact"
        long = m > _LONG_PASS[0] or m * model.n > _LONG_PASS[1]
        layout = _layout(model, data, m, chunked=long and not iterates)
        loss = options.loss
        kind = loss if type(loss) is str else model_key(loss)
        key = (model.program_key, kind, data.is_complex)
        loss = options.loss_function

        def call():
            return model.traceable(data.x)

        if options.sampled and m > _MANY and layout.block and not iterates:
            sample = data.sample(sample_size(m))
            x0, setup = start_on_sample(model, sample, parameters, options, setup)
        if layout.block and long and not iterates:
            flat = programs.pack_setup(setup, m)
            program = programs.pass_program(key, call(), layout, loss, method)
            with over_chunks(program, staging.Chunks(data, layout), flat) as run:
                start = loop.start_vector(x0, method)
                return drive_passes(run, method, flat, start, watch, ahead=0 if watched else 1)

        if not layout.block and not iterates:
            manager.require(24 * m * (model.n + 1), f"A model of {m} points that is taken whole")
        with staging.Staged(data, layout) as arrays:
            if iterates:
                task = iterative.Task(key, call(), layout, loss, method)
                return iterative.fit(task, arrays, setup, m, options)
            if not watched and not long:
                program = programs.fit_program(key, call, layout, loss, method)
                flat = programs.pack_setup(setup, m, loop.start_vector(x0, method))
                with in_calling_thread():
                    return Outcome(np.asarray(program(*arrays, flat)), method)
            flat = programs.pack_setup(setup, m)
            program = programs.pass_program(key, call(), layout, loss, method)

            def run(vector):
                return program(*arrays, (np.array(m), None), flat, vector)

            return drive_passes(run, method, flat, loop.start_vector(x0, method), watch)


@contextmanager
def over_chunks(program: Callable, chunks: staging.Chunks, flat: np.ndarray):
    """Yield run(vector), a pass over all chunks, whose Sums are added in the order of the chunks.

    XLA runs a loop over blocks on one core, and the calls of one stream one after the other. So
    each chunk is a stream of its own, which XLA's threads take up as they become free. Nothing
    waits for them here: their sum and the step that takes it begin when all is there.
    """
    pending: deque = deque(maxlen=2 * len(chunks))

    def run(vector) -> Sums:
        totals: list[Sums] = []
        lent: deque = deque()
        for k in range(len(chunks)):
            arguments, buffers = chunks.arguments(k)
            with execution_stream_id(k + 1):
                totals.append(program(*arguments, flat, vector))
            pending.append(totals[-1])
            lent.append((totals[-1], buffers))
            if len(lent) > usable_cores():
                _take_back(*lent.popleft())
        while lent:
            _take_back(*lent.popleft())
        return programs.add_up(totals)

    try:
        yield run
    finally:
        jax.block_until_ready(list(pending))  # nobody reads the data any more
        chunks.close()


def _take_back(total: Sums, buffers: list) -> None:
    """Release what a chunk was copied to, once its total is there."""
    if buffers:
        jax.block_until_ready(total)
        staging.release(buffers)


def sample_size(m: int) -> int:
    """Points of the sample that m > _MANY points are first fitted on; fewer are all taken."""
    return m if m <= _MANY else min(max(_SMALLEST_SAMPLE, m // _SHARE), _MANY)


def start_on_sample(
    model: Model, sample: Observations, parameters: Parameters, options: Options, setup: Setup
) -> tuple[np.ndarray, Setup]:
    """(first trial of a fit to all data, its setup): the answer on the sample, to be doubted."""
    x0 = _fit_sample(model, sample, parameters, options, setup.x0)
    return x0, setup._replace(trust=_DOUBT * 2 * model.n / sample.y.size)


def _fit_sample(model, sample: Observations, parameters: Parameters, options: Options, x0):
    """The sample's answer, or x0 when there is none worth starting from."""
    budget = min(options.max_nfev or _SAMPLE_BUDGET, _SAMPLE_BUDGET)
    quiet = dataclasses.replace(options, callback=None, verbose=0, max_nfev=budget)
    before = interruption.worth_saving(False)
    outcome = _solve_trying(model, sample, parameters, quiet, None)
    interruption.worth_saving(before)  # the sample's answer is none of all data
    if outcome.status == Status.INTERRUPTED:
        raise KeyboardInterrupt
    if outcome.status <= 0 or not outcome.regular:
        return x0
    return interior_start(dataclasses.replace(parameters, p0=outcome.x))


@interruption.deferred()
def choose_road(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    n_points: int | None = None,
    lengths: Iterable[int] = passes.LENGTHS,
) -> None:
    """Settle how the model is evaluated, from the model itself and the user's `jac`.

    Parameters
    ----------
    n_points : int, optional
        Of all data, where `data` are a sample of them.
    lengths : iterable of int
        Numbers of points that the programs will show a pointwise model at once.

    Raises
    ------
    TypeError
        When a complex model meets real data.
    """
    if options.diff_step is not None:
        model.rel_step = options.for_each("diff_step", model.n)
    model.bounds = (parameters.lb, parameters.ub)
    if options.jac is not None:
        model.show_own(data.x)
    if callable(options.jac):
        model.jac = model.call.derivative(options.jac)
        model.use_host("jac is a callable", "the user's jac")
    elif options.jac is not None:
        if options.jac == "cs" and data.is_complex:
            raise ValueError(
                "jac='cs' needs a real model: the complex step is read off the imaginary part. "
                "Use jac='2-point' or leave `jac` away for exact derivatives."
            )
        model.use_host(f"jac={options.jac!r} asks for differences", f"differences, {options.jac}")
    elif reason := _untraced_loss(options) or _host_solver(options):
        model.use_host(reason, "finite differences")
    else:
        size = data.y.size
        model.resolve(data.x, size, parameters.p0, data.is_complex, n_points or size, lengths)
        if not model.on_host:
            _refuse_complex_model(model, data)


def _host_solver(options: Options) -> str:
    """Why the solver keeps a fit on the host; "" where a program does it."""
    if options.tr_solver == "lsmr" and options.tr_options.keys() - {"maxiter"}:
        return "`tr_options` are of SciPy's lsmr, which takes products on the host"
    return ""


def _untraced_loss(options: Options) -> str:
    """Why a loss keeps a fit on the host; "" where JAX can trace it."""
    if not callable(options.loss):
        return ""
    try:
        _traced_loss(options.loss)
    except TypeError as error:
        return str(error).split(". ")[0]
    return ""


def _refuse_complex_model(model: Model, data: Observations) -> None:
    if model.resolution.complex_value and not data.is_complex:
        raise TypeError(COMPLEX_MODEL)


def make_setup(parameters: Parameters, options: Options) -> Setup:
    """The loop's numbers for a fit that begins at p0."""
    n = parameters.p0.size
    x0 = interior_start(parameters) if options.method == "trf" else parameters.p0
    x_scale = np.zeros(n)
    if not isinstance(options.x_scale, str):
        x_scale = options.for_each("x_scale", n)
    tolerances = [
        0.0 if t is None else float(t) for t in (options.ftol, options.xtol, options.gtol)
    ]
    budget = options.max_nfev or 200 * (n + 1)
    lb, ub = parameters.lb, parameters.ub
    if parameters.bounded and 0.0 in parameters.free.tolist():
        fixed = parameters.free == 0
        lb, ub = np.where(fixed, -np.inf, lb), np.where(fixed, np.inf, ub)
    factor = options.factor or loop.METHODS[options.method].FACTOR
    rest = budget, options.f_scale, factor, np.inf
    return Setup(x0, lb, ub, x_scale, parameters.free, *tolerances, *rest)


def chunk_layout(model: Model, sample: Observations, m: int) -> passes.Layout:
    """Layout of long data, m points of the form of `sample`, which come in chunks."""
    return _layout(model, sample, m, chunked=True)


def _layout(model: Model, data: Observations, m: int, chunked: bool) -> passes.Layout:
    fixed = model.resolution.data_fixed
    return passes.choose_layout(
        m,
        model.info.pointwise,
        chunked,
        axes=() if fixed else data.x.axes,
        treedef=_no_leaves() if fixed else data.x.treedef,
        weighted=data.weights is not None,
        whitened=data.factor is not None,
        paired=data.is_complex,
        idle=data.idle is not None,
    )


def _no_leaves():
    return jax.tree.structure(None)


def _on_host(model, data, options, setup: Setup, method: Method, watch: Watch):
    """A fit in NumPy; its `nfev` is the number of calls of the user's function, as SciPy's."""
    evaluations = host.Evaluations(model, data, options.max_nfev is None)
    watch.residual = evaluations.residual  # which asks the user's function for nothing twice
    start, counts = None, (0, 0)
    if options.tr_solver != "exact":
        evaluations.dense_only = not isinstance(model.call, ResidualCall)
        state = sparse.fit(evaluations, setup, options, method, watch)
        outcome, counts = sparse.Outcome(state), (state.njev, state.nit)
        if not outcome.is_dense:
            outcome.nfev = model.memo.take_count()
            return outcome
        # R at the last point, where a converged fit is polished
        status, left = Status(state.status), max(setup.max_nfev - state.nfev, 0) + 1
        gtol = np.inf if status.converged else setup.gtol
        setup = setup._replace(x0=outcome.x, gtol=gtol, max_nfev=left)
        start = iterative.finishing_vector(outcome.x, method, status)
        watch = Watch(None, 0, None)
    manager.require(16 * data.y.size * (model.n + 2), f"The Jacobian of {data.y.size} points")
    start = loop.start_vector(setup.x0, method) if start is None else start
    run = _host_reduce(evaluations, options, setup, method)
    flat = programs.pack_setup(setup, data.y.size)
    outcome = drive_passes(run, method, flat, start, watch)
    if options.tr_solver != "exact" and outcome.status != Status.INTERRUPTED:
        outcome.status = int(status)
    outcome.nfev = model.memo.take_count()
    outcome.njev, outcome.nit = outcome.njev + counts[0], outcome.nit + counts[1]
    return outcome


def _host_reduce(evaluations, options, setup, method):
    reduce = host.make_reduce(evaluations, options.loss_function, setup)
    memo = evaluations.model.memo
    iterating, finishing = options.schemes
    packing = loop.state_packing(method)

    def run(vector):
        state = packing.view(vector)
        scheme = iterating if int(state.phase) == loop.ITERATE else finishing
        memo.forget_others(state.point.x, state.trial)
        return reduce(state.trial, state.point.P, scheme)

    return run
