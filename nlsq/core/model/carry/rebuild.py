"""The stand-ins with which a model is rebuilt for JAX.

Arrays among the globals become proxies, so a traced index works on them and an assignment never
reaches the user's array.
"""

from __future__ import annotations

import cmath
import math
import sys
import types
from typing import Any

import numpy as np

from nlsq.core.model import rebuilding
from nlsq.core.model.carry import functions, namespaces, scipy_functions
from nlsq.core.model.carry.proxy import Proxy
from nlsq.core.model.rebuilding import DISPATCHER, STOOD_FOR, plain_class


class Rebuild(rebuilding.Rebuild):
    """`rebuild(obj)`: the stand-in of any object, itself when it needs none. Lives for one call."""

    builtins = namespaces.BUILTINS

    def replaced(self, obj: Any) -> Any:
        """Proxies' counterpart of NumPy's, SciPy's and `math`'s objects."""
        if id(obj) in namespaces.SPECIAL_OBJECTS:
            return namespaces.SPECIAL_OBJECTS[id(obj)]
        if isinstance(obj, np.ufunc):
            return namespaces.UfuncStandIn(obj)
        if isinstance(obj, DISPATCHER):
            return namespaces.FunctionStandIn(obj)
        if isinstance(obj, types.FunctionType):
            return self._function_of_scipy(obj)
        if isinstance(obj, types.BuiltinFunctionType):
            return self._builtin(obj)
        if isinstance(obj, np.vectorize):
            return namespaces.Vectorized(self(obj.pyfunc), obj.otypes)
        if obj is float or obj is complex:
            return namespaces.BUILTINS[obj.__name__]
        if isinstance(obj, type):
            maker = scipy_functions.stand_in(obj) or scipy_functions.maker(obj)
            return maker or (None if plain_class(obj) else obj)
        kinds = (types.ModuleType, types.MethodType, np.ndarray, list, tuple, dict)
        return None if isinstance(obj, kinds) else scipy_functions.instance(obj)

    def _function_of_scipy(self, f: types.FunctionType) -> Any:
        replacement = scipy_functions.stand_in(f)
        top = (f.__module__ or "").partition(".")[0]
        if replacement is not None or top not in STOOD_FOR:
            return replacement
        known = top == "numpy" or f in functions.TABLE
        return namespaces.FunctionStandIn(f) if known else scipy_functions.guarded(f)

    def _builtin(self, f: Any) -> Any:
        replacement = scipy_functions.stand_in(f)
        if replacement is not None:
            return replacement
        module = getattr(f, "__module__", None)
        if module in ("math", "cmath"):
            return getattr(self(sys.modules[module]), f.__name__)
        if module == "builtins":
            return namespaces.BUILTINS.get(f.__name__, f)
        if module and module.partition(".")[0] == "numpy":
            return namespaces.FunctionStandIn(f)
        return f

    def array(self, a: np.ndarray) -> Any:
        """A proxy."""
        plain = type(a) is np.ndarray and a.dtype.kind in "biufc"
        return Proxy(a) if plain else a

    def members(self, module: types.ModuleType) -> dict[str, Any]:
        """Those of `math` and `cmath`, which share functions that do not compare."""
        return namespaces.scalar_module(module) if module in (math, cmath) else {}
