"""Models to fit: a catalogue of named models that know where to start, formulas, and their sums.

A model is called and fitted like any function; `guess` finds p0 in the data. Every fit takes a
text in the place of a model, which `read` reads; models are added by ``+``, with names of one's own
by `Model.prefixed`; ``help(model)`` says what a model is.

Examples
--------
>>> import numpy as np
>>> from nlsq import curve_fit, models
>>> model = models.get("gaussian + linear")
>>> model.names
('amp', 'mu', 'sigma', 'a', 'b')
>>> x = np.linspace(0, 10, 101)
>>> y = model(x, 3.0, 4.0, 0.5, 0.2, 1.0)
>>> fit = curve_fit(model, x, y, p0=model.guess(x, y), bounds=model.bounds())
>>> fit.popt.round(6).tolist()
[3.0, 4.0, 0.5, 0.2, 1.0]
>>> fit = curve_fit("height*exp(-((x - at)/width)**2) + a*x + b", x, y, p0=[3, 4, 1, 0, 1])
>>> list(fit.components())
['height*exp(-((x - at)/width)**2)', 'a*x', 'b']
>>> (models.get("gaussian").prefixed("p1_") + models.get("linear").prefixed("bg_")).names
('p1_amp', 'p1_mu', 'p1_sigma', 'bg_a', 'bg_b')
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlsq.models.catalogue import UnknownModel as UnknownModel
    from nlsq.models.catalogue import categories as categories
    from nlsq.models.catalogue import get as get
    from nlsq.models.catalogue import names as names
    from nlsq.models.catalogue import register as register
    from nlsq.models.catalogue import search as search
    from nlsq.models.formula_model import formula as formula
    from nlsq.models.formulas import FormulaError as FormulaError
    from nlsq.models.model import Model as Model
    from nlsq.models.model import Parameter as Parameter
    from nlsq.models.polynomials import polynomial as polynomial
    from nlsq.models.reading import read as read
    from nlsq.models.recipes import restored as restored

_HOME = {
    "categories": "catalogue",
    "formula": "formula_model",
    "FormulaError": "formulas",
    "get": "catalogue",
    "Model": "model",
    "names": "catalogue",
    "Parameter": "model",
    "polynomial": "catalogue",
    "read": "reading",
    "register": "catalogue",
    "restored": "recipes",
    "search": "catalogue",
    "UnknownModel": "catalogue",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        value = getattr(import_module(f"nlsq.models.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nlsq.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
