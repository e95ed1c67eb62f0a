"""The one place that touches what JAX may change from one release to the next.

These are its private names, the marks and options of XLA, and the code that JAX lowers to. Each
name is looked up when this module is imported, which only modules that need JAX do. Where a name is
missing a stand-in takes its place: it may be slower, its numbers are the same. `MISSING` lists
those names, and `nlsq info` shows them.

name                    without it
trace_state_clean       a fit inside `jit` is refused; inside `grad` or `vmap` JAX itself refuses
                        to make a number of a traced value
execution_stream_id     chunks are computed one after the other
make_cpu_client         a small program is handed to a thread of JAX's, as JAX does by itself
execute                 (of jaxlib's executables) short data are handed over anew for every fit
set_xla_metadata        XLA compiles and inlines as it sees fit
compilation_cache       programs are compiled in every process
trace_context, mlir     the step is traced and lowered in every process
ClusterEnv              processes of one fit are told where the first is, how many, and which
jaxpr_as_fun            a program is evaluated equation by equation

The options of XLA go only to releases of JAX with which the suite has run. The tables of
primitives (`pointwise_rules`, `by_numpy`, `elementwise`, `replacing`) are data: a primitive that is
missing there is proved, translated, fused or replaced by nobody, which costs time only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib import import_module
from itertools import chain
from typing import Any

import jax
import jaxlib
import numpy as np

UNSEEN = (0, 13)  # the first release of JAX with which nobody has run the suite
MISSING: list[str] = []


def _found(module: str, *names: str) -> tuple:
    """The objects of these names in a module of JAX; if one is missing, None for each."""
    try:
        home = import_module(module)
    except ImportError:
        home = None
    missing = [f"{module}.{name}" for name in names if not hasattr(home, name)]
    MISSING.extend(missing)
    return (None,) * len(names) if missing else tuple(getattr(home, name) for name in names)


def _all(objects: Iterable) -> bool:  # of which some have no truth value
    return all(thing is not None for thing in objects)


# Whether JAX traces


def _not_inside_jit() -> bool:
    return not isinstance(jax.lax.full((), 0.0), jax.core.Tracer)


(_trace_state_clean,) = _found("jax._src.core", "trace_state_clean")
nothing_is_traced: Callable[[], bool] = _trace_state_clean or _not_inside_jit
"""Whether no transformation of JAX is at work around the caller."""


# Where a program runs

(_execution_stream_id,) = _found("jaxlib.xla_client", "execution_stream_id")
(_make_cpu_client,) = _found("jaxlib.xla_client", "make_cpu_client")


def stream(number: int) -> AbstractContextManager:
    """A context whose programs wait for those of the same number only."""
    return _execution_stream_id(number) if _execution_stream_id else nullcontext()


def synchronous_device() -> Any:
    """The device of a CPU client of our own, which computes in the thread that calls; or None."""
    if _make_cpu_client is None:
        return None
    return _make_cpu_client(asynchronous=False, num_devices=1).devices()[0]


def in_place(jitted: Any, operands: tuple) -> Callable[[], np.ndarray] | None:
    """run() of a jitted function on what these NumPy arrays hold when it is called; or None.

    JAX then need not look at its operands and settings, nor take them over, in every call. The
    function was called with operands of this form, or it is compiled here.
    """
    executable = jitted.lower(*operands).compile().runtime_executable()
    arrays, device = jax.tree.leaves(operands), executable.local_devices()[0]
    buffers = jax.device_put(arrays, device)
    seen = [buffer.unsafe_buffer_pointer() for buffer in buffers]
    if not hasattr(executable, "execute") or seen != [a.ctypes.data for a in arrays]:
        return None
    return lambda: np.asarray(executable.execute(buffers)[0])


# What a cluster says of a process

(_ClusterEnv,) = _found("jax._src.clusters", "ClusterEnv")


def told_by_cluster(address: str | None, count: int | None, rank: int | None) -> tuple:
    """The arguments of `jax.distributed.initialize`, those that are None as JAX detects them."""
    if _ClusterEnv is None:
        return address, count, rank
    detect = _ClusterEnv.auto_detect_unset_distributed_params
    return detect(address, count, rank, None, None, 60)[:3]


# How XLA compiles

(_set_xla_metadata,) = _found("jax.experimental.xla_metadata", "set_xla_metadata")


def marks(**values: str | None) -> AbstractContextManager:
    """A context whose calls carry these marks, which XLA's CPU backend reads; None takes one away.

    inlineable: "false" keeps a function apart from its callers. xla_cpu_small_call: "true" compiles
    it as one function.
    """
    return _set_xla_metadata(**values) if _set_xla_metadata else nullcontext()


def compiler_options(unrolled: bool) -> dict[str, Any]:
    """Options of XLA for the default backend, of which only the CPU's has any.

    unrolled: much of the program is straight code on vectors of some hundred numbers. LLVM's first
    level of optimisation compiles such in 0.6 of the time, and what it makes takes 1.02 times as
    long; a pass over 10^6 points would take 1.5 times as long.

    Vectors are as wide as the processor's, where XLA stops at 256 bits: with AVX-512 a pass takes
    0.7 to 0.8 of the time. JAX 0.10's fusion emitters are off: with them a fit's program takes 2.1
    times as long to compile (3.7 s of CPU against 1.8 s) and a pass over 10^6 points 1.8 times as
    long. JAX 0.12 has neither the option nor the old emitters.
    """
    if jax.default_backend() != "cpu" or jax.__version_info__ >= UNSEEN:
        return {}
    options: dict[str, Any] = {"xla_cpu_prefer_vector_width": 512}
    if unrolled:
        options["xla_backend_optimization_level"] = 1
    if jax.__version_info__ < (0, 11):
        options["xla_cpu_use_fusion_emitters"] = False
    return options


# JAX's cache of compiled programs

_CACHED = {  # most of a small fit's start-up is compilations below JAX's thresholds
    "persistent_cache_min_compile_time_secs": 0.0,
    "persistent_cache_min_entry_size_bytes": -1,
}
_SETTINGS = (*_CACHED, "enable_compilation_cache", "compilation_cache_dir")
_settings = dict(zip(_SETTINGS, _found("jax._src.config", *_SETTINGS), strict=True))
_reset, _ = _found("jax._src.compilation_cache", "reset_cache", "_cache")
_cache = None
if _reset is not None and _all(_settings.values()):
    _cache = import_module("jax._src.compilation_cache")


@contextmanager
def programs_kept_in(place: Any) -> Iterator[None]:
    """In this thread, compiled programs are read from and written to a place.

    place : str or object
        A directory, or what has `get` and `put` of bytes by name.
    """
    if _cache is None:
        yield
        return
    memory = not isinstance(place, str)
    where = {"enable_compilation_cache": True} if memory else {"compilation_cache_dir": place}
    with ExitStack() as stack:
        for name, value in (_CACHED | where).items():
            stack.enter_context(_settings[name](value))
        if memory:
            _cache.reset_cache()  # it remembers whether it was switched on
            _cache._cache = place
        try:
            yield
        finally:
            _cache.reset_cache()  # the user may still choose a directory of his own


# The code of a function: StableHLO in MLIR's byte code

(_trace_context,) = _found("jax._src.config", "trace_context")
(_Primitive,) = _found("jax._src.core", "Primitive")  # jax.extend would load Pallas, some 20 ms
_ir, _merge, _to_bytes, _register = _found(
    "jax.interpreters.mlir", "ir", "merge_mlir_modules", "module_to_bytecode", "register_lowering"
)
(_CallOp,) = _found("jaxlib.mlir.dialects.func", "CallOp")


def code_is_portable() -> bool:
    """Whether this JAX can take a function's code out of one program and put it into another."""
    return _all((_trace_context, _Primitive, _ir, _CallOp))


def code_depends_on() -> tuple[str, ...]:
    """JAX's versions, and what its own cache of traces looks at; objects without their address."""
    values = [repr(value).split(" at 0x")[0] for value in _trace_context()]
    return jax.__version__, jaxlib.__version__, *values


def code_of(f: Callable, *forms: Any) -> bytes | None:
    """The code of a function of such arrays; None if it calls a library.

    To trace such a function registers the library too, so its code alone is not enough.
    """
    code = _to_bytes(jax.jit(f).lower(*forms).compiler_ir())
    return None if b"custom_call" in code else code


def call(code: bytes, *operands: Any) -> Any:
    """What a function's code makes of its operands: an array like the first of them."""
    return _call.bind(*jax.tree.leaves(operands), code=code)


def _insert(context, *operands, code: bytes):
    """A call of the code's main function, which joins the module that is being lowered."""
    within = context.module_context
    module = _ir.Module.parse(code)
    types = _ir.SymbolTable(module.operation)["main"].type.results
    name = _merge(within.module, "lowered", module, within.symbol_table)
    return _CallOp(types, _ir.FlatSymbolRefAttr.get(name), operands).results


if code_is_portable():
    _call = _Primitive("lowered")
    _call.def_abstract_eval(lambda first, *_, code: first)
    _register(_call, _insert)


# How a traced program is read


def opened(program: Any) -> Any:
    """The jaxpr of a program, closed or not."""
    return getattr(program, "jaxpr", program)


def is_literal(operand: Any) -> bool:
    """Whether an operand of an equation is a number that stands in it."""
    return hasattr(operand, "val")


def programs_in(equation: Any) -> list:
    """The jaxprs an equation holds. High-level primitives (JAX 0.12) are what they expand to."""
    if "_prim" in equation.params:
        prim = equation.params["_prim"]
        args = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in prim.in_avals_flat]
        with jax.enable_x64(True):
            return [jax.make_jaxpr(lambda *a: prim.expand(*prim.in_tree.unflatten(a)))(*args)]
    values = [v if isinstance(v, (tuple, list)) else (v,) for v in equation.params.values()]
    return [v for v in chain.from_iterable(values) if hasattr(opened(v), "eqns")]


def scan_counts(params: dict) -> tuple[int, int]:
    """How many of a scan's operands are constant, and how many are carried along."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constant, carried = map(len, params["ft_in"].elts[:2])  # JAX 0.12
    return constant, carried


def apply(equation: Any, inputs: list) -> list:
    """The outputs of one equation."""
    parameters = equation.primitive.get_bind_params(equation.params)
    outputs = equation.primitive.bind(*inputs, **parameters)
    return outputs if equation.primitive.multiple_results else [outputs]


def evaluated(program: Any, operands: Any, apply: Callable[[Any, list], list]) -> list:
    """Outputs of a ClosedJaxpr, of whose equations apply(equation, inputs) makes the outputs."""
    values = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    values.update(zip(program.jaxpr.invars, operands, strict=True))

    def read(operand):
        return operand.val if is_literal(operand) else values[operand]

    for equation in program.jaxpr.eqns:
        outputs = apply(equation, [read(v) for v in equation.invars])
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(v) for v in program.jaxpr.outvars]


(_jaxpr_as_fun,) = _found("jax._src.core", "jaxpr_as_fun")


def evaluate(program: Any, *operands: Any) -> list:
    """Outputs of a ClosedJaxpr."""
    if _jaxpr_as_fun:
        return _jaxpr_as_fun(program)(*operands)
    return evaluated(program, operands, apply)
