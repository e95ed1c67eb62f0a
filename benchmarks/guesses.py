"""How good the guesses of the built-in models are: ``python -m benchmarks.guesses``.

For each model 1000 random draws of parameters (`Model.draw`) with normal noise of 5 % of the range
of the clean curve are fitted from the guess and from the truth, within the model's bounds. A guess
is good when its fit ends at the cost of the other or below, to 1e-6 of it.

good        part of the draws with a good guess
below       part whose fit ends at or below the cost of the true parameters themselves: what is not
            good, but below, is slow convergence or a minimum better than the truth's
guess, ms   median CPU time of one guess
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks.report import console
from nlsq import fit_many, models
from nlsq.models import Model

WANTED = 0.95
_NOISE = 0.05


@dataclass(frozen=True)
class Rate:
    """What the draws of one model gave."""

    name: str
    good: float
    below: float
    milliseconds: float


def measure(model: Model, draws: int, seed: int) -> Rate:
    """Fit `draws` data sets of one model from both starts."""
    rng = np.random.default_rng(seed)
    x, truth = (
        np.array(part) for part in zip(*(model.draw(rng) for _ in range(draws)), strict=True)
    )
    clean = np.array([model(*case) for case in _cases(x, truth)])
    size = np.ptp(clean, axis=-1, keepdims=True)
    size = np.where(size > 0, size, np.abs(clean).max(axis=-1, keepdims=True))  # a constant
    y = clean + _NOISE * size * rng.standard_normal(clean.shape)
    guesses, times = np.empty_like(truth), np.empty(draws)
    for i in range(draws):
        began = time.process_time()
        guesses[i] = model.guess(x[i], y[i])
        times[i] = time.process_time() - began
    ends = [_costs(model, x, y, p0) for p0 in (guesses, truth)]
    own = 0.5 * ((y - clean) ** 2).sum(axis=-1)
    reference = np.where(np.isfinite(ends[1]), ends[1], own)
    good = ends[0] <= reference * (1 + 1e-6)
    return Rate(model.name, good.mean(), (ends[0] <= own).mean(), 1e3 * float(np.median(times)))


def _cases(x, p):
    return ((a, *b) for a, b in zip(x, p, strict=True))


def _costs(model, x, y, p0) -> np.ndarray:
    fits = fit_many(
        model, x, y, p0, bounds=model.bounds(), x_per_fit=True, progress=False, max_nfev=1000
    )
    return np.where(np.isfinite(fits.cost), fits.cost, np.inf)


def table(rates: list[Rate]) -> Table:
    """Worst first."""
    shown = Table("model", "good", "below", "guess, ms")
    for r in sorted(rates, key=lambda r: r.good):
        style = "red" if r.good < WANTED else None
        shown.add_row(
            r.name, f"{r.good:.1%}", f"{r.below:.1%}", f"{r.milliseconds:.1f}", style=style
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; all by default")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = [models.get(name) for name in arguments.names or models.names()]
    rates = []
    for m in track(chosen, description="models", console=console(), transient=True):
        rates.append(measure(m, arguments.draws, arguments.seed))
    shown = console()
    shown.print(table(rates))
    few = sum(r.good < WANTED for r in rates)
    shown.print(f"{len(rates) - few} of {len(rates)} models reach {WANTED:.0%}.")


if __name__ == "__main__":
    main()
