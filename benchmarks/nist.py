"""Digits of agreement with NIST's certified values, ours beside SciPy's: ``make nist``.

Every problem is fitted from both starts with default options: by `nlsq.curve_fit` with the model
written in NumPy and in JAX, and by `scipy.optimize.curve_fit`. Each cell is *values / errors*: the
correct digits of the worst parameter and of the worst standard error, at most the 11 certified.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.nist import PROBLEMS, Problem, digits

VALUE_DIGITS, GOOD_VALUE_DIGITS, ERROR_DIGITS = 6, 8, 4


@dataclass(frozen=True)
class Score:
    """Correct digits of one fit; `failed` names the exception that ended it."""

    values: float
    errors: float
    failed: str = ""

    @property
    def passes(self) -> bool:
        return self.values >= VALUE_DIGITS and self.errors >= ERROR_DIGITS


def score(curve_fit: Callable, model: Callable, problem: Problem, start: np.ndarray) -> Score:
    """Fit `problem` from `start` and count the digits."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # overflow on the way and undetermined covariances
        try:
            popt, pcov = curve_fit(model, problem.x, problem.y, p0=start)
        except (RuntimeError, ValueError, FloatingPointError) as error:
            return Score(0.0, 0.0, type(error).__name__)
        stderr = np.sqrt(np.diag(pcov))
    return Score(digits(popt, problem.certified), digits(stderr, problem.stderr))


def runs() -> Iterator[tuple[Problem, int, dict[str, Score]]]:
    """Score every problem from both starts with each solver."""
    from scipy.optimize import curve_fit as scipy_curve_fit

    from nlsq import curve_fit

    for problem in PROBLEMS:
        for number, start in enumerate(problem.starts, 1):
            yield (
                problem,
                number,
                {
                    "nlsq, NumPy model": score(curve_fit, problem.model_numpy, problem, start),
                    "nlsq, JAX model": score(curve_fit, problem.model_jax, problem, start),
                    "SciPy": score(scipy_curve_fit, problem.model_numpy, problem, start),
                },
            )


def main() -> None:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Digits of agreement with NIST's certified values (values / errors)")
    table.add_column("problem")
    table.add_column("level")
    table.add_column("start", justify="right")
    solvers: dict[str, list[Score]] = {}
    console = Console()
    error_console = Console(stderr=True)
    for problem, number, scores in track(
        runs(), "Fitting", total=2 * len(PROBLEMS), console=error_console, transient=True
    ):
        if not solvers:
            for name in scores:
                table.add_column(name, justify="right", no_wrap=True)
        cells = []
        for name, one in scores.items():
            solvers.setdefault(name, []).append(one)
            shown = one.failed or f"{one.values:4.1f} / {one.errors:4.1f}"
            cells.append(Text(shown, style="green" if one.passes else "red"))
        first = number == 1
        table.add_row(
            problem.name if first else "",
            problem.difficulty if first else "",
            str(number),
            *cells,
            end_section=not first,
        )
    console.print(table)
    for name, scores in solvers.items():
        passed = sum(s.passes for s in scores)
        good = sum(s.values >= GOOD_VALUE_DIGITS for s in scores)
        console.print(
            f"{name:18s} {passed} of {len(scores)} with {VALUE_DIGITS}+ digits in every value and "
            f"{ERROR_DIGITS}+ in every error; {good} with {GOOD_VALUE_DIGITS}+ in every value",
            highlight=False,
        )


if __name__ == "__main__":
    main()
