"""`OptimizeWarning`, a subclass of SciPy's that costs nothing until it is named.

`warnings` filters and ``except`` look at true base classes only, so catching SciPy's category
needs SciPy's class as a base. The class is therefore built on first access (PEP 562): whoever asks
for it, or filters on SciPy's, has SciPy loaded anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scipy.optimize import OptimizeWarning as OptimizeWarning

_DOC = """A result that deserves a second look: undetermined parameters, no convergence.

Subclass of `scipy.optimize.OptimizeWarning` (and so of `UserWarning`): filters and handlers written
for SciPy's category catch it too.

Examples
--------
>>> import warnings
>>> from nlsq.result import OptimizeWarning
>>> with warnings.catch_warnings(record=True) as caught:
...     warnings.simplefilter("always", OptimizeWarning)
...     warnings.warn("b is not determined by the data", OptimizeWarning)
>>> caught[0].category.__name__
'OptimizeWarning'
"""


def __getattr__(name: str) -> Any:
    if name != "OptimizeWarning":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scipy.optimize import OptimizeWarning as ScipyOptimizeWarning

    # setdefault: two threads that ask at once must get one class.
    made = type(name, (ScipyOptimizeWarning,), {"__module__": __name__, "__doc__": _DOC})
    return globals().setdefault(name, made)


def __dir__() -> list[str]:
    return sorted({*globals(), "OptimizeWarning"})
