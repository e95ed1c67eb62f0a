"""What Python and NumPy call on a dual number: operators, ufuncs, functions, conversions."""

from __future__ import annotations

import operator
import sys

import numpy as np

from nlsq.core.model.duals.chain import elementwise, masked, reduced, stepped
from nlsq.core.model.duals.dual import DUALS, FUNCTIONS, Dual, name_of, plain, refuse
from nlsq.core.model.duals.elementwise import ELEMENTWISE
from nlsq.core.model.duals.quick import NUMBERS as QUICK_KINDS
from nlsq.core.model.duals.quick import quick

BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "pow": np.power,
    "mod": np.remainder,
    "floordiv": np.floor_divide,
    "matmul": np.matmul,
    "divmod": np.divmod,
}
UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute}
COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
# what would drop the derivative; the reasons are the refusals' words
DROPPING = {
    "__float__": "float(parameter), or a function that takes Python's floats (math.*),",
    "__int__": "int(parameter)",
    "__complex__": "complex(parameter)",
    "__hash__": "a parameter as a key (a dictionary, a set, functools.cache)",
    "__str__": "a parameter as text",
    "__format__": "a parameter as text",
    "__reduce_ex__": "a pickled parameter",
    "__array__": "np.array or np.asarray of a parameter, or an assignment into a plain array,",
    "item": "parameter.item()",
    "tolist": "parameter.tolist()",
}
# operands that NumPy's numbers take; others (a pandas Series) may have operators of their own
QUICK_NUMBERS = QUICK_KINDS | DUALS
NUMBERS = QUICK_NUMBERS | {bool, complex, list, tuple}
FOREIGN_NUMBERS = (np.ndarray, np.generic, float, int)  # subclasses of these


QUICK = {ufunc: rule for ufunc in ELEMENTWISE if (rule := quick(ufunc))}

SOLVER = "scipy.optimize._minpack_py"  # its C code prints a refusal instead of raising it


def array_ufunc(self, ufunc, method, *args, **settings):
    if method == "__call__" and not settings and ufunc in QUICK:
        rule, reflected = QUICK[ufunc]
        a = args[0]
        if reflected is None or type(a) in DUALS:
            return rule(*args)
        return reflected(args[1], a)
    return _any_ufunc(ufunc, method, *args, **settings)


def _any_ufunc(ufunc, method, *args, out=None, where=True, **settings):
    if method != "__call__":
        return reduced(ufunc, method, args, out, where, settings)
    if settings:
        raise refuse(f"{name_of(ufunc)} with {', '.join(settings)}= has no derivative rule")
    if out is not None or where is not True:
        return masked(ufunc, args, out, where)
    rule = FUNCTIONS.get(ufunc)
    return rule(*args) if rule else elementwise(ufunc, ufunc, args)


def array_function(self, function, types, args, settings):
    if sys._getframe(1).f_globals.get("__name__") == SOLVER:
        raise refuse("scipy.optimize.fsolve and its kin have no derivative rule")
    rule = FUNCTIONS.get(function)
    if rule is None:
        raise refuse(f"{name_of(function)} has no derivative rule")
    return rule(*args, **settings)


def unary(ufunc, operation):
    def operate(self):
        rule = FUNCTIONS.get(ufunc)
        return rule(self) if rule else elementwise(ufunc, operation, (self,))

    return quick(ufunc, operation)[0] if quick(ufunc) else operate


def binary(ufunc, operation, reflected):
    def operate(self, other, modulo=None):
        if type(other) not in NUMBERS and not isinstance(other, FOREIGN_NUMBERS):
            return NotImplemented
        if modulo is not None:
            raise refuse("pow with a modulus has no derivative rule")
        args = (other, self) if reflected else (self, other)
        rule = FUNCTIONS.get(ufunc)
        return rule(*args) if rule else elementwise(ufunc, operation, args)

    if not quick(ufunc):
        return operate
    ready = quick(ufunc, operation)[reflected]

    def operate_quickly(self, other, *modulo):
        if type(other) in QUICK_NUMBERS and not modulo:
            return ready(self, other)
        return operate(self, other, *modulo)

    return operate_quickly


def in_place(operation):
    def operate(self, other):
        result = operation(self, other)
        if not isinstance(self.primal, np.ndarray):  # NumPy's scalars are not changed in place
            return result
        if not np.can_cast(np.asarray(plain(result)).dtype, self.primal.dtype, "same_kind"):
            raise TypeError(f"an array of {self.primal.dtype} cannot hold the result")
        self[...] = result
        return self

    return operate


def comparison(ufunc, operation):
    return lambda self, other: stepped(ufunc, operation, (self, other))


def truth(self):
    if np.size(self.primal) != 1:
        return bool(self.primal)
    return bool(stepped(np.not_equal, operator.ne, (self, 0)))


def dropping(what):
    def method(self, *args, **settings):
        raise refuse(f"{what} drops the derivative")

    return method


Dual.__array_ufunc__ = array_ufunc
Dual.__array_function__ = array_function
Dual.__bool__ = truth
for _name, _ufunc in BINARY.items():
    _operation = divmod if _name == "divmod" else getattr(operator, _name)
    setattr(Dual, f"__{_name}__", binary(_ufunc, _operation, False))
    setattr(Dual, f"__r{_name}__", binary(_ufunc, _operation, True))
    if _name != "divmod":
        setattr(Dual, f"__i{_name}__", in_place(_operation))
for _name, _ufunc in UNARY.items():
    setattr(Dual, f"__{_name}__", unary(_ufunc, getattr(operator, _name)))
for _name, _ufunc in COMPARISONS.items():
    setattr(Dual, f"__{_name}__", comparison(_ufunc, getattr(operator, _name)))
for _name, _what in DROPPING.items():
    setattr(Dual, _name, dropping(_what))
