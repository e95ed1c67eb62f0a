"""What Python and NumPy call on a dual number: operators, ufuncs, functions, conversions."""

from __future__ import annotations

import operator
import sys

import numpy as np

from nlsq.core.model.duals.chain import elementwise, masked, reduced, stepped
from nlsq.core.model.duals.dual import (
    DUALS,
    FUNCTIONS,
    Dual,
    arrays_in,
    carries,
    duals_in,
    is_open,
    name_of,
    observe,
    plain,
    refuse,
)
from nlsq.core.model.duals.elementwise import PLAIN
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
    "__complex__": "complex(parameter)",
    "__hash__": "a parameter as a key (a dictionary, a set, functools.cache)",
    "__str__": "a parameter as text",
    "__format__": "a parameter as text",
    "__reduce_ex__": "a pickled parameter",
    "item": "parameter.item()",
    "tolist": "parameter.tolist()",
}
# operands that NumPy's numbers take; others (a pandas Series) may have operators of their own
QUICK_NUMBERS = QUICK_KINDS | DUALS
NUMBERS = QUICK_NUMBERS | {bool, complex, list, tuple}
FOREIGN_NUMBERS = (np.ndarray, np.generic, float, int)  # subclasses of these


QUICK: dict = {}  # the rules of `quick`, when they were first asked for

SOLVER = "scipy.optimize._minpack_py"  # its C code prints a refusal instead of raising it


def _quick(ufunc):
    if ufunc in QUICK or ufunc in FUNCTIONS:
        return None
    rules = quick(ufunc)
    if rules or getattr(np, ufunc.__name__, None) is ufunc:  # others may be made by the dozen
        QUICK[ufunc] = rules
    return rules


def array_ufunc(self, ufunc, method, *args, **settings):
    if method == "__call__" and not settings and (rules := QUICK.get(ufunc) or _quick(ufunc)):
        rule, reflected = rules
        a = args[0]
        if reflected is None or type(a) in DUALS:
            return rule(*args)
        return reflected(args[1], a)
    if method == "__call__" and not settings and ufunc in PLAIN:
        return stepped(ufunc, ufunc, args)
    return _any_ufunc(ufunc, method, *args, **settings)


def _any_ufunc(ufunc, method, *args, out=None, where=True, **settings):
    if out is None and not carries([*args, where, *settings.values()]):
        if where is not True:
            settings["where"] = plain(where)
        value = getattr(ufunc, method)(*plain(args), **settings)
        return Dual(value, {}) if is_open(value) else value
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
    if rule is not None:
        return rule(*args, **settings)
    if carries([*args, *settings.values()]):
        raise refuse(f"{name_of(function)} has no derivative rule")
    value = function(*plain(args), **{k: plain(v) for k, v in settings.items()})
    if any(np.may_share_memory(v, a.primal) for v in arrays_in(value) for a in duals_in(args)):
        raise refuse(f"{name_of(function)} of an array that parameters may be written into")
    return Dual(value, {}) if is_open(value) else value


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

    def operate_quickly(self, other):
        return ready(self, other) if type(other) in QUICK_NUMBERS else operate(self, other)

    def power_quickly(self, other, *modulo):
        quickly = type(other) in QUICK_NUMBERS and not modulo
        return ready(self, other) if quickly else operate(self, other, *modulo)

    return power_quickly if ufunc is np.power else operate_quickly


def in_place(operation):
    def operate(self, other):
        result = operation(self, other)
        if not isinstance(self.primal, np.ndarray):  # NumPy's scalars are not changed in place
            return result
        value = np.asarray(plain(result))
        if not np.can_cast(value.dtype, self.primal.dtype, "same_kind"):
            raise TypeError(f"an array of {self.primal.dtype} cannot hold the result")
        if type(self) is not Dual or value.shape != self.primal.shape:
            self[...] = result
            return self
        self.primal[...] = value
        self.tangents, self.owns_tangents = result.tangents, False
        result.owns_tangents = False
        return self

    return operate


def comparison(ufunc, operation):
    return lambda self, other: stepped(ufunc, operation, (self, other))


def truth(self):
    if np.size(self.primal) != 1:
        return bool(self.primal)
    return bool(stepped(np.not_equal, operator.ne, (self, 0)))


def dropping(name, what):
    def method(self, *args, **settings):
        if self.tangents:
            raise refuse(f"{what} drops the derivative")
        return getattr(self.primal, name)(*args, **settings)

    return method


def as_array(self, dtype=None, copy=None):
    """A copy, since what is written into the dual array later has tangents."""
    if self.tangents:
        raise refuse(
            "np.array or np.asarray of a parameter, or an assignment into a plain array, drops the "
            "derivative"
        )
    return np.array(self.primal, dtype)


def as_integer(self):
    observe(self)  # a step
    return int(self.primal)


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
    setattr(Dual, _name, dropping(_name, _what))
Dual.__array__, Dual.__int__ = as_array, as_integer
