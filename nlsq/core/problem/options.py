"""How to solve: the keyword options of the front doors, checked and brought to `Options`."""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nlsq.config import BACKENDS, backend
from nlsq.constants import EPS
from nlsq.core.loop.loop import METHODS
from nlsq.core.loss_functions import BUILT_IN, user_loss
from nlsq.core.loss_functions import NAMES as LOSSES
from nlsq.core.model.differences import SCHEMES
from nlsq.core.problem.keywords import FRONT, SEARCH_METHODS, check_names, is_optimizer
from nlsq.interfaces import CacheProtocol
from nlsq.utils.input_error import closest

# name in SciPy's leastsq -> ours
_ALIASES = {"maxfev": "max_nfev"}
_EITHER = (("maxfev", "max_nfev"), ("diag", "x_scale"), ("epsfcn", "diff_step"))
_SAYS_WHERE = frozenset(("backend",))
TR_SOLVERS = ("exact", "lsmr", "cg")
# of 'lsmr' SciPy's, of which a program that JAX traced knows `maxiter`
TR_OPTIONS = {
    "cg": ("maxiter", "tol"),
    "lsmr": ("maxiter", "atol", "btol", "conlim", "damp", "show", "regularize"),
}


class Partial(np.ndarray):
    """An option given for some parameters, (n,): NaN where the default holds."""


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
    cache: CacheProtocol | None = None
    workers: Any = None  # who evaluates what differences need
    backend: str = "auto"  # of `config.BACKENDS`
    history: list | None = None  # where (nit, cost, gradient) of each iteration go
    sampled: bool = True  # whether a fit to many points may begin on a sample of them
    tried_again: bool = True  # whether a fit with a suspicious end is (see `drive.tries`)

    @property
    def is_watched(self) -> bool:
        """Whether something happens between passes."""
        asked = self.callback is not None or self.verbose > 1 or self.deadline is not None
        return asked or self.history is not None

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
            return user_loss(self.loss, functools.partial(traced_loss_of, self.loss))
        return BUILT_IN.get(self.loss)

    @property
    def schemes(self) -> tuple[str, str]:
        """Host derivatives while iterating and while finishing."""
        if callable(self.jac):
            return "jac", "jac"
        if isinstance(self.jac, str):
            return self.jac, self.jac
        return "2-point", "3-point"


def traced_loss_of(loss: Callable) -> Callable:
    """`believing.traced_loss`, kept for the last losses."""
    hashable = getattr(type(loss), "__hash__", None) is not None  # a dataclass is not
    return (_kept_loss if hashable else _traced_loss)(loss)


def _traced_loss(loss: Callable) -> Callable:
    from nlsq.core.model.believing import traced_loss  # which loads JAX

    return traced_loss(loss)


_kept_loss = functools.lru_cache(maxsize=8)(_traced_loss)


def read_options(
    caller: str,
    method: str | None,
    jac: Any,
    bounded: bool,
    given: dict,
    front: tuple = FRONT,
    model: Callable | None = None,
) -> Options:
    """Options from a front door's keywords; `front` and `model` are those of `check_names`.

    Raises
    ------
    TypeError
        An unknown keyword, with the nearest known one.
    ValueError
        A value out of its range.
    """
    check_names(caller, given, front, model)
    if jac is None and given.keys() <= _SAYS_WHERE:
        return _defaults(_method(method, bounded), _backend(given.get("backend")))
    for one, other in _EITHER:
        if given.get(one) is not None and given.get(other) is not None:
            raise TypeError(f"{caller}() got both {one!r} and {other!r}; give one of them.")
    if not given.get("maxfev", 1):
        given = {k: v for k, v in given.items() if k != "maxfev"}  # leastsq's 0 means the default
    given = {_ALIASES.get(k, k): v for k, v in given.items()}
    method = _method(method, bounded)
    jac, diff_step = _derivative(jac, given.pop("epsfcn", None), given.pop("diff_step", None))
    tolerances = {k: _tolerance(k, given.pop(k, 1e-8)) for k in ("ftol", "xtol", "gtol")}
    if all(t is None or t < EPS for t in tolerances.values()):
        raise ValueError(
            "At least one of the tolerances `ftol`, `xtol`, `gtol` must be higher than machine "
            f"epsilon ({EPS:.2e}), or nothing can stop the fit."
        )
    tr_solver = _tr_solver(given.pop("tr_solver", None))
    diag = given.pop("diag", None)
    x_scale = given.pop("x_scale", None)
    if diag is not None:
        x_scale = 1 / _diagonal(diag)
    return Options(
        method=method,
        jac=jac,
        diff_step=diff_step,
        x_scale=_x_scale(x_scale),
        loss=_loss(given.pop("loss", "linear"), method),
        f_scale=_f_scale(given.pop("f_scale", 1.0)),
        factor=_factor(given.pop("factor", None)),
        max_nfev=_budget(given.pop("max_nfev", None)),
        callback=_callback(given.pop("callback", None)),
        verbose=_verbose(given.pop("verbose", 0)),
        deadline=_deadline(given.pop("time_limit", None)),
        tr_solver=tr_solver,
        tr_options=_tr_options(given.pop("tr_options", None), tr_solver),
        cache=_cache(given.pop("cache", None)),
        workers=_workers(given.pop("workers", None)),
        backend=_backend(given.pop("backend", None)),
        **tolerances,
    )


def check_kept(caller: str, kept: dict, front: tuple) -> None:
    """Raise for options to keep that are wrong whatever the model; `front` are not looked at."""
    named = [k for k in ("x_scale", "diff_step") if isinstance(kept.get(k), Mapping)]
    given = {k: v for k, v in kept.items() if k not in front and k not in named}
    read_options(caller, None, None, False, given, front)


def since(started: float, options: dict) -> dict:
    """`options` with what is left of the time limit, which began to run when `started`."""
    limit = options.get("time_limit")
    if not isinstance(limit, int | float) or not limit > 0:  # none, or to be refused
        return options
    return options | {"time_limit": max(limit - (time.monotonic() - started), 1e-9)}


@functools.lru_cache
def _defaults(method: str, backend: str) -> Options:
    return Options(method=method, backend=backend)


def _method(method, bounded) -> str:
    if method is None:
        return "trf"
    if not isinstance(method, str) or method not in METHODS:
        hint = ""
        if isinstance(method, str) and method in SEARCH_METHODS:
            hint = " Searches for the global minimum are methods of `curve_fit` and `fit`."
        elif isinstance(method, str) and (near := closest(method, SEARCH_METHODS)):
            hint = f" Did you mean {near[0]!r}?"
        elif is_optimizer(method):
            hint = " An optimizer is a method of `curve_fit` and `fit`."
        elif not isinstance(method, str):
            hint = " A minimiser has a method optimize(fun, x0, args, **options): nlsq.interfaces."
        raise ValueError(f"`method` must be 'trf', 'dogbox' or 'lm', got {method!r}.{hint}")
    if method == "lm" and bounded:
        raise ValueError(
            "Method 'lm' only works for unconstrained problems. Use 'trf' or 'dogbox' instead."
        )
    return method


def _derivative(jac, epsfcn, diff_step):
    if jac is not None and not callable(jac) and not (isinstance(jac, str) and jac in SCHEMES):
        raise ValueError(f"`jac` must be None, a callable or one of {SCHEMES}, got {jac!r}.")
    if epsfcn is not None:
        diff_step = np.sqrt(_positive("epsfcn", epsfcn))
    if diff_step is not None and jac is None:
        jac = "2-point"  # a step only makes sense for differences, so it asks for them
    if diff_step is not None and callable(jac):
        raise ValueError("`diff_step` is the step of finite differences; `jac` is a callable.")
    return jac, diff_step


def _tolerance(name, value):
    if value is None:
        return None
    if not isinstance(value, int | float | np.number):
        raise TypeError(f"`{name}` must be None or a number >= 0, got {value!r}.")
    if not value >= 0:
        raise ValueError(f"`{name}` must be None or a number >= 0, got {value!r}.")
    if 0 < value < EPS:
        warnings.warn(
            f"Setting `{name}` below the machine epsilon ({EPS:.2e}) effectively disables the "
            "corresponding termination condition.",
            stacklevel=4,
        )
    return float(value)


def _f_scale(f_scale) -> float:
    f_scale = _positive("f_scale", f_scale)
    if not 1e-150 < f_scale < 1e150:
        raise ValueError(f"`f_scale` must lie between 1e-150 and 1e150, got {f_scale!r}.")
    return f_scale


def _factor(factor):
    return None if factor is None else _positive("factor", factor)


def _positive(name, value) -> float:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 < value < np.inf:
        raise ValueError(f"`{name}` must be a positive number, got {value!r}.")
    return float(value)


def _diagonal(diag) -> np.ndarray:
    try:
        diag = np.asarray(diag, float)
    except (TypeError, ValueError):
        diag = np.array(np.nan)
    if not (np.isfinite(diag).all() and (diag > 0).all()):
        raise ValueError("`diag` must be positive numbers, one for each parameter.")
    return diag


def _x_scale(x_scale):
    if x_scale is None or (isinstance(x_scale, str) and x_scale == "jac"):
        return "jac"
    if type(x_scale) is Partial:
        return np.where(np.isnan(x_scale), 0.0, x_scale)  # 0: from the Jacobian
    try:
        scale = np.asarray(x_scale, float)
    except (TypeError, ValueError):
        scale = np.array(np.nan)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError(f"`x_scale` must be 'jac' or positive numbers, got {x_scale!r}.")
    return scale


def _loss(loss, method):
    if loss not in LOSSES and not callable(loss):
        raise ValueError(f"`loss` must be one of {LOSSES} or a callable, got {loss!r}.")
    if method == "lm" and loss != "linear":
        raise ValueError("Method 'lm' supports only 'linear' loss function.")
    return loss


def _tr_solver(tr_solver) -> str:
    if tr_solver is None:
        return "exact"
    if tr_solver not in TR_SOLVERS:
        raise ValueError(f"`tr_solver` must be None or one of {TR_SOLVERS}, got {tr_solver!r}.")
    return tr_solver


def _tr_options(given, tr_solver) -> dict:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise TypeError(f"`tr_options` must be a dict, got {given!r}.")
    if given and tr_solver == "exact":
        raise ValueError(
            "`tr_options` are for the iterative `tr_solver` 'lsmr' or 'cg'; the exact one has none."
        )
    for name in given:
        if name not in (known := TR_OPTIONS[tr_solver]):
            near = closest(name, known)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
            raise TypeError(f"`tr_options` of {tr_solver!r} has an unexpected key {name!r}.{hint}")
    maxiter, tol = given.get("maxiter", 1), given.get("tol", 0.5)
    if not isinstance(maxiter, int | np.integer) or isinstance(maxiter, bool) or maxiter <= 0:
        raise ValueError(f"tr_options['maxiter'] must be a positive integer, got {maxiter!r}.")
    if not isinstance(tol, int | float | np.number) or not 0 < tol < 1:
        raise ValueError(f"tr_options['tol'] must be a number between 0 and 1, got {tol!r}.")
    return dict(given)


def _budget(max_nfev):
    if max_nfev is None:
        return None
    if not isinstance(max_nfev, int | float | np.number):
        raise TypeError(f"`max_nfev` must be None or a positive integer, got {max_nfev!r}.")
    if not (0 < max_nfev < np.inf and max_nfev == int(max_nfev)):
        raise ValueError(f"`max_nfev` must be None or a positive integer, got {max_nfev!r}.")
    return int(max_nfev)


def _callback(callback):
    if callback is not None and not callable(callback):
        raise TypeError(f"`callback` must be callable, got {callback!r}.")
    return callback


def _cache(cache):
    if cache is not None and not isinstance(cache, CacheProtocol):
        raise TypeError(
            "`cache` must be an nlsq.SmartCache or have methods get(key, default), "
            f"set(key, value) and clear(), got {cache!r}."
        )
    return cache


def _workers(workers):
    whole = isinstance(workers, int | np.integer) and not isinstance(workers, bool)
    if workers is None or callable(workers) or (whole and (workers == -1 or workers > 0)):
        return workers
    raise (ValueError if whole else TypeError)(
        "`workers` must be None, a number of processes (-1: as many as there are cores) or a "
        f"callable like map, got {workers!r}."
    )


def _backend(name) -> str:
    if name is None:
        return backend()
    if name not in BACKENDS:
        raise ValueError(f"`backend` must be None or one of {BACKENDS}, got {name!r}.")
    return name


def _verbose(verbose):
    if verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` must be in [0, 1, 2], got {verbose!r}.")
    return int(verbose)


def _deadline(seconds):
    """The moment at which the call, which has just begun, should end."""
    return None if seconds is None else time.monotonic() + _positive("time_limit", seconds)
