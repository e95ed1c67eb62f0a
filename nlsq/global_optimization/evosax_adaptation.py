"""The CMA-ES of evosax, for who asks for it; its ends are tested as those of our own.

It floors the covariance's eigenvalues at 1e-8, so that axes in a ratio above 1e4 are out of its
reach. A run compiles its program, which takes a second or two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.global_optimization.cmaes_config import get_evosax_import_error
from nlsq.global_optimization.covariance_adaptation import CovarianceAdaptation, State


class EvosaxAdaptation(CovarianceAdaptation):
    """`CovarianceAdaptation` by `evosax.algorithms.CMA_ES`. Its state cannot be stored.

    Raises
    ------
    ImportError
        evosax is not installed.
    """

    def __init__(self, state: State, **tolerances: float):
        if missing := get_evosax_import_error():
            raise ImportError(missing)
        super().__init__(state, **tolerances)
        import jax

        with double_precision():
            self._method = _algorithm()(
                population_size=state.popsize, solution=np.zeros(state.mean.size)
            )
            params = self._method.default_params
            self._params = params.replace(std_init=np.asarray(state.sigma))
            self._key = jax.random.key(int(self._generator.integers(2**31)))
            self._its = self._method.init(self._next_key(), state.mean, self._params)

    def _next_key(self) -> Any:
        import jax

        self._key, key = jax.random.split(self._key)
        return key

    def ask(self) -> np.ndarray:
        """Draw a generation (popsize, n)."""
        with double_precision():
            x, self._its = self._method.ask(self._next_key(), self._its, self._params)
        x = np.array(x)
        self._asked = (x,)
        return x

    def _update(self, asked: tuple, ranked: np.ndarray, order: np.ndarray) -> None:
        with double_precision():
            self._its, _ = self._method.tell(
                self._next_key(), asked[0][order], ranked, self._its, self._params
            )
        s, its = self.state, self._its
        s.mean, s.sigma, s.covariance = np.array(its.mean), float(its.std), np.array(its.C)
        squares, s.basis = np.linalg.eigh(s.covariance)
        s.broken = not (np.isfinite(squares).all() and np.isfinite(s.sigma))
        s.lengths = np.sqrt(np.maximum(squares, 1e-8))


def _algorithm() -> Callable:
    from evosax.algorithms import CMA_ES

    return CMA_ES
