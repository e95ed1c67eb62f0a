"""Callbacks that watch a fit and may stop it.

A callback is any ``callback(iteration, cost, params, info)``: the iteration number, the cost
½ Σ ρ(r²), a copy of the parameters (shape (n,)) and a mapping with ``nfev`` (model evaluations so
far), ``optimality`` (largest scaled gradient), ``gradient`` (shape (n,), the cosines
g_j / (|J_j| |r|)) and ``step`` (norm of the last step). It stops the fit by returning False or by
raising :class:`StopOptimization` or StopIteration; the best point so far is then the answer, with a
status that says a callback stopped it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, Any


class StopOptimization(Exception):
    """Raise in a callback to stop the fit and keep the best parameters so far."""


class CallbackBase:
    """A callback with something to release: use it in a ``with`` block, or call `close`."""

    def __call__(
        self, iteration: int, cost: float, params: Any, info: Mapping[str, Any]
    ) -> bool | None:
        """Look at one iteration; return False to stop the fit."""

    def close(self) -> None:
        """Release what the callback holds; a second call does nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        self.close()


class CallbackChain(CallbackBase):
    """Call several callbacks; stop when any of them wants to.

    Every callback sees every iteration, also the one in which another stops the fit.

    Examples
    --------
    >>> chain = CallbackChain(EarlyStopping(patience=3), lambda i, cost, p, info: i < 20)
    >>> chain(20, 1.0, [0.0], {})
    False
    """

    def __init__(self, *callbacks: Callable[..., bool | None]):
        for callback in callbacks:
            if not callable(callback):
                raise TypeError(f"A callback must be callable, got {callback!r}.")
        self.callbacks = callbacks

    def __call__(self, iteration, cost, params, info):
        stop = False
        for callback in self.callbacks:
            try:
                stop |= callback(iteration, cost, params, info) is False
            except (StopOptimization, StopIteration):
                stop = True
        return False if stop else None

    def close(self) -> None:
        for callback in self.callbacks:
            if isinstance(callback, CallbackBase):
                callback.close()


class EarlyStopping(CallbackBase):
    """Stop when the cost has not improved for a while.

    Parameters
    ----------
    patience : int
        Iterations to wait for an improvement (default 10).
    min_delta : float
        Relative decrease of the best cost that counts as an improvement (default 1e-6).
    verbose : bool
        Print a line when stopping (default False).

    Examples
    --------
    >>> stop = EarlyStopping(patience=2)
    >>> [stop(i, 1.0, [0.0], {}) for i in range(3)]
    [None, None, False]
    """

    def __init__(self, patience: int = 10, min_delta: float = 1e-6, verbose: bool = False):
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience!r}.")
        if min_delta < 0:
            raise ValueError(f"min_delta must not be negative, got {min_delta!r}.")
        self.patience = patience
        self.min_delta = min_delta
        self.verbose = verbose
        self._start()

    def _start(self) -> None:
        self.best = math.inf
        self.waited = 0
        self._last = -1

    def __call__(self, iteration, cost, params, info):
        if iteration <= self._last:  # another fit has begun
            self._start()
        self._last = iteration
        if self.best == math.inf or self.best - cost > self.min_delta * self.best:
            self.best = cost
            self.waited = 0
            return None
        self.waited += 1
        if self.waited < self.patience:
            return None
        if self.verbose:
            print(f"Stopping at iteration {iteration}: no better cost for {self.waited} iterations")
        return False


class IterationLogger(CallbackBase):
    """Write one line per iteration.

    Parameters
    ----------
    filename : path, optional
        File to write; opened at once. Default: standard output.
    mode : {'w', 'a', 'x'}
        How to open `filename`.
    log_params : bool
        Write the parameters too (default False).
    file : text file, optional
        An open file, instead of `filename`; it is not closed.

    Raises
    ------
    ValueError
        If both `filename` and `file` are given.

    Examples
    --------
    >>> IterationLogger(log_params=True)(3, 0.25, [1.0, 2.0], {"nfev": 5})
    iteration     3  nfev     5  cost 2.50000000e-01  params [1, 2]
    """

    def __init__(
        self,
        filename: str | None = None,
        mode: str = "w",
        log_params: bool = False,
        file: IO[str] | None = None,
    ):
        if filename is not None and file is not None:
            raise ValueError("Give either filename or file, not both.")
        if mode not in ("w", "a", "x"):
            raise ValueError(f"mode must be 'w', 'a' or 'x', got {mode!r}.")
        self.log_params = log_params
        self._own = None if filename is None else open(filename, mode, encoding="utf-8")  # noqa: SIM115
        self._file = self._own or file

    def __call__(self, iteration, cost, params, info):
        line = f"iteration {iteration:5d}  nfev {info['nfev']:5d}  cost {cost:.8e}"
        if self.log_params:
            line += f"  params [{', '.join(f'{float(p):.10g}' for p in params)}]"
        print(line, file=self._file, flush=True)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()


class ProgressBar(CallbackBase):
    """Show progress on standard error: a bar when `max_nfev` is known, else a counter.

    A converging fit ends before the bar is full. Where standard error is not a terminal, one line
    is written on `close`.

    Parameters
    ----------
    max_nfev : int, optional
        Model evaluations that fill the bar.
    desc : str
        Text in front (default ``"Optimizing"``).
    file : text file, optional
        Where to draw (default standard error).

    Examples
    --------
    >>> import sys
    >>> with ProgressBar(max_nfev=100, file=sys.stdout) as bar:
    ...     bar(7, 0.125, [1.0], {"nfev": 9})
    Optimizing  iteration 7  nfev 9/100  cost 1.250000e-01
    """

    _WIDTH = 24
    _INTERVAL = 0.1  # seconds between two drawings

    def __init__(
        self, max_nfev: int | None = None, desc: str = "Optimizing", file: IO[str] | None = None
    ):
        if max_nfev is not None and max_nfev < 1:
            raise ValueError(f"max_nfev must be at least 1, got {max_nfev!r}.")
        self.max_nfev = max_nfev
        self.desc = desc
        self._file = file or sys.stderr
        self._drawn = 0.0
        self._last: str | None = None

    def __call__(self, iteration, cost, params, info):
        nfev = info["nfev"]
        count = f"{nfev}/{self.max_nfev}" if self.max_nfev else f"{nfev}"
        self._last = f"iteration {iteration}  nfev {count}  cost {cost:.6e}"
        now = time.monotonic()
        if self._file.isatty() and now - self._drawn >= self._INTERVAL:
            self._drawn = now
            self._file.write(f"\r{self.desc}  {self._bar(nfev)}{self._last}\x1b[K")
            self._file.flush()

    def _bar(self, nfev: int) -> str:
        if not self.max_nfev:
            return ""
        full = round(min(nfev / self.max_nfev, 1.0) * self._WIDTH)
        return f"{'━' * full}{'╌' * (self._WIDTH - full)}  "

    def close(self) -> None:
        if self._last is not None:
            start = "\r" if self._file.isatty() else ""
            end = "\x1b[K\n" if self._file.isatty() else "\n"
            self._file.write(f"{start}{self.desc}  {self._last}{end}")
            self._last = None
