"""Covariance matrix adaptation (CMA-ES): a search for a minimum by sampling, without derivatives.

After N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772 (2016), whose numbers
of equations and tables are given. `ask` draws a whole generation, `tell` takes its costs; who
calls them owns the loop. All that a search knows is one `State`, from which it goes on bit by bit.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

_CONDITION = 1e14  # of the covariance; above it rounding decides the directions
_DIVERGED = 1e4  # growth of the longest axis, beyond which there is no minimum to be found
_FAR = 10.0  # growth of the steps at which nothing further off is looked at from a plateau
_PATIENCE = 10  # generations in a row in which the model failed everywhere


class Constants(NamedTuple):
    """The strategy's parameters (Tutorial, table 1), which n and the size of a generation fix."""

    parents: int
    positive: np.ndarray  # (parents,), sum 1
    negative: np.ndarray  # (popsize - parents,), all <= 0
    mu_eff: float
    c_sigma: float
    d_sigma: float
    c_path: float
    c_one: float
    c_mu: float
    chi: float  # the expected length of a standard normal vector
    lazy: int  # generations between two decompositions


@lru_cache(maxsize=64)
def constants(n: int, popsize: int) -> Constants:
    """Equations 49 to 58."""
    raw = math.log((popsize + 1) / 2) - np.log(np.arange(1, popsize + 1))
    parents = popsize // 2
    up, down = raw[:parents], raw[parents:]
    mu_eff = up.sum() ** 2 / (up**2).sum()
    mu_eff_down = down.sum() ** 2 / (down**2).sum()
    c_sigma = (mu_eff + 2) / (n + mu_eff + 5)
    d_sigma = 1 + 2 * max(0.0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_sigma
    c_path = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
    c_one = 2 / ((n + 1.3) ** 2 + mu_eff)
    c_mu = min(1 - c_one, 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff))
    shrink = min(
        1 + c_one / c_mu,
        1 + 2 * mu_eff_down / (mu_eff + 2),
        (1 - c_one - c_mu) / (n * c_mu),  # keeps the covariance positive definite
    )
    return Constants(
        parents=parents,
        positive=up / up.sum(),
        negative=down * (max(shrink, 0.0) / np.abs(down).sum()),
        mu_eff=float(mu_eff),
        c_sigma=c_sigma,
        d_sigma=d_sigma,
        c_path=c_path,
        c_one=c_one,
        c_mu=c_mu,
        chi=math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)),
        lazy=max(1, int(1 / (10 * n * (c_one + c_mu)))),
    )


@dataclass
class State:
    """All that a search knows between two generations.

    Parameters
    ----------
    mean, sigma, covariance
        The distribution that candidates are drawn from, N(mean, sigma² covariance).
    basis, lengths
        Its axes: covariance = basis diag(lengths²) basisᵀ, as of generation `decomposed`.
    step_path, path
        The evolution paths p_σ and p_c.
    best, best_cost
        The best candidate so far, and its cost; inf while there is none.
    bests, medians : list of float
        The best and the median cost of each generation.
    """

    mean: np.ndarray
    sigma: float
    covariance: np.ndarray
    basis: np.ndarray
    lengths: np.ndarray
    step_path: np.ndarray
    path: np.ndarray
    best: np.ndarray
    random: dict[str, Any]
    popsize: int
    first_sigma: float
    best_cost: float = math.inf
    generation: int = 0
    decomposed: int = 0
    broken: bool = False  # the covariance is no longer positive definite within rounding
    failed: int = 0  # generations in a row without a finite cost
    spread: float = math.inf  # of the last generation: median - best
    bests: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)


def begin(mean: np.ndarray, sigma: float, popsize: int, random: np.random.Generator) -> State:
    """A search that begins at `mean` with steps of `sigma` in every direction."""
    mean = np.array(mean, dtype=float)
    n = mean.size
    return State(
        mean=mean,
        sigma=float(sigma),
        covariance=np.eye(n),
        basis=np.eye(n),
        lengths=np.ones(n),
        step_path=np.zeros(n),
        path=np.zeros(n),
        best=mean.copy(),
        random=random.bit_generator.state,
        popsize=int(popsize),
        first_sigma=float(sigma),
    )


class CovarianceAdaptation:
    """One run of CMA-ES with weighted recombination, active update and step-size adaptation.

    Parameters
    ----------
    state : State or dict
        Where it stands: from `begin`, or from `to_dict` of a run that was stopped.
    tol_fun : float
        The run ends when costs differ by less than this part of the best one, over the better half
        of a generation and over the best ones of the last generations.
    tol_x : float
        It ends when all steps are shorter than this part of the first one.
    target : float
        It ends at a cost as low as this. Sums of squares end at 0.

    Examples
    --------
    >>> import numpy as np
    >>> run = CovarianceAdaptation(begin(np.zeros(2), 0.5, 6, np.random.default_rng(1)))
    >>> while run.stop() is None:
    ...     X = run.ask()
    ...     run.tell(((X - [1.0, 2.0]) ** 2).sum(axis=1) + 1)
    >>> run.state.best.round(3), run.stop()
    (array([1., 2.]), 'tol_fun')
    """

    def __init__(
        self,
        state: State | dict[str, Any],
        *,
        tol_fun: float = 1e-8,
        tol_x: float = 1e-8,
        target: float = 0.0,
    ):
        self.state = state if isinstance(state, State) else State(**state)
        self.tol_fun, self.tol_x, self.target = tol_fun, tol_x, target
        n, popsize = self.state.mean.size, self.state.popsize
        self._constants = constants(n, popsize)
        bits = np.random.PCG64()
        bits.state = self.state.random
        self._generator = np.random.Generator(bits)
        self._window = 10 + math.ceil(30 * n / popsize)
        self._asked: tuple[np.ndarray, ...] | None = None  # x, y = C^½ z, z

    def to_dict(self) -> dict[str, Any]:
        """The state, to be stored; where costs are awaited, that before `ask`."""
        if self._asked is None:
            self.state.random = self._generator.bit_generator.state
        return asdict(self.state)

    def ask(self) -> np.ndarray:
        """Draw a generation.

        Returns
        -------
        ndarray, shape (popsize, n)
        """
        s = self.state
        s.random = self._generator.bit_generator.state
        z = self._generator.standard_normal((s.popsize, s.mean.size))
        if s.generation == 0:
            z[0] = 0.0  # the start itself
        y = (z * s.lengths) @ s.basis.T
        x = s.mean + s.sigma * y
        self._asked = x, y, z
        return x

    def tell(self, costs: np.ndarray) -> None:
        """Learn from the costs of the generation that was asked for last.

        Parameters
        ----------
        costs : array_like, shape (popsize,)
            What is not finite counts as worse than everything else, and does not move the mean.
        """
        if self._asked is None:
            raise RuntimeError("tell() takes the costs of a generation; call ask() before it.")
        asked, self._asked = self._asked, None
        costs = np.asarray(costs, dtype=float)
        costs = np.where(np.isfinite(costs), costs, np.inf)
        order = costs.argsort(kind="stable")
        ranked = costs[order]
        if self._note(asked[0], ranked, order):
            self._update(asked, ranked, order)

    def _note(self, x: np.ndarray, ranked: np.ndarray, order: np.ndarray) -> bool:
        """Keep what the tests for an end need; whether some cost is finite."""
        s = self.state
        s.generation += 1
        finite = int(ranked.searchsorted(np.inf))
        best, middle = float(ranked[0]), float(ranked[min(s.popsize // 2, max(finite - 1, 0))])
        s.bests.append(best)
        s.medians.append(middle)
        if finite == 0:
            s.failed += 1
            return False
        s.failed, s.spread = 0, middle - best
        if best < s.best_cost:
            s.best_cost, s.best = best, x[order[0]].copy()
        return True

    def _update(self, asked: tuple, ranked: np.ndarray, order: np.ndarray) -> None:
        """Adapt the distribution."""
        s, (_, y, z) = self.state, asked
        self._learn(y[order], z[order], int(ranked.searchsorted(np.inf)))
        flat = ranked[0] == ranked[int(0.7 * s.popsize)]
        if flat and s.sigma < _FAR * s.first_sigma:  # a plateau: look further around
            s.sigma *= math.exp(0.2 + self._constants.c_sigma / self._constants.d_sigma)
        if s.generation - s.decomposed >= self._constants.lazy:
            self._decompose()

    def _learn(self, y: np.ndarray, z: np.ndarray, finite: int) -> None:
        """Equations 41 to 47 for steps y = C^½ z, the best first."""
        s, c, n = self.state, self._constants, self.state.mean.size
        weights, mu_eff = c.positive, c.mu_eff
        if finite < c.parents:  # what failed shows no way
            weights = c.positive.copy()
            weights[finite:] = 0.0
            weights /= weights.sum()
            mu_eff = 1 / float(weights @ weights)
        step = weights @ y[: c.parents]
        s.mean = s.mean + s.sigma * step

        whitened = s.basis @ (weights @ z[: c.parents])
        s.step_path = (1 - c.c_sigma) * s.step_path
        s.step_path += math.sqrt(c.c_sigma * (2 - c.c_sigma) * mu_eff) * whitened
        length = math.sqrt(s.step_path @ s.step_path)
        usual = math.sqrt(1 - (1 - c.c_sigma) ** (2 * s.generation)) * c.chi
        short = length < (1.4 + 2 / (n + 1)) * usual
        s.path = (1 - c.c_path) * s.path
        if short:
            s.path += math.sqrt(c.c_path * (2 - c.c_path) * mu_eff) * step

        down = c.negative * (n / ((z[c.parents :] ** 2).sum(axis=1) + 1e-300))
        all_weights = np.concatenate([weights, down])
        keep = 1 - c.c_one - c.c_mu * (1 + c.negative.sum())
        if not short:
            keep += c.c_one * c.c_path * (2 - c.c_path)
        s.covariance = (
            keep * s.covariance
            + c.c_one * (s.path[:, None] * s.path)
            + c.c_mu * ((y.T * all_weights) @ y)
        )
        s.sigma *= math.exp(min(1.0, c.c_sigma / c.d_sigma * (length / c.chi - 1)))

    def _decompose(self) -> None:
        s = self.state
        s.decomposed = s.generation
        s.covariance = (s.covariance + s.covariance.T) / 2
        if not np.isfinite(s.covariance).all():
            s.broken = True
            return
        squares, basis = np.linalg.eigh(s.covariance)
        if not 0 < squares[-1] < _CONDITION * squares[0]:
            s.broken = True
            return
        s.basis, s.lengths = np.ascontiguousarray(basis), np.sqrt(squares)

    def stop(self) -> str | None:
        """Which test ends the run: None, or its name.

        Returns
        -------
        str or None
            'target', 'tol_fun', 'tol_x', 'stagnation', 'condition number', 'diverged' or
            'no finite cost'.
        """
        s = self.state
        if s.best_cost <= self.target:
            return "target"
        if s.failed >= _PATIENCE:
            return "no finite cost"
        if s.broken:
            return "condition number"
        if s.generation == 0 or s.failed:
            return None
        longest = s.sigma * float(s.lengths.max())
        if not longest < _DIVERGED * s.first_sigma:
            return "diverged"
        if self._equal_costs():
            return "tol_fun"
        if longest < self.tol_x * s.first_sigma or self._no_effect():
            return "tol_x"
        return "stagnation" if self._stagnates() else None

    def _equal_costs(self) -> bool:
        s = self.state
        small = self.tol_fun * abs(s.best_cost)
        if s.spread > small or s.generation < self._window:
            return False
        recent = s.bests[-self._window :]
        return max(recent) - min(recent) <= small

    def _no_effect(self) -> bool:
        """Whether steps vanish beside the mean."""
        s = self.state
        if s.sigma * s.lengths[0] > 1e-13 * math.sqrt(s.mean @ s.mean):
            return False
        axes = 0.2 * s.sigma * np.sqrt(s.covariance.diagonal())
        return bool((s.mean + axes == s.mean).any())

    def _stagnates(self) -> bool:
        """Whether neither the best nor the median costs fell, over many generations."""
        s, n = self.state, self.state.mean.size
        window = int(max(120 + 30 * n / s.popsize, 0.2 * s.generation))
        if s.generation < window or s.generation % 10:
            return False
        part = int(0.3 * window)
        return all(
            np.median(costs[-part:]) >= np.median(costs[-window:][:part])
            for costs in (s.bests, s.medians)
        )
