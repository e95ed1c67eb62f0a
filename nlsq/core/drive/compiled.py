"""A fit by programs: one for all of it, or one for a pass where something happens between passes.

The whole fit is one program unless there is a callback, `verbose`, a time limit or a debugger, or
passes are so long that Ctrl-C should be answered between them and that all cores should share them,
or the model has not been fitted often enough (`buying`): then the step runs in NumPy.

Many data are fitted from coarse to fine (see `sampling`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.config import double_precision
from nlsq.core.drive import buying, host, staging
from nlsq.core.drive.chunks import layout_of, over_chunks
from nlsq.core.drive.sampling import MANY_POINTS, sample_size, start_on_sample, told
from nlsq.core.loop import iterative, programs
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import Method, Setup, pack_setup, start_vector
from nlsq.core.loop.watch import Watch, drive_passes
from nlsq.core.model.identity.walk import model_key
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.device import in_calling_thread

# Points, and points times parameters, above which a pass takes milliseconds and the host drives.
_LONG_PASS = 1 << 18, 400_000


def fit(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    setup: Setup,
    fit_sample: Callable,
) -> Outcome:
    """One fit from `setup.x0`.

    fit_sample(model, sample, parameters, options) -> Outcome
    """
    method = Method(options.method, parameters.bounded or options.method == "dogbox", model.n)
    watched = options.is_watched or options.backend == "numpy"
    m, x0, account = data.y.size, setup.x0, buying.account_of(model)
    rents = options.backend == "auto" and account.rents(model.n, m)
    iterates = options.tr_solver != "exact"
    long = m > _LONG_PASS[0] or m * model.n > _LONG_PASS[1]
    began = None  # on less than all data or digits
    at_once = not (watched or long or rents or iterates)
    layout = layout_of(model, data, m, chunked=long and not iterates)
    loss = options.loss
    kind = loss if type(loss) is str else model_key(loss)
    key = (model.program_key, kind, data.is_complex)
    loss = options.loss_function

    def call():
        with double_precision():
            return model.traceable(data.x)

    if at_once and staging.has_desks(layout):
        program = programs.fit_program(key, call, layout, loss, method)
        flat = pack_setup(setup, m, start_vector(x0, method))
        vector = staging.at_desk(program, data, layout, flat)
        if vector is not None:
            return Outcome(vector, method)

    def watch() -> Watch:
        watch = Watch(options, functools.partial(host.residual, model, data))
        watch.interprets |= rents
        return watch

    with double_precision():
        if options.sampled and m > MANY_POINTS and layout.block and not iterates:
            sample = data.sample(sample_size(m))
            on_sample = functools.partial(fit_sample, model)
            x0, setup = start_on_sample(on_sample, sample, parameters, options, setup)
            began = told(sample.y.size, m, x0 is not setup.x0)
        if layout.block and long and not iterates:
            flat = pack_setup(setup, m)
            program = programs.pass_program(key, call(), layout, loss, method)
            with over_chunks(program, staging.Chunks(data, layout), flat) as run:
                start = start_vector(x0, method)
                outcome = drive_passes(run, method, flat, start, watch(), 0 if watched else 1)
                outcome.precision = began
                return outcome

        if not layout.block and not iterates:
            manager.require(24 * m * (model.n + 1), f"A model of {m} points that is taken whole")
        with staging.Staged(data, layout) as arrays:
            if iterates:
                task = iterative.Task(key, call(), layout, loss, method)
                return iterative.fit(task, arrays, setup, m, options)
            if at_once:
                program = programs.fit_program(key, call, layout, loss, method)
                flat = pack_setup(setup, m, start_vector(x0, method))
                with in_calling_thread():
                    outcome = Outcome(np.asarray(program(*arrays, flat)), method)
                outcome.precision = began
                return outcome
            places = np.array(m), None
            if long and not layout.block:
                from nlsq.core.drive import single  # which few fits need

                if single.is_worth(m, model.n):
                    other = programs.pass_program(key, call(), layout, loss, method, single=True)
                    attempt = functools.partial(other, *arrays, places)
                    x0, began = single.start_in_single(attempt, parameters, setup, method, m)
                else:
                    began = single.stays_double()
            flat = pack_setup(setup, m)
            program = programs.pass_program(key, call(), layout, loss, method)

            def run(vector):
                return program(*arrays, places, flat, vector)

            outcome = drive_passes(run, method, flat, start_vector(x0, method), watch())
            if rents:  # the step; the pass is compiled
                account.pay(outcome.nfev, model.n, 0)
            outcome.precision = began
            return outcome
