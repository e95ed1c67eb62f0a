"""What a stranger's model may write beside the names of modules: builtins, attributes, methods."""

from __future__ import annotations

import ast

#: Builtins that reach nothing: no source, file, frame, namespace, or attribute by name.
BUILTINS = frozenset(
    """
    abs all any bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter
    float format frozenset hasattr hash id int isinstance issubclass iter len list map max min next
    object ord pow print property range repr reversed round set slice sorted staticmethod str sum
    super tuple type zip True False None NotImplemented Ellipsis __debug__
    ArithmeticError AssertionError AttributeError DeprecationWarning Exception FloatingPointError
    FutureWarning ImportError IndexError KeyError LookupError ModuleNotFoundError NameError
    NotImplementedError OSError OverflowError RecursionError RuntimeError RuntimeWarning
    StopIteration SyntaxError TypeError UserWarning ValueError Warning ZeroDivisionError
    """.split()
)
#: Names between double underscores that may be read.
READABLE = frozenset(("__name__", "__doc__", "__debug__"))
#: ... and set, to constants, as files do at their top.
METADATA = frozenset(
    """__all__ __author__ __copyright__ __credits__ __date__ __email__ __license__ __maintainer__
    __status__ __version__""".split()
)
#: Special methods a class may have.
METHODS = frozenset(
    """
    __abs__ __add__ __and__ __bool__ __call__ __ceil__ __complex__ __contains__ __divmod__
    __enter__ __eq__ __exit__ __float__ __floor__ __floordiv__ __ge__ __getitem__ __gt__ __hash__
    __iadd__ __imul__ __init__ __int__ __invert__ __isub__ __iter__ __itruediv__ __le__ __len__
    __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __next__ __or__ __pos__ __post_init__ __pow__
    __radd__ __rdivmod__ __repr__ __reversed__ __rfloordiv__ __rmatmul__ __rmod__ __rmul__
    __round__ __rpow__ __rsub__ __rtruediv__ __setitem__ __str__ __sub__ __truediv__
    __trunc__ __xor__
    """.split()
)
#: Attributes that are refused on anything.
_ATTRIBUTES = {
    "format": "text formats can read attributes; use an f-string",
    "format_map": "text formats can read attributes; use an f-string",
    "tofile": "it writes files",
    "dump": "it writes files",
    "dumps": "it pickles",
    "ctypes": "it leads to addresses in memory",
    "cffi": "it leads to addresses in memory",
    "unsafe_buffer_pointer": "it leads to addresses in memory",
    "setflags": "it lifts the protection of memory",
    "setfield": "it lifts the protection of memory",
    "getfield": "it lifts the protection of memory",
    "construct_fast": "it skips the checks of its arrays",
    "resize": "it can free memory in use; use numpy.resize(a, shape)",
    "compile": "it compiles",
    "mro": "it leads to other classes",
    "with_traceback": "it leads to frames",
    "f_back": "it leads to frames",
    "f_builtins": "it leads to frames",
    "f_code": "it leads to frames",
    "f_globals": "it leads to frames",
    "f_locals": "it leads to frames",
    "f_trace": "it leads to frames",
}
#: Attributes that are set on anything: parts of arrays, and what programs ask a model for.
SETTABLE = frozenset(("real", "imag", "estimate_p0"))
_PREFIXES = ("tb_", "gi_", "cr_", "ag_", "co_", "func_")
#: Classes of modules that a class may inherit from.
BASES = frozenset(
    """typing.NamedTuple typing.Protocol typing.Generic abc.ABC builtins.object
    builtins.Exception builtins.ValueError builtins.RuntimeError builtins.ArithmeticError
    builtins.TypeError builtins.UserWarning""".split()
)
#: Decorators of classes: what else one returns could be any class.
CLASS_DECORATORS = frozenset(("dataclasses.dataclass",))
#: Decorators from modules, with or without arguments.
DECORATORS = frozenset(
    """
    jax.jit jax.vmap jax.grad jax.custom_jvp jax.custom_vjp jax.checkpoint jax.remat
    jax.value_and_grad jax.custom_gradient jax.named_call numpy.vectorize jax.numpy.vectorize
    functools.partial functools.lru_cache functools.cache functools.cached_property
    functools.wraps dataclasses.dataclass abc.abstractmethod typing.overload
    builtins.staticmethod builtins.classmethod builtins.property
    """.split()
)
#: Those that change what they are given: only a function or class below them.
ONLY_DECORATORS = frozenset(("functools.wraps", "dataclasses.dataclass"))
#: What decorates a property or a differentiation rule: `@width.setter`, `@f.defjvp`.
DECORATING_ATTRIBUTES = frozenset(("setter", "getter", "deleter", "defjvp", "defvjp"))
#: Types that are only named, in annotations and by isinstance: they build arrays on any memory.
TYPES = frozenset(("numpy.ndarray", "numpy.typing.NDArray", "jax.numpy.ndarray"))
#: Keywords that are refused in any call.
KEYWORDS = {
    "metaclass": "a metaclass runs code when a class is made",
    "compiler_options": "options of the compiler can write files",
}
#: What to write for names of `allowed` that are not there since they trust their arguments.
INSTEAD = {
    **{
        f"scipy.ndimage.{name}": "RegularGridInterpolator or jax.scipy.ndimage.map_coordinates"
        for name in "affine_transform geometric_transform map_coordinates rotate shift zoom".split()
    },
    "scipy.interpolate.Rbf": "RBFInterpolator",
    "scipy.interpolate.bisplev": "RectBivariateSpline or SmoothBivariateSpline",
    "scipy.interpolate.insert": "BSpline(*tck).insert_knot(x)",
    "scipy.interpolate.spalde": "BSpline(*tck).derivative(n)(x)",
    "scipy.interpolate.splev": "BSpline(*tck)(x), which checks its knots",
    "scipy.interpolate.splint": "BSpline(*tck).integrate(a, b)",
    "scipy.interpolate.sproot": "PPoly.from_spline(tck).roots()",
    "scipy.linalg.lu_solve": "scipy.linalg.solve",
    "scipy.signal.sepfir2d": "convolve2d",
}
_JIT_KEYWORDS = frozenset(("static_argnums", "static_argnames", "inline"))

_STATEMENTS = """FunctionDef ClassDef Return Delete Assign AugAssign AnnAssign For While If With
    Raise Try Assert Import ImportFrom Global Nonlocal Expr Pass Break Continue Match"""
_EXPRESSIONS = """BoolOp NamedExpr BinOp UnaryOp Lambda IfExp Dict Set ListComp SetComp DictComp
    GeneratorExp Yield YieldFrom Compare Call FormattedValue JoinedStr Constant Attribute Subscript
    Starred Name List Tuple Slice"""
_PARTS = """Module Load Store Del And Or Add Sub Mult MatMult Div Mod Pow LShift RShift BitOr BitXor
    BitAnd FloorDiv Invert Not UAdd USub Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn comprehension
    ExceptHandler arguments arg keyword alias withitem match_case MatchValue MatchSingleton
    MatchSequence MatchMapping MatchClass MatchStar MatchAs MatchOr"""
#: Kinds of syntax that may be written; not async, `except*`, type parameters or what comes later.
NODES = frozenset(f"{_STATEMENTS} {_EXPRESSIONS} {_PARTS}".split())


def special(name: str) -> bool:
    """Whether a name is one of Python's own, ``__like_this__``."""
    return name.startswith("__") and name.endswith("__")


def attribute_refusal(name: str) -> str | None:
    """Why an attribute is refused on any object; None when it is not."""
    if special(name):
        return "it leads to what is behind objects"
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    if name.startswith(_PREFIXES) or (name == "f_lineno"):
        return "it leads to frames and code"
    return None


def _starred(call: ast.Call) -> bool:
    unpacked = any(isinstance(a, ast.Starred) for a in call.args)
    return unpacked or any(k.arg is None for k in call.keywords)


def call_refusal(path: str, call: ast.Call) -> str | None:
    """What is wrong with a call of something in `CALLS`."""
    if _starred(call) and path != "dataclasses.replace":
        return f"{path.removeprefix('builtins.')} takes no unpacked arguments here"
    return CALLS[path](call)


def _jit(call: ast.Call) -> str | None:
    names = {k.arg for k in call.keywords}
    if len(call.args) > 1 or not names <= _JIT_KEYWORDS:
        return "jax.jit takes one function here, and static_argnums or static_argnames"
    return None


def _wraps(call: ast.Call) -> str | None:
    return (
        "functools.wraps takes one function here" if len(call.args) != 1 or call.keywords else None
    )


def _x64(call: ast.Call) -> str | None:
    values = [a.value if isinstance(a, ast.Constant) else None for a in call.args]
    if len(values) == 2 and values[0] == "jax_enable_x64" and isinstance(values[1], bool):
        return None if not call.keywords else "only jax_enable_x64 may be set"
    return "only jax_enable_x64 may be set"


def _has(call: ast.Call) -> str | None:
    name = call.args[1] if len(call.args) == 2 and not call.keywords else None
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        reason = attribute_refusal(name.value) or ("private" if name.value[:1] == "_" else None)
        return reason and f"the attribute {name.value!r}: {reason}"
    return "hasattr takes the name of an attribute as a constant here"


def _type(call: ast.Call) -> str | None:
    return "type takes one argument here" if len(call.args) != 1 or call.keywords else None


def _fields(call: ast.Call) -> str | None:
    named = call.args and not isinstance(call.args[0], ast.Starred)
    return None if named else "the object is the first argument, without a keyword or star"


#: Functions that take apart and make anew: only objects of the file's own classes.
OF_OWN = frozenset(("dataclasses.asdict", "dataclasses.astuple", "dataclasses.replace"))
#: What may only be called, and how: from a call to what is wrong with it.
CALLS = {
    "jax.jit": _jit,
    "functools.wraps": _wraps,
    "jax.config.update": _x64,
    "builtins.hasattr": _has,
    "builtins.type": _type,
    **dict.fromkeys(OF_OWN, _fields),
}
