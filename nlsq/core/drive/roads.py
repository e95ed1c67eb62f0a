"""How a fit's model is evaluated: the road chosen from the model, the loss and the user's `jac`."""

from __future__ import annotations

from collections.abc import Iterable

from nlsq.config import backend
from nlsq.core.model.model import INTERPRETED, Model
from nlsq.core.passes.layout import LENGTHS
from nlsq.core.problem.observations import COMPLEX_MODEL, Observations
from nlsq.core.problem.options import Options, traced_loss_of
from nlsq.core.problem.parameters import Parameters
from nlsq.utils import interruption


def choose_road(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    n_points: int | None = None,
    lengths: Iterable[int] = LENGTHS,
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
    with interruption.deferred():
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
            model.use_host(
                f"jac={options.jac!r} asks for differences", f"differences, {options.jac}"
            )
        elif reason := _untraced_loss(options) or _host_solver(options):
            model.use_host(reason, "finite differences")
            model.by_duals = reason == INTERPRETED
        else:
            size = data.y.size
            model.resolve(data.x, size, parameters.p0, data.is_complex, n_points or size, lengths)
            if not model.on_host:
                _refuse_complex_model(model, data)
                if backend() == "numpy" and model.info.road == "numpy":
                    model.interpret()


def _host_solver(options: Options) -> str:
    """Why the solver keeps a fit on the host; "" where a program does it."""
    if options.tr_solver != "exact" and backend() == "numpy":
        return INTERPRETED
    if options.tr_solver == "lsmr" and options.tr_options.keys() - {"maxiter"}:
        return "`tr_options` are of SciPy's lsmr, which takes products on the host"
    return ""


def _untraced_loss(options: Options) -> str:
    """Why a loss keeps a fit on the host; "" where JAX can trace it."""
    if not callable(options.loss):
        return ""
    try:
        traced_loss_of(options.loss)
    except TypeError as error:
        return str(error).split(". ")[0]
    return ""


def _refuse_complex_model(model: Model, data: Observations) -> None:
    if model.resolution.complex_value and not data.is_complex:
        raise TypeError(COMPLEX_MODEL)
