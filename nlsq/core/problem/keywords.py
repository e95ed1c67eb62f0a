"""The keywords of the front doors, and what to say of those that are none."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from nlsq.interfaces import LeastSquaresOptimizerProtocol, OptimizerProtocol
from nlsq.utils.input_error import closest

KEYWORDS = (
    "ftol", "xtol", "gtol", "x_scale", "loss", "f_scale", "max_nfev", "maxfev", "diff_step",
    "epsfcn", "diag", "factor", "callback", "verbose", "time_limit", "tr_solver", "tr_options",
    "cache", "workers", "backend",
)  # fmt: skip
# of `curve_fit` with a search for the global minimum (`nlsq.global_optimization`)
SEARCH = ("multistart", "global_search", "n_starts", "sampler", "center_on_p0", "scale_factor",
          "seed", "search_config", "cmaes_config")  # fmt: skip
# of `curve_fit`: bounds that are inferred (`nlsq.precision`)
BOUNDING = ("auto_bounds", "bounds_safety_factor")
# of a report on the fit's health (`nlsq.diagnostics`)
DIAGNOSTICS = ("compute_diagnostics", "diagnostics_config")
SEARCH_METHODS = ("global", "multistart", "multi-start", "cmaes", "cmaes-fast", "cmaes-global")
FRONT = ("p0", "sigma", "absolute_sigma", "check_finite", "bounds", "method", "jac", "full_output",
         "nan_policy", "fixed", "fallback", "stability", *SEARCH, *BOUNDING,
         *DIAGNOSTICS)  # fmt: skip
NO_ARGS = "Put what else the model takes into it: lambda x, a, b: f(x, a, b, more)."
_ORCHESTRATOR = "fallback=nlsq.stability.fallback.FallbackOrchestrator"
# other libraries' names
_HABITS = {
    "args": NO_ARGS, "kwargs": NO_ARGS, "fcn_args": NO_ARGS, "fcn_kws": NO_ARGS,
    "weights": "They multiply residuals in lmfit: sigma=1/weights. Of weights that multiply "
               "squares: sigma=1/sqrt(weights).",
    "params": "Give the starts as p0={name: value}, and bounds= and fixed= beside it.",
    "guess": "Give the starts as p0=, p0='auto' for the model's own guess.",
    "vary": "Name what is not fitted: fixed=['a'].",
    "goal": "It is one of `nlsq.fit`, which sets tolerances and a search by it.",
    "scale_covar": "absolute_sigma=True is scale_covar=False.",
    "fallback": "It is for one fit of data in memory, which is made again when it fails.",
    "max_fallback_attempts": f"Give {_ORCHESTRATOR}(max_attempts=...).",
    "fallback_verbose": f"Give {_ORCHESTRATOR}(verbose=True).",
    "iter_cb": "It is callback=.", "maxiter": "It is max_nfev=.", "yerr": "It is sigma=.",
}  # fmt: skip
_DATA = ("f", "fun", "model", "xdata", "ydata", "x0", "options", "fit_options", "self")


def is_optimizer(method: Any) -> bool:
    """Whether a `method` is the user's own minimiser, an object."""
    return method is not None and isinstance(
        method, OptimizerProtocol | LeastSquaresOptimizerProtocol
    )


def asks_for_search(method: Any, options: dict) -> bool:
    """Whether a call of `curve_fit` looks for the global minimum, or says how to."""
    named = method in SEARCH_METHODS if isinstance(method, str) else is_optimizer(method)
    return named or (bool(options) and not options.keys().isdisjoint(SEARCH))


def asks_for_report(compute_diagnostics: Any, config: Any) -> bool:
    """Whether a call wants a report on its fit's health.

    Raises
    ------
    TypeError
        For what is no bool, or no `DiagnosticsConfig`.
    """
    if not isinstance(compute_diagnostics, bool):
        raise TypeError(f"compute_diagnostics must be a bool, got {compute_diagnostics!r}.")
    if config is not None:
        from nlsq.diagnostics import DiagnosticsConfig  # which few fits need

        DiagnosticsConfig.of(config)
    return compute_diagnostics or config is not None


def asks_for_company(method: Any, options: dict) -> bool:
    """Whether a call of `curve_fit` asks for one of `nlsq.core.companions`, its reports apart."""
    own = bool(options) and ("workers" in options or not options.keys().isdisjoint(BOUNDING))
    return own or asks_for_search(method, options)


def require_one_start(xdata: Any, ydata: Any, method: Any, options: dict) -> None:
    """Refuse `fallback` for what is not one fit of data in memory from one start.

    Raises
    ------
    ValueError
    """
    if ydata is None:
        raise ValueError(
            f"fallback is for data in memory, and these are a {type(xdata).__name__}. Fit a sample "
            "with it, and all the data from there: p0=fit."
        )
    if asks_for_search(method, options):
        raise ValueError(
            "fallback is for a fit from one start, and a search makes many. Leave one of them out."
        )


def check_names(
    caller: str,
    given: Collection[str],
    front: tuple,
    model: Callable | str | None = None,
    lacks: Collection[str] = (),
) -> None:
    """Raise TypeError for a keyword that is unknown, with what was meant.

    Parameters
    ----------
    front : tuple
        Keywords of this caller besides `KEYWORDS`, of which it `lacks` some.
    model : callable or str, optional
        Whose parameters are no keywords.
    """
    for name in given:
        if name in KEYWORDS:
            continue
        known = [k for k in (*front, *KEYWORDS) if k not in lacks and k != name]
        near = closest(name, known)
        if name in _names(model):
            hint = f"It is a parameter of the model: p0={{{name!r}: ...}} gives its start."
        elif name in _HABITS:
            hint = _HABITS[name]
        elif near:
            hint = f"Did you mean {near[0]!r}?"
        else:
            hint = f"Known: {', '.join(k for k in known if k not in _DATA)}."
        if name in FRONT:
            hint = f"It is one of `curve_fit`. {hint}"
        raise TypeError(f"{caller}() got an unexpected keyword argument {name!r}. {hint}")


def _names(model: Any) -> tuple[str, ...]:
    """The model's parameters; none where they are not to be had without data."""
    from nlsq.core.model.model import parameter_names

    try:
        if isinstance(model, str):
            from nlsq.models.reading import read

            model = read(model)
        return () if model is None else parameter_names(model, None)
    except (TypeError, ValueError):
        return ()


def by_name(caller: str, before: int, names: tuple, args: tuple, options: dict) -> dict:
    """Options with the positional arguments `args` among them, which follow `before` others.

    Raises
    ------
    TypeError
        There are too many of them, or an argument was given twice.
    """
    if len(args) > len(names):
        raise TypeError(
            f"{caller}() takes at most {len(names) + before} positional arguments, "
            f"got {len(args) + before}."
        )
    given = dict(zip(names, args, strict=False))
    if twice := sorted(given.keys() & options.keys()):
        raise TypeError(f"{caller}() got multiple values for argument {twice[0]!r}.")
    return given | options
