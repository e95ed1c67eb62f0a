"""Type names used in public signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import jax
    import numpy as np

ArrayLike: TypeAlias = "np.ndarray | jax.Array | Sequence[Any] | float"
BoundsTuple: TypeAlias = "tuple[ArrayLike, ArrayLike]"
#: ``f(x, *params)``, returning one value per data point.
ModelFunction: TypeAlias = "Callable[..., ArrayLike]"
MethodLiteral: TypeAlias = Literal["lm", "trf", "dogbox"]
#: ``callback(iteration, cost, params, info)``; returning False stops the fit.
Callback: TypeAlias = "Callable[[int, float, np.ndarray, Mapping[str, Any]], bool | None]"
