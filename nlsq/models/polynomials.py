"""Polynomials, to be fitted alone or as a baseline."""

import functools
from collections.abc import Callable

import numpy as np

from nlsq.models.guessing import Scan
from nlsq.models.model import Model, Parameter, family, par

polynomials = family("polynomials")
_X = np.linspace(0, 10, 80)
MAX_DEGREE = 7


@polynomials("Constant", "c", _X, Scan(), c=par("level", "y", 1, 10))
def constant(x, c):
    return c + 0 * x


@polynomials(
    "Line", "a*x + b", _X, Scan(), a=par("slope", "y/x", -3, 3), b=par("value at x = 0", "y", -5, 5)
)
def linear(x, a, b):
    return a * x + b


@polynomials(
    "Parabola", "a*x**2 + b*x + c", _X, Scan(),
    a=par("half the curvature", "y/x**2", -1, 1), b=par("slope at x = 0", "y/x", -3, 3),
    c=par("value at x = 0", "y", -5, 5),
)  # fmt: skip
def quadratic(x, a, b, c):
    return a * x**2 + b * x + c


@polynomials(
    "Cubic", "a*x**3 + b*x**2 + c*x + d", _X, Scan(),
    a=par("coefficient of x**3", "y/x**3", -0.2, 0.2),
    b=par("coefficient of x**2", "y/x**2", -1, 1),
    c=par("slope at x = 0", "y/x", -3, 3), d=par("value at x = 0", "y", -5, 5),
)  # fmt: skip
def cubic(x, a, b, c, d):
    return a * x**3 + b * x**2 + c * x + d


def _horner(x, *c):
    total = c[-1] + 0 * x
    for coefficient in c[-2::-1]:
        total = total * x + coefficient
    return total


def _unit(power: int) -> str:
    return ("y", "y/x")[power] if power < 2 else f"y/x**{power}"


@functools.cache
def polynomial(degree: int) -> Model:
    """The polynomial c0 + c1*x + ... of a degree from 0 to 7.

    Parameters
    ----------
    degree : int

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        For another degree.

    Examples
    --------
    >>> from nlsq import models
    >>> models.polynomial(2)
    <model polynomial2(x, c0, c1, c2)>
    >>> models.get("poly2")(3.0, 1, 2, 1)
    16.0
    """
    if degree not in range(MAX_DEGREE + 1):
        raise ValueError(f"degree must be a whole number from 0 to {MAX_DEGREE}, not {degree!r}.")
    terms = ["c0", "c1*x", *(f"c{k}*x**{k}" for k in range(2, degree + 1))][: degree + 1]
    parameters = tuple(
        Parameter(f"c{k}", f"coefficient of x**{k}", _unit(k), typical=(-(0.3**k), 0.3**k))
        for k in range(degree + 1)
    )
    return Model(
        _horner, f"polynomial{degree}", f"Polynomial of degree {degree}", "polynomials",
        " + ".join(terms), parameters, Scan(), _X,
    )  # fmt: skip


def polynomial_named(name: str) -> Callable | None:
    """The polynomial called poly3 or polynomial3; None for another name."""
    digits = name.removeprefix("poly").removeprefix("nomial")
    known = name.startswith("poly") and digits.isdigit() and int(digits) <= MAX_DEGREE
    return polynomial(int(digits)) if known else None
