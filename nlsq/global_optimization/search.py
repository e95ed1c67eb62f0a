r"""Multi-start: draw many starts, look at all, fit some, and stop when the best was found often.

1.  What enters linearly is found and solved at every start (`units`, `projecting`); the others are
    drawn from scales of the data and from the bounds (`ranges`).
2.  Starts come in rounds of 48, 96, 192, ... Each is screened by its cost; the best are fitted to
    the end, in lanes, which cost little more than one fit. From the second round on half of the
    starts have some of their parameters from the best ends so far.
3.  The search ends when the best minimum was reached from enough of the starts that owe nothing to
    it, more of them where its residuals are alike, or when all starts were used, as they are where
    such residuals are much of the data. How many minima it has not seen is then estimated from how
    often it saw the others (Boender and Rinnooy Kan).
4.  Of many points the search sees a sample; the best ends are then fitted to all of them.

References: A. Rinnooy Kan, G. Timmer, "Stochastic global optimization methods", Math. Programming
39 (1987); C. Boender, A. Rinnooy Kan, "Bayesian stopping rules for multistart global optimization
methods", Math. Programming 37 (1987).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np

from nlsq.core.drive.tries import UNEXPLAINED, alike
from nlsq.core.model.sharing import OutOfTime
from nlsq.global_optimization.config import GlobalOptimizationConfig
from nlsq.global_optimization.gathering import curve_of, gathered
from nlsq.global_optimization.local import Ends, fit_from, joined
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.projecting import project
from nlsq.global_optimization.ranges import Ranges
from nlsq.global_optimization.sampling import get_sampler, require_dimension
from nlsq.global_optimization.units import Units, units_of
from nlsq.result.distinct import distinct
from nlsq.result.minima import INTERRUPTED, OUT_OF_TIME, USED_UP, Minima
from nlsq.utils import interruption

_FIRST, _TRIED = 48, 12  # starts of the first round, and fits
_FITS = 4  # of one kind of starts in each other round, at least
_DOUBLED = 5  # times, after which rounds are as long as the last
_POINTS, _SEEN = 2048, 64  # of the data that a search sees, and that starts are screened by
_ENOUGH = 8  # fits that have to end at the best minimum; the first round begins with as many
_SURE, _ROUNDS = 16, 2  # and rounds, where its residuals show that something is left to explain
_SAME = 1e-6  # relative difference of two costs that is none
_MOVED = 0.1  # relative step of a parameter that shows whether it acts
_PAIRS, _TWINS = 15, 3  # exchanges of two values that are looked at, and that are fitted
_BEST = 6  # ends that later starts may be like


class Search:
    """A search from many starts.

    Parameters
    ----------
    problem : Problem
    config : GlobalOptimizationConfig
    given : ndarray (k, n)
        Starts that are known.
    chosen : bool
        Whether they are more than defaults, as p0 and a model's guess are: these are always fitted,
        and others may be drawn around the first. Defaults, whose equal values may hold each other
        (two rates of 1), compete with those that are drawn.
    units : Units, optional
        Where they are known.
    """

    def __init__(
        self,
        problem: Problem,
        config: GlobalOptimizationConfig,
        given: np.ndarray,
        chosen: bool = False,
        units: Units | None = None,
    ):
        self.whole, self.config, self.given = problem, config, given
        self.chosen, self.centered = chosen, chosen and config.center_on_p0
        self.problem = problem.some(_POINTS)
        self.rng = np.random.default_rng(config.seed)
        self.screen = self.problem.some(_SEEN)
        self.units = units_of(self.screen, self.rng) if units is None else units
        self.ranges = Ranges(self.problem, self.units)
        if self.ranges.drawn.size:
            require_dimension(config.sampler, self.ranges.drawn.size)
        self.starts, self.ends, self.own = [], [], []
        self.drawn = self.rounds = 0
        self.stopped = ""
        self.seen = np.inf, problem.p0  # the best that was screened: its cost, and itself

    def run(self, show: Callable[[], None] = lambda: None) -> None:
        """Draw, screen and fit until the best minimum was found often enough.

        Ctrl-C and the time limit end it sooner, with what it has. `show` is called after rounds.
        """
        try:
            while not self.stopped:
                self._round(self.rounds)
                self.stopped = self.stopped or self._used_up()
                show()
            self._exchanged()
        except KeyboardInterrupt:
            if not self.ends:
                raise
            self.stopped = INTERRUPTED
        except OutOfTime:
            self.stopped = OUT_OF_TIME
        finally:
            for part in (self.whole, self.problem, self.screen):
                part.deadline = None

    def _round(self, number: int) -> None:
        config, dims = self.config, self.ranges.drawn.size
        count = min(_FIRST << min(number, _DOUBLED), config.n_starts - self.drawn) if dims else 1
        if dims:
            cube = get_sampler(config.sampler)(count, dims, seed=[config.seed, number])
            P = self._drawn(cube, number)
        else:
            P = self.problem.p0[None]
        own = self._own(count, number)
        if dims and not number and not self.chosen:
            P, own = np.concatenate([self.given, P]), np.concatenate([self._known, own])
        P, cost = self._screened(P)
        share = config.n_fits / config.n_starts
        picked = np.concatenate([self._best(cost, rows, share) for rows in (own, ~own)])
        starts, own = P[picked], own[picked]
        if not number and self.chosen:
            starts = np.concatenate([self._screened(self.given)[0], starts])
            own = np.concatenate([self._known, own])
        left = config.n_fits - sum(map(len, self.starts))
        starts, own = starts[:left], own[:left]
        self.drawn += count
        self.rounds += 1
        early = [_ENOUGH] if not number else []  # fits, which are all of an easy problem
        for some, known in zip(np.split(starts, early), np.split(own, early), strict=True):
            self._fit(some, known)
            self.stopped = self._agreed() or self._late()
            if self.stopped:
                break

    @property
    def _known(self) -> np.ndarray:
        return np.ones(len(self.given), bool)

    def _own(self, count: int, number: int) -> np.ndarray:
        """(count,) False for starts of a round that are like ends of those before."""
        return np.ones(count, bool) if not number else np.arange(count) % 4 < 2

    def _best(self, cost: np.ndarray, rows: np.ndarray, share: float) -> np.ndarray:
        """The starts among `rows` that are worth a fit."""
        rows = np.flatnonzero(rows & np.isfinite(cost))
        least = _FITS if self.rounds else _TRIED
        return rows[np.argsort(cost[rows], kind="stable")][: max(least, round(share * len(rows)))]

    def _drawn(self, cube: np.ndarray, number: int) -> np.ndarray:
        config, k = self.config, len(cube)
        if self.centered:
            P = self.ranges.around(cube, self.given[0], config.scale_factor)
        else:
            P = self.ranges.draw(cube, self.rng, self.drawn)
        like = ~self._own(k, number)
        if like.any() and self.ends and len(best := self._best_ends()):
            P[like] = self.ranges.vary(best, P[like], self.rng)
        return P

    def _exchanged(self) -> None:
        """Fit from the best end with two of its values exchanged: rates whose roles can change.

        The twin of a minimum may have a small basin; where the data cannot tell the two apart, the
        answer is to say so, and not to depend on which of them was met.
        """
        pairs = list(itertools.combinations(self.ranges.drawn.tolist(), 2))[:_PAIRS]
        best = self._best_ends()[:1]
        if not pairs or not len(best):
            return
        P = np.repeat(best, len(pairs), axis=0)
        for row, (i, j) in zip(P, pairs, strict=True):
            row[[i, j]] = row[[j, i]]
        P = P[((self.problem.lb <= P) & (self.problem.ub >= P)).all(axis=1)]
        if not len(P):
            return
        P, cost = self._screened(np.concatenate([best, P]))
        other = np.isfinite(cost) & (np.abs(cost - cost[0]) > _SAME * cost[0])  # no exact exchange
        left = self.config.n_fits - sum(map(len, self.starts))
        most = min(_TWINS, int(other.sum()), max(left, 0))
        near = np.argsort(np.where(other, cost, np.inf), kind="stable")[:most]
        self._fit(P[near], np.zeros(len(near), bool))

    def _screened(self, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        P, cost = project(self.screen, self.units.linear, P)
        if len(P) and cost.min() < self.seen[0]:
            self.seen = cost.min(), P[np.argmin(cost)]
        return P, cost

    def _fit(self, starts: np.ndarray, own: np.ndarray) -> None:
        if len(starts):
            self.ends.append(fit_from(self.problem, starts, self.units.linear))
            self.starts.append(starts)
            self.own.append(own)
            interruption.worth_saving()

    # -------------------------------------------------------------------------------- judging

    @property
    def costs(self) -> np.ndarray:
        """Of all ends so far."""
        return joined(self.ends).cost

    @property
    def points(self) -> np.ndarray:
        """All ends so far (k, n)."""
        return joined(self.ends).x

    @property
    def evaluations(self) -> int:
        """Curves that were evaluated; those of some of the points by their share."""
        size = self.whole.data.y.size
        parts = {id(p): p for p in (self.whole, self.problem, self.screen)}.values()
        return int(np.ceil(sum(p.evaluations * p.data.y.size / size for p in parts)))

    @property
    def failed(self) -> tuple[int, str]:
        """(starts and curves that failed, the first reason)."""
        parts = {id(p): p for p in (self.screen, self.problem, self.whole)}.values()
        return sum(p.failed for p in parts), next((p.first_failure for p in parts if p.failed), "")

    @property
    def told(self) -> str:
        """How far it is, in few words."""
        cost = self.costs.min(initial=np.inf)
        reached = np.isfinite(self.costs) & (self.costs <= self.problem.tolerance(cost))
        return f"searching  cost {cost:.6g}, reached by {reached.sum()} of {len(self.costs)} fits"

    def _best_ends(self) -> np.ndarray:
        """The best ends, each minimum once."""
        order, cost, kept = np.argsort(self.costs), self.costs, []
        for i in order:
            if not np.isfinite(cost[i]) or len(kept) == _BEST:
                break
            if not kept or cost[i] > self.problem.tolerance(cost[kept[-1]]):
                kept.append(i)
        return self.points[kept]

    def _agreed(self) -> str:
        """What there is to say where the best minimum was found often enough, else ''."""
        cost = self.costs
        best = cost.min(initial=np.inf)
        reached = (cost <= self.problem.tolerance(best)) & np.isfinite(cost)
        found = int(reached[np.concatenate([*self.own, np.empty(0, bool)])].sum())
        if not self.ranges.drawn.size:
            return "the model is linear in all that is fitted"
        if found >= _ENOUGH and self._is_enough(found):
            return f"{reached.sum()} of {len(cost)} fits ended at the best minimum"
        return ""

    def _used_up(self) -> str:
        if self.drawn >= self.config.n_starts:
            return USED_UP[0]
        return USED_UP[1] if sum(map(len, self.starts)) >= self.config.n_fits else ""

    def _late(self) -> str:
        deadline = self.problem.options.deadline
        return OUT_OF_TIME if deadline and time.monotonic() > deadline else ""

    def _is_enough(self, found: int) -> bool:
        problem, p = self.problem, self.points[np.argmin(self.costs)]
        if not self._acts(p):
            return False
        r = problem.whiten(problem.values(p[None])[0] - problem.data.y)
        if problem.x is None or not alike(r, problem.x, problem.data.idle):
            return True
        explained = 2 * self.costs.min() <= UNEXPLAINED * problem.data.spread()
        return explained and found >= _SURE and self.rounds >= _ROUNDS

    def _acts(self, p: np.ndarray) -> bool:
        """Whether the curve at p, if it is not exact, depends on x and on what is drawn.

        Where it does not, starts found what is linear, and have seen nothing of the rest.
        """
        problem, drawn = self.problem, self.ranges.drawn
        moved = np.tile(p, (len(drawn) + 1, 1))
        moved[np.arange(len(drawn)), drawn] *= 1 + _MOVED
        curves, spread = problem.values(moved), problem.data.spread()
        with np.errstate(all="ignore"):
            change = np.square(np.abs(problem.whiten(curves[:-1] - curves[-1]))).sum(axis=1)
        acts = (change > 1e-14 * spread).any() and (curves[-1] != curves[-1, 0]).any()
        return bool(acts or 2 * self.costs.min() <= 1e-14 * spread)

    # ----------------------------------------------------------------------------- the answer

    def found(self) -> Found:
        """The best end and the evidence.

        Raises
        ------
        ValueError
            The model fails at every start.
        """
        try:
            found = self._gathered()
            interruption.check()
            return found
        except KeyboardInterrupt:  # too late to end the search, too early to lose what it found
            self.stopped = INTERRUPTED
            return self._gathered()

    def _gathered(self) -> Found:
        problem, whole = self.problem, self.whole
        ends, starts = joined(self.ends), np.concatenate(self.starts or [np.empty((0, problem.n))])
        failed, reason = self.failed
        if not np.isfinite(ends.cost).any():
            if self.stopped == OUT_OF_TIME:
                return Found(self.seen[1], nothing_found(whole, self.config, self.drawn))
            raise ValueError(
                f"The model fails at all of {self.drawn + len(self.given)} starts, first with: "
                f"{reason}. Give p0, or bounds within which it has values."
            )
        if whole is not problem:
            ends = self._on_all_points(ends)
        minima = gathered(
            whole, self.units, ends.x, ends.cost, starts,
            converged=ends.converged, n_starts=self.drawn + len(self.given),
            n_failed=failed, first_failure=reason or None,
            n_evaluations=self.evaluations, seed=self.config.seed,
            sampler=self.config.sampler, stopped=self.stopped,
        )  # fmt: skip
        return Found(minima[0].params.copy(), minima)

    def _on_all_points(self, ends: Ends) -> Ends:
        """The best minima of the sample, fitted to all points; what is no such end is left out."""
        seen = np.flatnonzero(np.isfinite(ends.cost))
        starts = np.concatenate(self.starts)[seen]
        groups = distinct(ends.x[seen], ends.cost[seen], starts, curve_of(self.problem))[:_BEST]
        best = [seen[members[0]] for members, *_ in groups]
        whole = fit_from(self.whole, ends.x[best], self.units.linear)
        x, cost, converged = ends.x.copy(), np.full(len(ends.x), np.inf), ends.converged.copy()
        for i, (members, *_) in enumerate(groups):
            like = seen[members]
            x[like], cost[like], converged[like] = whole.x[i], whole.cost[i], whole.converged[i]
        return Ends(x, cost, converged, ends.nfev)


def nothing_found(problem: Problem, config: GlobalOptimizationConfig, drawn: int = 0) -> Minima:
    """Of a search that had no time for a single local fit."""
    nothing = np.empty((0, problem.n))
    return Minima.gather(
        nothing, np.empty(0), nothing, curve_of(problem), problem.names, n_starts=drawn,
        n_evaluations=problem.evaluations, seed=config.seed, sampler=config.sampler,
        stopped=OUT_OF_TIME,
    )  # fmt: skip
