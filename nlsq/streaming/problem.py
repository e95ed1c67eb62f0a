"""A fit of a source, ready for its phases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from functools import cached_property

import jax
import numpy as np

import nlsq
from nlsq.caching.memory_manager import manager
from nlsq.config import double_precision
from nlsq.core.drive import host
from nlsq.core.drive.chunks import chunk_layout
from nlsq.core.loop import programs
from nlsq.core.loop.state import Method, Setup, pack_setup, start_vector, state_packing
from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from nlsq.core.model.model import Model
from nlsq.core.passes.layout import SLACK, Layout
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.problem.setup import make_setup
from nlsq.streaming.feed import repeat_last
from nlsq.streaming.sources import Columns, Form
from nlsq.streaming.survey import Survey

COUPLED = (
    "The data are read in pieces, for which each value of the model must depend on its own point "
    "alone. {why}. Fit data that fit into memory with curve_fit, or write the model pointwise."
)


class NotInPieces(ValueError):
    """A model that needs all points at once."""


@dataclasses.dataclass
class StreamedProblem:
    """Model, data and options of a fit whose data are not in memory.

    finite: x and y that are not finite are refused.
    """

    model: Model
    survey: Survey
    parameters: Parameters
    options: Options
    finite: bool

    def require_pointwise(self) -> None:
        """Raise when the model cannot be evaluated piece by piece.

        Raises
        ------
        NotInPieces
            Saying what couples the points, or why the model could not be looked into.
        """
        info = self.model.info
        if self.model.on_host and not self.model.interpreted:
            why = f"This one runs on the host ({info.reason}), where that cannot be shown"
        elif not info.pointwise:
            why = f"This one couples its points: {info.coupling}"
        else:
            return
        raise NotInPieces(COUPLED.format(why=why))

    @cached_property
    def method(self) -> Method:
        """What the loop's programs depend on."""
        bounded = self.parameters.bounded or self.options.method == "dogbox"
        return Method(self.options.method, bounded, self.model.n)

    @cached_property
    def layout(self) -> Layout:
        """How the chunks arrive: as those of long data in memory, but unchecked."""
        layout = chunk_layout(self.model, self.survey.sample, self.survey.n_points)
        return layout._replace(checked=True, finite=self.finite, idle=layout.weighted)

    @cached_property
    def setup(self) -> Setup:
        """The loop's numbers, for a fit that begins at p0."""
        return make_setup(self.parameters, self.options)

    @cached_property
    def key(self) -> Hashable:
        """What programs of this fit are known by, besides layout and method."""
        complex_data = np.iscomplexobj(self.survey.sample.y)
        return (self.model.program_key, model_key(self.options.loss), complex_data)

    @cached_property
    def fingerprint(self) -> dict[str, str | None]:
        """What must be the same for a fit to go on from a checkpoint."""
        watching = ("callback", "verbose", "deadline", "cache", "workers")
        options = {k: v for k, v in vars(self.options).items() if k not in watching}
        p, size = self.parameters, state_packing(self.method).size
        return {
            "model": fingerprint(self.model.key),
            "options": fingerprint(model_key((p.p0, p.lb, p.ub, options))),
            "program": f"nlsq {nlsq.__version__}, JAX {jax.__version__}, state of {size}",
            "data": f"{self.survey.n_points}-{self.survey.fingerprint}",
        }

    def pass_program(self) -> Callable:
        """One pass over a chunk; see `programs.pass_program`."""
        if self.model.interpreted:
            return host.chunk_pass(self.model, self.layout, self.options, self.method)
        call = self.model.traceable(self.survey.sample.x)
        return programs.pass_program(
            self.key, call, self.layout, self.options.loss_function, self.method
        )

    def flat(self, setup: Setup) -> np.ndarray:
        """Setup and number of points as the programs take them."""
        return pack_setup(setup, self.survey.n_points)


class SamplePass:
    """Cost and gradient on the sample, by the program of the full passes."""

    def __init__(self, problem: StreamedProblem):
        sample, layout = problem.survey.sample, problem.layout
        (x,) = sample.x.leaves
        form = Form(
            x.shape[0] if x.ndim == 2 else None,
            sample.weights is not None,
            np.iscomplexobj(sample.y),
        )
        buffers = form.allocate(layout.capacity + SLACK, manager.pool.allocate)
        m = sample.y.size
        buffers.part(0, m).fill(Columns(x, sample.y, sample.weights))
        repeat_last(buffers, m)
        self._arguments = (buffers.x,), buffers.y, buffers.sigma, None, (
            np.array(m), np.zeros(3, int),
        )  # fmt: skip
        self._program = problem.pass_program()
        self._flat, self._method = problem.flat(problem.setup), problem.method

    def __call__(self, p: np.ndarray) -> tuple[float, np.ndarray]:
        """(cost, gradient (n,)) at p; not finite where the model is not."""
        with double_precision():
            total = self._program(*self._arguments, self._flat, start_vector(p, self._method))
        G = np.asarray(total.G)
        cost = 0.5 * G[-1, -1] if total.cost is None else total.cost
        return float(cost), G[-1, :-1]
