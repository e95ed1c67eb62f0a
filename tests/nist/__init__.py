"""NIST's Statistical Reference Datasets for nonlinear regression, with certified answers.

``strd.json`` holds the 27 problems of https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml
(public domain) in our own format; numbers are as NIST prints them. Two notes: Nelson's response is
fitted as log(y), its x is (time, temperature); Rat43's degrees of freedom are 11 as its certified
residual standard deviation implies, not the 9 its file states.

>>> PROBLEMS[0].name, PROBLEMS[0].x.shape
('Misra1a', (14,))
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nlsq.utils.digits import correct_digits
from tests.nist.models import make

CERTIFIED_DIGITS = 11


@dataclass(frozen=True)
class Problem:
    """One problem: data, model, starts and certified answer."""

    name: str
    difficulty: str  # lower, average, higher
    formula: str  # as NIST writes it
    x: np.ndarray  # (m,), or (2, m) for Nelson
    y: np.ndarray  # (m,)
    starts: tuple[np.ndarray, np.ndarray]  # far and near, (n,) each
    certified: np.ndarray  # (n,)
    stderr: np.ndarray  # (n,)
    rss: float
    rsd: float
    dof: int

    @cached_property
    def model_numpy(self) -> Callable[..., np.ndarray]:
        """The model written with NumPy."""
        return _NUMPY_MODELS[self.name]

    @cached_property
    def model_jax(self) -> Callable:
        """The model written with jax.numpy."""
        import jax.numpy

        return make(jax.numpy)[self.name]

    def __str__(self) -> str:
        return self.name


def digits(value, reference) -> float:
    """Correct digits of the worst element: -log10 of the relative error, from 0 to 11.

    >>> round(digits([1.0, 2.0002], [1.0, 2.0]), 2)
    4.0
    """
    return float(np.min(correct_digits(value, reference, CERTIFIED_DIGITS)))


def _problem(entry: dict) -> Problem:
    y = np.array(entry["y"], float)
    if "x" in entry:
        x = np.array(entry["x"], float)
    else:
        x = np.array([entry["x1"], entry["x2"]], float)
        y = np.log(y)
    far, near = (np.array(start, float) for start in entry["starts"])
    return Problem(
        name=entry["name"],
        difficulty=entry["difficulty"],
        formula=entry["formula"],
        x=x,
        y=y,
        starts=(far, near),
        certified=np.array(entry["certified"]),
        stderr=np.array(entry["stderr"]),
        rss=entry["rss"],
        rsd=entry["rsd"],
        dof=entry["dof"],
    )


_NUMPY_MODELS = make(np)
PROBLEMS = [
    _problem(entry) for entry in json.loads(Path(__file__).with_name("strd.json").read_text())
]
