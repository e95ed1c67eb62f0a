"""Many fits on the workers of a Dask cluster.

The batch is cut into blocks of fits, and each is a task: a worker rebuilds the piece of `Many` and
runs on it what would run here (`Interpreted` or `Batch`), and its results are written into the
fields at their places. What the whole batch decides is decided here, once, and sent along: the
backend, the model's road, the form of the data, the accounts of `buying`. In NumPy a block ends
where a slab of the whole batch does. So no fit's bits depend on how the batch was cut, on how many
workers there were, or on one that died, whose blocks the scheduler gives to others.

A block is as long as some seconds of work by the speed of those that came back, within bounds of
memory, and shorter towards the end. Chunks of a Dask array that are finer are merged; one that is
coarser is read once and its blocks share it. Workers read them; only the first passes through here,
since it shows the form of all.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nlsq.core.drive import buying
from nlsq.core.drive.batch import renting
from nlsq.core.drive.batch.many import Many
from nlsq.core.drive.batch.results import Results
from nlsq.core.drive.batch.rows import Ragged, Rows, Slab, is_dask, ragged_slabs
from nlsq.core.drive.batch.stacked import Unstackable
from nlsq.core.drive.batch.state import sizes
from nlsq.core.loop.status import Status
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.facts import TraceFailed
from nlsq.core.model.model import Model
from nlsq.utils import interruption

_BYTES = 1 << 26  # of a block's data
_FIRST, _LONG = 1 << 20, 2.0  # points of the first blocks; seconds of the later ones
_AHEAD = 3  # blocks on their way for each thread of the workers
_GRACE = 2.0  # seconds after the time limit until what is running is given up
_ROWS = ("y", "x_rows", "sigma", "start", "lb", "ub")
_ROAD = ("resolution", "by_duals", "interpreted", "_final", "jac", "rel_step", "bounds")


def run(
    batch: Results, kind: Callable, many: Many, client: Any, advance: Callable, deadline: float
) -> str:
    """Fit everything on the workers, into the fields of `batch`; why blocks failed, or "".

    Parameters
    ----------
    kind : callable
        ``kind(many, None)`` is what fits a block on a worker.
    client : distributed.Client
    advance, deadline
        As for ``batch.run``.

    Raises
    ------
    TypeError
        When the model cannot be sent.
    Unstackable, TraceFailed
        Of any block: what was written is to be dropped.
    Exception
        That of the first block, when all fail alike.
    """
    return _Spread(batch, kind, many, client, deadline).run(advance)


@dataclasses.dataclass
class _Block:
    """Some fits on their way to a worker."""

    index: int
    where: Any  # their places, a slice or indices
    count: int
    alone: bool = False  # whether no other block is with the workers

    def __str__(self) -> str:
        if not isinstance(self.where, slice):
            return f"block {self.index} ({self.count} fits of similar length)"
        return f"block {self.index} (fits {self.where.start} to {self.where.stop - 1})"


class _Spread:
    """One call's blocks."""

    def __init__(self, batch: Results, kind: Callable, many: Many, client: Any, deadline: float):
        self.batch, self.many, self.client, self.deadline = batch, many, client, deadline
        self._shared = _sent(kind, many)
        self.threads = max(sum(client.nthreads().values()), 1)
        self.left, self.pace = many.size, math.inf  # fits that are not cut off; seconds of one
        self.failed: list[tuple[_Block, Exception]] = []
        self._suspects: list[tuple[_Block, Any]] = []  # to be tried again, one at a time
        self._indices = itertools.count()

    def run(self, advance: Callable[[int], None]) -> str:
        from dask import delayed
        from distributed import wait

        shared = self.client.persist(delayed(_same, pure=False)(self._shared))
        blocks, pending, more = self._blocks(shared), {}, True
        with interruption.deferred(), self.client.as_current():
            try:
                while more or pending or self._suspects:
                    while more and len(pending) < _AHEAD * self.threads and not self._over():
                        group = next(blocks, None)
                        more = group is not None
                        sent = self.client.compute([task for _, task in group or ()])
                        pending |= zip(sent, group or (), strict=True)
                    if self._suspects and not (pending or more or self._over()):
                        block, task = self._suspects.pop()
                        block.alone = True
                        pending[self.client.compute(task)] = block, task
                    if self._over(_GRACE) or not pending:
                        break
                    try:
                        done = wait(list(pending), 0.2, "FIRST_COMPLETED").done
                    except TimeoutError:
                        done = ()
                    interruption.check()
                    for future in done:
                        advance(self._take(future, *pending.pop(future)))
            except KeyboardInterrupt:
                pass  # the status of the others says so
            finally:
                self.client.cancel(list(pending))
        self.batch._blank_rest()
        return self._reason()

    def _over(self, grace: float = 0.0) -> bool:
        return time.monotonic() > self.deadline + grace

    def _take(self, future: Any, block: _Block, task: Any) -> int:
        """Write what came of a block; how many fits of it are done."""
        error = future.exception()
        if type(error).__name__ == "KilledWorker" and not block.alone:
            self._suspects.append((block, task))  # or one that waited on the same workers
            return 0
        if isinstance(error, Unstackable | TraceFailed):
            raise error
        if error is not None:
            self.failed.append((block, error))
            self.batch.fields.status[block.where] = int(Status.BLOCK_FAILED)
            self.batch.fields.blank(block.where)
            return block.count
        arrays, null, seconds = future.result()
        future.release()  # the worker need not keep it, nor another one make it again
        for name, array in arrays.items():
            getattr(self.batch.fields, name)[block.where] = array
        places = np.arange(self.many.size)[block.where]
        self.batch.fields.null_directions.update({int(places[i]): v for i, v in null.items()})
        self.pace = min(self.pace, seconds / block.count)  # the first ones also compile
        return block.count

    def _reason(self) -> str:
        """Why blocks failed, when some did not."""
        kinds = {f"{type(error).__name__}: {error}" for _, error in self.failed}
        if self.failed and sum(block.count for block, _ in self.failed) == self.many.size:
            alike = {type(error) for _, error in self.failed}
            if len(alike) == 1 or len(kinds) == 1:
                raise self.failed[0][1]
        told = sorted(self.failed, key=lambda one: one[0].index)
        return "; ".join(f"{block}: {type(e).__name__}: {e}" for block, e in told)

    # ------------------------------------------------------------------------------- the blocks

    def _fits(self, quantum: int, most: float = math.inf) -> int:
        """How many fits the next block has, in whole quanta."""
        m = self.many.m
        wanted = _LONG / self.pace if self.pace < math.inf else _FIRST / m
        wanted = min(wanted, max(self.left / (2 * self.threads), _FIRST / m), most)
        return max(int(wanted) // quantum, 1) * quantum

    def _blocks(self, shared: Any) -> Iterator[list[tuple[_Block, Any]]]:
        """Groups of blocks with their tasks, cut when they are asked for."""
        if isinstance(self.many.y, Ragged):
            return self._cut_ragged(shared)
        return self._cut(shared)

    def _cut(self, shared: Any) -> Iterator[list[tuple[_Block, Any]]]:
        many, shape = self.many, self.many.shape
        arrays = sum(row is not None for row in (many.y, many.x_rows, many.sigma))
        width = self.batch.width
        most = max(_BYTES // (8 * many.m * arrays), width)
        inner = [math.prod(shape[a + 1 :]) for a in range(len(shape))]
        axis = next(a for a, fits in enumerate(inner) if fits <= most)
        quantum = max(width // inner[axis], 1)  # of the axis: where slabs of the whole begin
        edges = _edges(many.y.array, axis, shape[axis], quantum)
        place = 0
        for outer in itertools.product(*map(range, shape[:axis])):
            low = 0
            while low < shape[axis]:
                step = self._fits(quantum * inner[axis], most) // inner[axis]
                high = _end(edges, low, step, shape[axis])
                lead = tuple(slice(i, i + 1) for i in outer)
                rows = self._rows((*lead, slice(low, high)), whole=high - low <= step)
                group = []
                for first in range(low, high, step):
                    last = min(first + step, high)
                    within = *(slice(None) for _ in outer), slice(first - low, last - low)
                    count = (last - first) * inner[axis]
                    block = _Block(next(self._indices), slice(place, place + count), count)
                    of = (*(1 for _ in outer), last - first, *shape[axis + 1 :])
                    part = {name: _part(row, within, of) for name, row in rows.items()}
                    group.append((block, self._task(shared, of, part)))
                    place, self.left = place + count, self.left - count
                yield group
                low = high

    def _cut_ragged(self, shared: Any) -> Iterator[list[tuple[_Block, Any]]]:
        lengths = self.many.y.lengths
        cut = ragged_slabs(lengths, lambda m: sizes(int(m), True), self.batch.width)
        waiting: list[Slab] = []
        for slab in itertools.chain(cut, [None]):
            count = sum(len(s.where) for s in waiting)
            if waiting and (slab is None or count >= self._fits(1)):
                where = np.concatenate([s.where for s in waiting])
                rows = {name: row.some(where) for name, row in self._all_rows()}
                block = _Block(next(self._indices), where, count)
                self.left, waiting = self.left - count, []
                yield [(block, self._task(shared, (count,), rows))]
            waiting.append(slab)

    def _task(self, shared: Any, shape: tuple, rows: dict) -> Any:
        from dask import delayed

        left = self.deadline - time.monotonic()
        until = time.time() + left if math.isfinite(left) else math.inf
        return delayed(_fit_block, pure=False)(shared, shape, rows, until)

    def _all_rows(self) -> Iterator[tuple[Any, Any]]:
        for name in _ROWS:
            row = getattr(self.many, name)
            if isinstance(row, Rows | Ragged):
                yield name, row
        yield from self.many.given.items()

    def _rows(self, key: tuple, whole: bool) -> dict[Any, tuple]:
        """The arrays of a group and what they are; whole: it is a single block."""
        from dask import delayed
        from distributed import futures_of

        found = {}
        for name, row in self._all_rows():
            array = row.cut(key, self.many.shape)
            if is_dask(array):
                here = whole and not futures_of(array)  # those that `persist` made are elsewhere
                array = _Unread.of(array) if here else delayed(np.asarray, pure=False)(array)
            found[name] = (array, row)
        return found


@dataclasses.dataclass(frozen=True)
class _Unread:
    """A part of a Dask array that its task computes itself: none of it travels."""

    content: bytes

    @classmethod
    def of(cls, array: Any) -> _Unread:
        import cloudpickle
        import dask

        return cls(cloudpickle.dumps(dask.optimize(array)[0]))  # without what others need

    def read(self) -> np.ndarray:
        return pickle.loads(self.content).compute(scheduler="synchronous")


def _part(found: tuple, within: tuple, shape: tuple) -> tuple:
    array, row = found
    if isinstance(array, _Unread):
        return array, len(row.tail), row.shared
    lead = row.lead
    own = within[len(shape) - len(lead) :] if len(lead) <= len(shape) else within
    key = tuple(slice(None) if length == 1 else one for one, length in zip(own, lead, strict=False))
    return array[key] if key else array, len(row.tail), row.shared


def _edges(array: Any, axis: int, length: int, quantum: int) -> list[int] | None:
    """Where chunks of a Dask array end along an axis, in whole quanta."""
    if not is_dask(array):
        return None
    ends = np.cumsum(array.chunks[axis])
    return sorted({*(int(end) // quantum * quantum for end in ends[:-1]), length} - {0})


def _end(edges: list[int] | None, low: int, step: int, length: int) -> int:
    """Where a group that begins at `low` ends: finer chunks are merged, a coarser one is whole."""
    if edges is None:
        return min(low + step, length)
    beyond = [edge for edge in edges if edge > low]
    return max((edge for edge in beyond if edge <= low + step), default=beyond[0])


# ------------------------------------------------------------------------------ what is sent


def _sent(kind: Callable, many: Many) -> tuple[str, bytes]:
    """What all blocks have in common, under a name of its own.

    Raises
    ------
    TypeError
        When the model cannot be sent.
    """
    import cloudpickle

    model, (data, parameters) = many.model, many.first()
    state = {name: getattr(model, name) for name in _ROAD}
    if model.resolution is not None:
        state["resolution"] = dataclasses.replace(
            model.resolution, trace=None, some=None, same_at={}
        )
    example = data.x.given, data.y, parameters
    plain = dict.fromkeys(_ROWS) | {"start": many.start if callable(many.start) else None}
    common = dataclasses.replace(
        many, **plain, model=None, given={}, evidence={}, example=example, threads=1
    )
    accounts = buying.account_of(model), renting.account_of(many)
    content = kind, common, model.call, model.n, model.name, state, *map(vars, accounts)
    try:
        return os.urandom(8).hex(), cloudpickle.dumps(content)
    except Exception as error:  # whatever the user's objects raise
        raise TypeError(
            f"the model {model.name!r} cannot be sent to the workers of `client`: {error}. A model "
            "holds numbers, arrays and functions; open files, locks and connections stay behind. "
            "Leave `client` out to fit here."
        ) from error


def _same(thing: Any) -> Any:
    """A task whose result the scheduler can make again."""
    return thing


_opened: dict[str, tuple] = {}  # the last batch of this worker
_opening = threading.Lock()


def _open(shared: tuple[str, bytes]) -> tuple[Callable, Many]:
    """What fits, and what all blocks of the batch have in common, its model on its road."""
    token, content = shared
    with _opening:
        if token not in _opened:
            kind, many, call, n, name, state, single, batch = pickle.loads(content)
            model = Model(call, n, name)
            vars(model).update(state)
            x, y, _ = many.example
            x = Abscissae(x, y.size)
            if model.resolution is not None:
                own = token if model.resolution.data_fixed else None
                form = (*x.signature, x.shapes, y.shape, np.iscomplexobj(y))
                model.program_key = (model.key, n, form, model.info, own)
            many = dataclasses.replace(many, model=model)
            vars(buying.account_of(model)).update(single)
            _opened.clear()
            _opened[token] = kind, many, batch
        return _opened[token]


def _fit_block(shared: tuple, shape: tuple, rows: dict[Any, Any], until: float) -> tuple:
    """(arrays of the fields, null directions, seconds) of a block, on a worker."""
    began = time.monotonic()
    kind, common, account = _open(shared)
    found = {name: _read(row, shape) for name, row in rows.items()}
    named = {name: found.pop(name) for name in _ROWS if name in found}
    many = dataclasses.replace(common, shape=shape, given=found, **named)
    vars(renting.account_of(many)).update(account)
    batch = kind(many, None)
    batch.run(lambda count: None, began + until - time.time())
    fields = batch.fields
    return fields.arrays(), fields.null_directions, time.monotonic() - began


def _read(row: Any, shape: tuple) -> Rows | Ragged:
    """The rows of a block of fits, as they came."""
    if isinstance(row, Ragged):
        return row
    array, *form = row
    return Rows.of(array.read() if isinstance(array, _Unread) else array, *form, shape)
