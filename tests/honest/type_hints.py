from collections.abc import Callable
from typing import Optional, Union

import numpy as np
import numpy.typing as npt

Array = Union[float, npt.NDArray[np.float64]]


def compose(f: Callable[[Array], Array], g: Optional[Callable] = None) -> Callable:
    return (lambda x: f(g(x))) if g is not None else f


def model(x: Array, a: float, b: float) -> Array:
    return a * compose(np.exp, lambda u: -b * u)(x)
