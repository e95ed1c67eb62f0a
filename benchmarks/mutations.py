"""Errors planted in the engine, and whether the table of tests catches them.

``python -m benchmarks.mutations`` plants each in a process of its own, runs what `tests.table` fits
on the roads concerned, and prints what was noticed first. One that is missed is an error.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from nlsq.core.drive import staging
from nlsq.core.drive.batch.operands import Operands
from nlsq.core.passes import blocks
from nlsq.core.problem.observations import Observations
from nlsq.core.verdict.finished import Finished
from nlsq.streaming import full_passes
from tests import table


def forget_sigma_in_lanes(patch: pytest.MonkeyPatch) -> None:
    fill = Operands.__init__

    def forget(self, *arguments):
        fill(self, *arguments)
        if self.weights is not None:
            self.weights[:] = 1.0

    patch.setattr(Operands, "__init__", forget)


def forget_sigma_in_sources(patch: pytest.MonkeyPatch) -> None:
    def to_weights(part):
        if part.sigma is not None:
            part.sigma[:] = 1.0

    patch.setattr("nlsq.streaming.feed.to_weights", to_weights)


def count_complex_once(patch: pytest.MonkeyPatch) -> None:
    def n_residuals(self):
        return self.y.size - (0 if self.idle is None else np.count_nonzero(self.idle))

    patch.setattr(Observations, "n_residuals", property(n_residuals))


def drop_the_last_chunk(patch: pytest.MonkeyPatch) -> None:
    before = staging.Chunks.__len__
    patch.setattr(staging.Chunks, "__len__", lambda self: max(before(self) - 1, 1))


def drop_the_last_point_of_blocks(patch: pytest.MonkeyPatch) -> None:
    block = blocks.block
    patch.setattr(
        blocks, "block", lambda layout, data, i: block(layout, data._replace(m=data.m - 1), i)
    )


def read_a_chunk_twice_after_a_break(patch: pytest.MonkeyPatch) -> None:
    fold = full_passes.FullPasses.fold

    def twice(self, work, begun=full_passes.NOTHING, *rest, **options):
        begun = begun._replace(next=max(begun.next - 1, 0))
        return fold(self, work, begun, *rest, **options)

    patch.setattr(full_passes.FullPasses, "fold", twice)


def tell_no_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Finished, "active_mask", lambda self: np.zeros(self.outcome.x.size, int))


# the error: the roads that it lies on
PLANTED: dict[Callable, tuple[str, ...]] = {
    forget_sigma_in_lanes: ("batch",),
    forget_sigma_in_sources: ("source", "source, NumPy"),
    count_complex_once: ("single", "batch", "cg, NumPy"),
    drop_the_last_chunk: ("chunks",),
    drop_the_last_point_of_blocks: ("single", "source"),
    read_a_chunk_twice_after_a_break: ("resumed", "resumed, NumPy"),
    tell_no_bound: ("single", "dogbox, NumPy"),
}


def first_noticed(road: str) -> str:
    """The first case in which something is wrong on a road, '' where there is none."""
    for case in table.FITTED[road]:
        try:
            wrong = table.faults(road, case)
        except Exception as error:  # any error is noticed by a test
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            return f"{case}: {wrong[0]}"
    return ""


def main() -> None:
    """Plant the error that is named, or each in a process of its own."""
    names = {plant.__name__: plant for plant in PLANTED}
    if len(sys.argv) > 1:
        plant = names[sys.argv[1]]
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            found = {road: first_noticed(road) for road in PLANTED[plant]}
        for road, what in found.items():
            said = f"caught, {what}" if what else "MISSED"
            print(f"{plant.__name__} on {road!r}: {said}"[:160], flush=True)
        sys.exit(not all(found.values()))
    codes = [
        subprocess.run([sys.executable, "-m", "benchmarks.mutations", name], check=False).returncode
        for name in names
    ]
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
