"""The models of the catalogue by their names.

``from nlsq.functions import gaussian`` is `nlsq.models.get("gaussian")`, a function that knows
where to start (``gaussian.guess(x, y)``) and its bounds (``gaussian.bounds()``), and
`polynomial(degree)` makes c0 + c1*x + ... .

Examples
--------
>>> import numpy as np
>>> from nlsq import curve_fit
>>> from nlsq.functions import exponential_decay
>>> x = np.linspace(0, 5, 40)
>>> curve_fit(exponential_decay, x, 3 * np.exp(-2 * x) + 1).popt.round(6)
array([3., 2., 1.])
"""

from typing import Any

from nlsq import models


def __getattr__(name: str) -> Any:
    if name == "polynomial":
        return models.polynomial
    if name in models.names():
        return models.get(name)
    raise AttributeError(f"module 'nlsq.functions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*models.names(), "polynomial"]
