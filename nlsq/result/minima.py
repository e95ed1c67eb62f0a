"""`Minima`: what a search for the best fit found, as evidence for its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import numpy as np

from nlsq.result.distinct import SAME_COST, Curve, distinct
from nlsq.result.params import import_pandas, unknown_parameter
from nlsq.utils.safe_serialize import DAMAGE, Codec
from nlsq.utils.spelling import spelled

CUT_SHORT = INTERRUPTED, OUT_OF_TIME = "an interruption", "the time limit"  # ends of a search
# what ends one that did not find its best minimum often
USED_UP = "all starts were used", "all local fits were made that the settings allow"
_MOST_STARTS = 8  # kept of each minimum
_RESTATED = 10  # minima whose parameters are put plainly
_TOLD = ("cost", "count", "valley", "equal")


@dataclass(frozen=True, eq=False)
class Minimum:
    """A minimum that local fits ended in.

    Attributes
    ----------
    cost : float
        Half the sum of squares, or of the loss, at its best end.
    params : ndarray, shape (n,)
        Its best end. Where other labels give the same curve (peaks in another order, a width below
        zero), it stands for them too.
    count : int
        How many local fits ended here.
    starts : ndarray, shape (k, n)
        From where; the first few.
    names : tuple of str
        Of the parameters.
    valley : bool
        Whether the ends lie along a line or surface of one curve: the data determine fewer
        combinations than there are parameters, and `params` is one point of many.
    equal : bool
        Whether its cost is that of the best minimum, within rounding and tolerances.
    """

    cost: float
    params: np.ndarray
    count: int
    starts: np.ndarray
    names: tuple[str, ...]
    valley: bool = False
    equal: bool = False

    def __getitem__(self, name: str) -> float:
        """The value of a parameter."""
        meant = spelled(name, self.names)
        if meant is None:
            raise KeyError(unknown_parameter(name, self.names))
        return float(self.params[self.names.index(meant)])


@dataclass(frozen=True, eq=False, repr=False)
class Minima(Sequence):
    """The distinct minima that a search found, best first, and how it looked for them.

    Attributes
    ----------
    found : tuple of Minimum
        What iteration, ``len`` and indices see.
    names : tuple of str
        Of the parameters.
    n_starts : int
        Starts that were looked at: those that were drawn, p0, and what else was known.
    n_fits : int
        Local fits that were made to their end.
    n_failed : int
        Starts and ends of fits at which the model has no finite cost.
    first_failure : str or None
        What the first of them said.
    n_evaluations : int
        Parameter vectors at which the model was evaluated.
    seed : int or None
    sampler : str or None
        Where the starts came from.
    stopped : str
        Why the search ended.
    costs : ndarray, shape (k,)
        Of all ends of local fits, sorted.
    places : ndarray of int, shape (k,)
        The index of the minimum that each of them is at; -1 where a fit stopped on its way.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 5)
    >>> ends = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]])  # of exp(-a x) + exp(-b x)
    >>> minima = Minima.gather(
    ...     ends, np.array([0.5, 0.5, 0.7]), ends + 0.1,
    ...     lambda p: np.exp(-p[0] * x) + np.exp(-p[1] * x), ("a", "b"), stopped="all were fitted",
    ... )
    >>> [(minimum.cost, minimum.count) for minimum in minima]
    [(0.5, 2), (0.7, 1)]
    """

    found: tuple[Minimum, ...]
    names: tuple[str, ...]
    n_starts: int
    n_fits: int
    n_failed: int
    first_failure: str | None
    n_evaluations: int
    seed: int | None
    sampler: str | None
    stopped: str
    costs: np.ndarray
    places: np.ndarray

    @classmethod
    def gather(
        cls,
        ends: np.ndarray,
        costs: np.ndarray,
        starts: np.ndarray,
        curve: Curve,
        names: Sequence[str],
        *,
        converged: np.ndarray | None = None,
        n_starts: int | None = None,
        n_failed: int = 0,
        first_failure: str | None = None,
        n_evaluations: int = 0,
        seed: int | None = None,
        sampler: str | None = None,
        stopped: str,
    ) -> Minima:
        """Tell the ends of local fits apart; `nlsq.result.distinct` says how.

        Parameters
        ----------
        ends, starts : ndarray, shape (k, n)
            Where each local fit ended and began.
        costs : ndarray, shape (k,)
            Half the sums of squares; an end without a finite one is left out.
        curve : callable
            Parameters (n,) -> the model at the data (m,), divided by sigma; NaN where it fails.
        names : sequence of str
            Of the parameters.
        converged : ndarray of bool, shape (k,), optional
            An end that is none is no minimum of its own, except the best.
        n_starts : int, optional
            Default: as many as ends.
        n_failed, first_failure, n_evaluations, seed, sampler, stopped
            As the attributes.
        """
        ends, starts, costs = (np.asarray(a, dtype=float) for a in (ends, starts, costs))
        finite = np.isfinite(costs) & np.isfinite(ends).all(axis=1)
        settled = np.ones(len(costs), bool) if converged is None else np.asarray(converged, bool)
        ends, begun, costs, settled = ends[finite], starts[finite], costs[finite], settled[finite]
        names, found, places = tuple(names), [], np.full(len(costs), -1)
        for members, *flags in distinct(ends, costs, begun, curve):
            if found and not settled[members].any():
                continue
            places[members] = len(found)
            best, kept = members[0], begun[np.sort(members)[:_MOST_STARTS]]
            what = float(costs[best]), ends[best].copy(), len(members), kept
            found.append(Minimum(*what, names, *flags))
        order = np.lexsort((places, costs))
        return cls(
            found=tuple(found), names=names, costs=costs[order], places=places[order],
            n_starts=len(finite) if n_starts is None else n_starts, n_fits=len(costs),
            n_failed=n_failed, first_failure=first_failure,
            n_evaluations=n_evaluations, seed=seed, sampler=sampler, stopped=stopped,
        )  # fmt: skip

    def improved(self, params: np.ndarray, cost: float) -> Minima:
        """The same with the best end where the fit that followed the search has brought it."""
        if not self or not cost < self[0].cost:
            return self
        best = replace(self[0], params=np.array(params, float), cost=float(cost))
        rest = self[1:]
        if cost < self[0].cost * (1 - SAME_COST):  # it had not come to its end
            rest = tuple(replace(minimum, equal=False) for minimum in rest)
        costs = self.costs.copy()
        costs[np.argmax(self.places == 0)] = cost
        order = np.argsort(costs, kind="stable")
        return replace(self, found=(best, *rest), costs=costs[order], places=self.places[order])

    def restated(self, state: Callable) -> Minima:
        """The first of them with other parameters of the same curves.

        state: (params (k, n), costs (k,)) -> params (k, n).
        """
        first = self.found[:_RESTATED]
        if not first:
            return self
        params = state(np.stack([m.params for m in first]), np.array([m.cost for m in first]))
        new = [replace(m, params=p) for m, p in zip(first, params, strict=True)]
        return replace(self, found=(*new, *self.found[_RESTATED:]))

    # -- a sequence ------------------------------------------------------------------------------

    @overload
    def __getitem__(self, key: int) -> Minimum: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Minimum, ...]: ...
    def __getitem__(self, key: Any) -> Any:
        return self.found[key]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Minimum]:
        return iter(self.found)

    @property
    def unseen(self) -> float:
        """Expected number of minima that no local fit ended in; inf where the fits are too few.

        Of W minima seen in N fits from random starts, W (W + 1) / (N - W - 2): Boender & Rinnooy
        Kan, Math. Programming 37, 59 (1987). A search prefers starts that look good, so that bad
        minima may be more.

        Examples
        --------
        >>> fits = {"ends": np.ones((9, 1)), "costs": np.ones(9), "starts": np.ones((9, 1))}
        >>> Minima.gather(**fits, curve=lambda p: p, names=["a"], stopped="").unseen
        0.3333333333333333
        """
        seen, spare = len(self), self.n_fits - len(self) - 2
        return seen * (seen + 1) / spare if spare > 0 else math.inf

    @property
    def covered(self) -> float:
        """Share of the starts that lead to a minimum that was seen, as far as can be told.

        (N - W - 1) (N + W) / (N (N - 1)) of W minima seen in N fits, by the same paper.
        """
        fits, seen = self.n_fits, len(self)
        if fits < 2:
            return 0.0
        return max(fits - seen - 1, 0) * (fits + seen) / (fits * (fits - 1))

    # -- reading ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        best = f"; the best, of cost {self[0].cost:.6g}, {self[0].count} times" if self else ""
        return f"Minima({len(self)} of {self.n_fits} local fits from {self.n_starts} starts{best})"

    def __str__(self) -> str:
        from nlsq.result import minima_text

        return minima_text.as_text(self)

    def _repr_html_(self) -> str:
        from nlsq.result import minima_text

        return minima_text.as_html(self)

    def to_dataframe(self) -> Any:
        """A DataFrame with a row for each minimum: cost, count, valley, equal, and the parameters.

        Raises
        ------
        ImportError
            When pandas is not installed.
        """
        pandas = import_pandas("to_dataframe")
        columns: dict[str, Any] = {
            name: [getattr(minimum, name) for minimum in self] for name in _TOLD
        }
        for j, name in enumerate(self.names):  # where a parameter has such a name, as CurveFits
            if name in columns:
                columns[f"fit_{name}"] = columns.pop(name)
            columns[name] = [float(minimum.params[j]) for minimum in self]
        return pandas.DataFrame(columns)

    # -- storing ---------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON-safe objects; `from_dict` restores it."""
        return Codec().encode(self.parts())

    def parts(self) -> dict[str, Any]:
        """Fields by name, the minima as dictionaries too."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        kept = [f.name for f in fields(Minimum) if f.name != "names"]
        return own | {"found": [{name: getattr(m, name) for name in kept} for m in self]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Minima:
        """Rebuild it from `to_dict`.

        Raises
        ------
        ValueError
            When `data` was not written by it.
        """
        try:
            parts = Codec().decode(dict(data))
        except DAMAGE as error:
            raise ValueError(_FORGED.format(str(error)[:200])) from None
        return cls.from_parts(parts)

    @classmethod
    def from_parts(cls, parts: dict[str, Any]) -> Minima:
        """Inverse of `parts`; ValueError where something does not fit."""
        if wrong := _mismatch(parts):
            raise ValueError(_FORGED.format(wrong))
        names = tuple(parts["names"])
        found = tuple(Minimum(**one, names=names) for one in parts["found"])
        return cls(**parts | {"found": found, "names": names})


_FORGED = "stored minima are damaged, or were not written by to_dict: {}"
_COUNTS = ("n_starts", "n_fits", "n_failed", "n_evaluations")


def _mismatch(parts: Any) -> str | None:
    """What is wrong with stored parts, or None."""
    wanted = {f.name for f in fields(Minima)}
    if not isinstance(parts, dict) or parts.keys() != wanted:
        return f"the fields are not {', '.join(sorted(wanted))}"
    names, costs, found = parts["names"], parts["costs"], parts["found"]
    texts = isinstance(names, (list, tuple)) and all(type(name) is str for name in names)
    if not texts or len(set(names)) != len(names):
        return "names are no different texts"
    if not all(type(parts[key]) is int and parts[key] >= 0 for key in _COUNTS):
        return f"{', '.join(_COUNTS)} are no counts"
    for key, kinds in (
        ("first_failure", (str, type(None))), ("seed", (int, type(None))),
        ("sampler", (str, type(None))), ("stopped", (str,)),
    ):  # fmt: skip
        if type(parts[key]) not in kinds:
            return f"{key} is no {kinds[0].__name__}"
    if not _numbers(costs, (parts["n_fits"],)) or (np.diff(costs) < 0).any():
        return "costs are not those of the fits, sorted"
    if not isinstance(found, (list, tuple)):
        return "found is no list"
    places = parts["places"]
    whole = isinstance(places, np.ndarray) and places.dtype.kind == "i"
    if not whole or places.shape != costs.shape:
        return "places are not those of the costs"
    for i, one in enumerate(found):
        if wrong := _wrong_minimum(one, len(names)):
            return f"found[{i}] {wrong}"
    values, counts = ([one[key] for one in found] for key in ("cost", "count"))
    told = [int((places == i).sum()) for i in range(-1, len(found))]
    if values != sorted(values) or counts != told[1:] or sum(told) != len(costs):
        return "found is not sorted, or counts other ends than there are"
    return None


def _wrong_minimum(one: Any, n: int) -> str | None:
    wanted = {f.name for f in fields(Minimum)} - {"names"}
    if not isinstance(one, dict) or one.keys() != wanted:
        return f"does not have the fields {', '.join(sorted(wanted))}"
    if type(one["cost"]) not in (int, float) or not math.isfinite(one["cost"]):
        return "has no finite cost"
    if type(one["count"]) is not int or one["count"] < 1:
        return "has no count"
    if type(one["valley"]) is not bool or type(one["equal"]) is not bool:
        return "does not say whether it is a valley, and equal"
    if not _numbers(one["params"], (n,)):
        return f"has no {n} finite parameters"
    starts = one["starts"]
    if np.ndim(starts) != 2 or not _numbers(starts, (len(starts), n)):
        return f"has no starts of {n} finite parameters"
    return None


def _numbers(array: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is a float64 array of this shape, all finite."""
    known = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.shape == shape
    return known and bool(np.isfinite(array).all())
