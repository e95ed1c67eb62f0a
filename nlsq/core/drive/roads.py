"""How a fit's model is evaluated: the road chosen from the model, the loss and the user's `jac`."""

from __future__ import annotations

from collections.abc import Iterable

from nlsq.core.drive import buying
from nlsq.core.model.model import Model
from nlsq.core.passes.layout import LENGTHS
from nlsq.core.problem.observations import COMPLEX_MODEL, Observations
from nlsq.core.problem.options import Options, traced_loss_of
from nlsq.core.problem.parameters import Parameters
from nlsq.utils import interruption

BY_HAND = "backend='numpy'"


def choose_road(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    n_points: int | None = None,
    lengths: Iterable[int] = LENGTHS,
    at_once: bool = False,
) -> None:
    """Settle how the model is evaluated, from the model itself and the user's `jac`.

    Parameters
    ----------
    n_points : int, optional
        Of all data, where `data` are a sample of them.
    lengths : iterable of int
        Numbers of points that the programs will show a pointwise model at once.
    at_once : bool
        Whether the fit may run by NumPy, of which it then decides (`buying`).

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
            model.by_duals = reason == BY_HAND
        elif at_once and (reason := _why_by_numpy(model, data, options)):
            account = buying.account_of(model)
            data.x.show_own(for_good=account.asks_for_identity)
            model.interpret(reason, reason != buying.NOT_YET, bool(account.pointwise))
        else:
            size = data.y.size
            model.resolve(data.x, size, parameters.p0, data.is_complex, n_points or size, lengths)
            if not model.on_host:
                _refuse_complex_model(model, data)
                if options.backend == "numpy" and model.info.road == "numpy":
                    model.interpret(BY_HAND, True, model.info.pointwise)
            elif at_once and _has_rules(model, options):
                buying.account_of(model).refuted = model.info.reason
                model.interpret(model.info.reason, final=True)


def _why_by_numpy(model: Model, data: Observations, options: Options) -> str:
    """Why a fit runs by NumPy; "" where it asks for a program."""
    if options.backend == "jax" or options.tr_solver != "exact":
        return ""
    account = buying.account_of(model)
    if options.backend == "numpy":
        return "" if account.writes_jax else BY_HAND
    if not _has_rules(model, options):
        return ""
    return account.refuted or (buying.NOT_YET if account.rents(model.n, data.y.size) else "")


def _has_rules(model: Model, options: Options) -> bool:
    """Whether it is left to us to try dual numbers, and the model may take them."""
    account = buying.account_of(model)
    return options.backend == "auto" and not (account.writes_jax or account.no_rule)


def _host_solver(options: Options) -> str:
    """Why the solver keeps a fit on the host; "" where a program does it."""
    if options.tr_solver != "exact" and options.backend == "numpy":
        return BY_HAND
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
