"""`TournamentSelector`: of many candidates those that fit best, by successive halving on batches.

All candidates are judged on the same rows, round after round of batches; after a round the worse
half drops out, so that the last rounds cost little (K. Jamieson, A. Talwalkar, "Non-stochastic best
arm identification and hyperparameter optimization", AISTATS 2016). What counts is the cost over all
batches so far.

A candidate of the worse half stays as long as the rows do not tell it from the best one. The rows
are dealt, in blocks of `BLOCK`, to `GROUPS` groups in turn, so that each group is a sample of the
rows like all of them (interpenetrating subsamples: P. C. Mahalanobis, 1946). With d_g the mean
difference of two candidates' costs in group g, it drops out where

    mean d > t s,    s the standard error of the mean of the d_g,

t of Student's distribution with one degree of freedom less than there are groups. The difference is
paired, so that the noise that the two share does not count. The budget is the number of rounds:
candidates that are told apart in none of them are there at the end, ranked by their cost.

Blocks and groups have so many rows whatever the batches, which leaves the answer, to the bit, the
same for batches of any size with the same rows in each round.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any

import numpy as np

from nlsq.core.model.given import real
from nlsq.global_optimization.batch_costs import BLOCK, Batch, BatchCosts
from nlsq.global_optimization.config import GlobalOptimizationConfig
from nlsq.result.quantiles import student
from nlsq.utils.validators import InputValidator

GROUPS = 31  # a prime: batches of 2^k blocks begin with another group each time
_LEVEL = 0.998  # two-sided: one in a thousand is above it by chance
_SETTINGS = ("elimination_rounds", "elimination_fraction", "batches_per_round")
VERSION = 1


class TournamentSelector:
    """Halves candidates in rounds on batches of data.

    Parameters
    ----------
    candidates : array_like (k, n)
        Parameter vectors.
    config : GlobalOptimizationConfig
        ``elimination_rounds`` rounds of ``batches_per_round`` batches; in each the share
        ``elimination_fraction`` of the candidates drops out.

    Raises
    ------
    ValueError
        No candidates, some that are not finite, or no round.
    TypeError
        Candidates that are no numbers, or another config.

    Notes
    -----
    Each batch must be a sample of all the data, not their first rows: of rows sorted by x, batches
    in their order see one end of it. `nlsq.fit` reads its batches from all over a file.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq.global_optimization import GlobalOptimizationConfig, TournamentSelector
    >>> def wave(x, w):
    ...     return np.sin(w * x)
    >>> rng = np.random.default_rng(0)
    >>> def batches():
    ...     for _ in range(12):
    ...         x = rng.uniform(0, 20, 2000)
    ...         yield x, wave(x, 3.0) + 0.1 * rng.normal(size=x.size)
    >>> config = GlobalOptimizationConfig(elimination_rounds=3, batches_per_round=4)
    >>> selector = TournamentSelector([[1.0], [2.5], [3.01], [5.0]], config)
    >>> selector.run_tournament(batches(), wave)
    array([[3.01]])
    >>> selector.get_diagnostics()["survivors"], selector.n_survivors
    ([2, 1], 1)
    """

    def __init__(self, candidates: Any, config: GlobalOptimizationConfig):
        _require_config(config)
        self._candidates = _checked(candidates)
        self._settings = {name: getattr(config, name) for name in _SETTINGS}
        if not config.elimination_rounds:
            raise ValueError("A tournament needs elimination_rounds of at least 1, got 0.")
        k = len(self._candidates)
        self._alive, self._failed = np.ones(k, bool), np.zeros(k, bool)
        self._sums = np.zeros((GROUPS, k))  # of costs
        self._rows = np.zeros(GROUPS, int)
        self._seen = np.zeros(k, int)  # rows that a candidate was judged on
        self._behind = np.full(k, np.nan)  # the best, per row, when it dropped out
        self._blocks = self._batches = 0
        self._survivors: list[int] = []  # after each round
        self._reason = ""
        self._waiting: Batch | None = None  # rows that do not fill a block yet

    @property
    def n_survivors(self) -> int:
        """Candidates that have not dropped out."""
        return int(self._alive.sum())

    @property
    def n_batches(self) -> int:
        """Batches that were taken: those to leave out when a checkpoint is taken up."""
        return self._batches

    def run_tournament(
        self,
        data_batch_iterator: Iterable[Any],
        model: Callable,
        top_m: int = 1,
    ) -> np.ndarray:
        """The best candidates (m, n), the best one first; after a checkpoint go on from there.

        Parameters
        ----------
        data_batch_iterator : iterable of tuples (x, y) or (x, y, sigma)
            No more are taken than the rounds need. If it ends earlier, so does the last round.
        model : callable
            ``f(x, a, b, ...)``, pointwise; or `BatchCosts`, for a loss and for programs.
        top_m : int
            How many candidates are wanted; so many remain at least.

        Raises
        ------
        ValueError
            No batch came, its data are no good, or every candidate failed.

        Warns
        -----
        OptimizeWarning
            When the model failed at more than half of the candidates, with the first reason.
        """
        top_m = _counted("top_m", top_m, len(self._candidates))
        costs = model
        if not (isinstance(model, BatchCosts) or callable(model)):
            raise TypeError(f"model must be a function f(x, a, b, ...), got {model!r}.")
        if not isinstance(data_batch_iterator, Iterable):
            raise TypeError(
                "data_batch_iterator must yield batches (x, y) or (x, y, sigma), got "
                f"{data_batch_iterator!r}."
            )
        if not isinstance(model, BatchCosts):
            costs = BatchCosts.of(model, self._candidates.shape[1])
        per_round, batches = self._settings["batches_per_round"], iter(data_batch_iterator)
        end, open_round = self._settings["elimination_rounds"] * per_round, False
        while self._batches < end and self.n_survivors > top_m:
            batch = next(batches, None)
            if batch is None:
                break
            self._take(batch, costs)
            self._batches += 1
            open_round = self._batches % per_round > 0
            if not open_round:
                self._end_round(costs, top_m)
        if open_round:
            self._end_round(costs, top_m)
        if not self._rows.any():
            raise ValueError("The tournament got no data: its iterator gave no batch.")
        self._tell_failures()
        return self.get_top_candidates(top_m)

    def get_top_candidates(self, top_m: int = 1) -> np.ndarray:
        """The best `top_m` candidates (m, n) so far, first by how long they stayed, then by cost.

        Those at which the model failed are not among them, so that there may be fewer.

        Raises
        ------
        ValueError
            Before any data came.
        """
        top_m = _counted("top_m", top_m, len(self._candidates))
        if not self._rows.any():
            raise ValueError("There is no best candidate yet: call run_tournament first.")
        return self._candidates[self._ranked(np.flatnonzero(~self._failed))[:top_m]].copy()

    def get_diagnostics(self) -> dict[str, Any]:
        """What was judged on which data, and who is left.

        Returns
        -------
        dict
            ``n_candidates``, ``n_survivors``, ``survivors`` after each round, ``n_batches``,
            ``n_rows``, ``n_evaluations`` (of the model at one row), ``costs``, the mean per row at
            each candidate over the rows that it saw, ``behind``, how much of it is more than the
            best one's over the same rows (NaN where the model failed), ``n_failed`` and
            ``first_failure``, the reason or None, and ``in_doubt``: survivors that the data do not
            tell from the best.
        """
        ranked, behind = self._ranked(np.flatnonzero(self._alive)), self._behind.copy()
        told_apart = ranked
        if len(ranked) and self._rows.any():
            told_apart, behind[ranked] = self._compared(ranked, ranked[0])
        return {
            "n_candidates": len(self._candidates),
            "n_survivors": self.n_survivors,
            "survivors": list(self._survivors),
            "n_batches": self._batches,
            "n_rows": int(self._rows.sum()),
            "n_evaluations": int(self._seen.sum()),
            "costs": self._means(),
            "behind": behind,
            "n_failed": int(self._failed.sum()),
            "first_failure": self._reason or None,
            "in_doubt": max(len(ranked) - int(np.count_nonzero(told_apart)) - 1, 0),
        }

    # --------------------------------------------------------------------------- checkpoints

    def to_checkpoint(self) -> dict[str, Any]:
        """All of the state between two batches: arrays, and what JSON holds.

        With the batches that follow, a selector made from it gives the same bits as this one.
        """
        state = {
            "version": VERSION, **self._settings, "reason": self._reason,
            "candidates": self._candidates.copy(), "alive": self._alive.copy(),
            "failed": self._failed.copy(), "sums": self._sums.copy(), "rows": self._rows.copy(),
            "seen": self._seen.copy(), "behind": self._behind.copy(), "blocks": self._blocks,
            "batches": self._batches, "survivors": list(self._survivors),
        }  # fmt: skip
        if self._waiting is not None:
            names = zip(("x", "y", "weights"), self._waiting, strict=True)
            state |= {f"waiting_{name}": a.copy() for name, a in names if a is not None}
        return state

    @classmethod
    def from_checkpoint(
        cls, checkpoint: dict[str, Any], config: GlobalOptimizationConfig
    ) -> TournamentSelector:
        """The selector that a checkpoint was made of; leave out `n_batches` batches.

        Raises
        ------
        ValueError
            It is of another version or has other settings than `config`.
        """
        _require_config(config)
        if checkpoint.get("version") != VERSION:
            raise ValueError(
                f"The checkpoint has version {checkpoint.get('version')!r}, this nlsq reads "
                f"{VERSION}. Begin the tournament anew."
            )
        for name in _SETTINGS:
            if checkpoint[name] != getattr(config, name):
                raise ValueError(
                    f"The checkpoint is of a tournament with {name}={checkpoint[name]!r}, not "
                    f"{getattr(config, name)!r}. Give that, or begin anew."
                )
        made = cls(checkpoint["candidates"], config)
        for name in ("alive", "failed", "sums", "rows", "seen", "behind"):
            setattr(made, f"_{name}", np.array(checkpoint[name]))
        made._blocks, made._batches = int(checkpoint["blocks"]), int(checkpoint["batches"])
        made._survivors, made._reason = list(checkpoint["survivors"]), checkpoint["reason"]
        if "waiting_y" in checkpoint:
            waiting = (checkpoint.get(f"waiting_{name}") for name in ("x", "y", "weights"))
            made._waiting = Batch(*(None if a is None else np.array(a) for a in waiting))
        return made

    # --------------------------------------------------------------------------------- rounds

    def _take(self, batch: Any, costs: BatchCosts) -> None:
        """Judge those that are left on a batch, but for the rows that do not fill a block."""
        batch = _read(batch, self._batches)
        if self._waiting is not None:
            batch = self._waiting.followed_by(batch)
        whole = len(batch.y) // BLOCK * BLOCK
        self._judge(batch.rows(0, whole), costs)
        rest = batch.rows(whole)
        self._waiting = Batch(*(None if a is None else a.copy() for a in rest))

    def _judge(self, batch: Batch, costs: BatchCosts) -> None:
        alive, m = np.flatnonzero(self._alive), len(batch.y)
        table = costs(self._candidates, alive, batch)
        for i, row in enumerate(table):
            group = (self._blocks + i) % GROUPS
            self._sums[group] += row
            self._rows[group] += min(BLOCK, m - i * BLOCK)
        self._blocks += len(table)
        self._seen[alive] += m
        bad = ~np.isfinite(self._sums).all(axis=0) & self._alive
        if bad.any():
            reason = costs.reason or "its values or their squares are not finite"
            first = self._candidates[np.flatnonzero(bad)[0]]
            where = ", ".join(f"{v:g}" for v in first)
            self._reason = self._reason or f"{reason} (at {where})"
            self._failed |= bad
            self._alive &= ~bad

    def _end_round(self, costs: BatchCosts, top_m: int) -> None:
        """Let the worse drop out."""
        if self._waiting is not None:
            rest, self._waiting = self._waiting, None
            self._judge(rest, costs)
        if not self.n_survivors:
            self._tell_failures()
        ranked = self._ranked(np.flatnonzero(self._alive))
        share = 1.0 - self._settings["elimination_fraction"]
        keep = max(top_m, math.ceil(len(ranked) * share))
        rest = ranked[keep:]
        worse, behind = self._compared(rest, ranked[0])
        self._alive[rest[worse]] = False
        self._behind[rest[worse]] = behind[worse]
        self._survivors.append(self.n_survivors)

    def _ranked(self, which: np.ndarray) -> np.ndarray:
        """Candidates by how long they stayed, their cost, and their number."""
        return which[np.lexsort((self._means()[which], -self._seen[which]))]

    def _means(self) -> np.ndarray:
        """Cost per row (k,); NaN where the model failed."""
        with np.errstate(invalid="ignore"):
            means = self._sums.sum(axis=0) / np.maximum(self._seen, 1)
        return np.where(self._failed | (self._seen == 0), np.nan, means)

    def _compared(self, which: np.ndarray, best: int) -> tuple[np.ndarray, np.ndarray]:
        """Whether the rows tell candidates, judged on the same ones, from the best; the gaps."""
        used = self._rows > 0
        groups, rows = int(used.sum()), self._rows[used, None]
        gaps = (self._sums[used][:, which] - self._sums[used][:, [best]]) / rows
        shares = rows / rows.sum()
        mean = (shares * gaps).sum(axis=0)
        if groups < 2:
            return np.zeros(len(which), bool), mean
        error = np.sqrt(groups / (groups - 1) * (np.square(shares * (gaps - mean))).sum(axis=0))
        return mean > student(_LEVEL, groups - 1) * error, mean

    def _tell_failures(self) -> None:
        """Raise when every candidate failed, warn when most did."""
        k, failed = len(self._candidates), int(self._failed.sum())
        told = f"The model failed at {failed} of {k} candidates. The first reason: {self._reason}."
        if failed == k:
            raise ValueError(f"{told} Give bounds within which the model is defined.")
        if 2 * failed > k:
            from nlsq.result.optimize_warning import OptimizeWarning

            warnings.warn(told, OptimizeWarning, stacklevel=3)

    def __repr__(self) -> str:
        k = len(self._candidates)
        return f"TournamentSelector({self.n_survivors} of {k} left after {self._batches} batches)"


def _require_config(config: Any) -> None:
    if not isinstance(config, GlobalOptimizationConfig):
        raise TypeError(
            f"config must be a GlobalOptimizationConfig, got {config!r}. Of a preset: "
            "GlobalOptimizationConfig.from_preset('streaming')."
        )


def _checked(candidates: Any) -> np.ndarray:
    found = real(candidates, "candidates").copy()
    if found.ndim != 2 or not found.size:
        raise ValueError(
            f"candidates must have shape (k, n), k vectors of n parameters; got {found.shape}."
        )
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if bad.size:
        raise ValueError(f"candidates must be finite; number {bad[0]} is {found[bad[0]]}.")
    return found


def _counted(name: str, value: Any, most: int) -> int:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not 1 <= value <= most:
        raise ValueError(
            f"{name} must be a whole number from 1 to {most}, the number of candidates; got "
            f"{value!r}."
        )
    return int(value)


def _read(batch: Any, number: int) -> Batch:
    """A batch of the user's, checked."""
    if isinstance(batch, Batch):
        return batch
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        got = type(batch).__name__
        got += f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
        raise TypeError(f"batch {number} must be a tuple (x, y) or (x, y, sigma), got {got}.")
    x, y, sigma = (*batch, None)[:3]
    try:
        data = InputValidator(True).validate(np.asarray(x), y, sigma)
    except (TypeError, ValueError) as error:
        raise type(error)(f"batch {number}: {error}") from error
    x, y = data.xdata, data.ydata
    if data.factor is not None:
        raise ValueError(f"batch {number}: sigma is a covariance matrix, which couples the rows.")
    if x.shape[-1:] != y.shape or x.ndim > 2:
        raise ValueError(
            f"batch {number}: x must have shape ({y.size},) or (k, {y.size}), as y has {y.size} "
            f"rows; it has {x.shape}."
        )
    if not np.isfinite(y if data.weights is None else y[data.weights > 0]).all():
        raise ValueError(
            f"batch {number}: y is not finite everywhere. Leave such rows out, or give them "
            "sigma=inf: weight 0."
        )
    return Batch(x, y, data.weights)
