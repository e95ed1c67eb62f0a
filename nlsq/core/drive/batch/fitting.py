"""Many fits in lanes of NumPy, of programs, or one by one: where each batch goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nlsq.core.drive.batch.interpreted import Interpreted, is_for
from nlsq.core.drive.batch.many import Many
from nlsq.core.drive.batch.renting import account_of, in_lanes, is_by_hand, rents, work
from nlsq.core.drive.batch.stacked import Singly, Stack, Unstackable
from nlsq.core.drive.roads import choose_road
from nlsq.core.loop.status import Status
from nlsq.core.model.facts import TraceFailed
from nlsq.result.curve_fits import CurveFits
from nlsq.utils.progress import progress_bar


def fit(many: Many, *how) -> CurveFits:
    """All fits.

    how: folder of the results or None, facts of `CurveFits`, progress, deadline, and the client of
    a Dask cluster or None. What NumPy does in less time than a compilation takes is done here.
    """
    result = _by_numpy(many, *how)
    return _by_programs(many, *how) if result is None else result


def _by_numpy(many: Many, *how) -> CurveFits | None:
    """All fits in NumPy; None where programs are sooner, or can do what NumPy cannot."""
    if not is_for(many):
        return None
    account = account_of(many)
    while rents(many):
        stack = (Stack if account.stacks else Singly) if in_lanes(many) else None
        cost = work(many)
        try:
            here = how if is_by_hand(many) else (*how[:-1], None)
            result = _run(partial(Interpreted, stack=stack), many, *here)
        except Unstackable:
            account.stacks, account.lanes = False, account.stacks
        else:
            account.paid += cost
            return result
    return None


def _by_programs(many: Many, *how) -> CurveFits:
    """All fits by programs, or one by one."""
    from nlsq.core.drive.batch.run import Batch, lengths_shown  # which loads JAX

    model = many.model
    choose_road(model, *many.first(), many.options, lengths=lengths_shown(many))
    try:
        result = _run(Batch, many, *how)
    except TraceFailed as failure:
        model.use_host(f"its trace fails in the fits: {failure.reason}", "finite differences")
        result = _run(Batch, many, *how)
    return result


def _run(
    kind: Callable, many: Many, folder, facts: dict, progress, deadline: float, client
) -> CurveFits:
    """All fits, in memory or in the files of a folder; here, or by the workers of a client."""
    batch = kind(many, folder)
    result = CurveFits(batch.fields.arrays() | many.evidence, facts, batch.result, many.totals)
    if folder is not None:
        result.describe(folder)  # so that what a killed process has written can be loaded
    with progress_bar(many.size, "fits", progress) as advance:
        if client is None:
            batch.run(advance, deadline)
        else:
            from nlsq.core.drive.batch import spread  # which few calls need

            if reason := spread.run(batch, kind, many, client, advance, deadline):
                facts["messages"][int(Status.BLOCK_FAILED)] = f"Not fitted: {reason}"
    batch.many.model.settle()
    return result
