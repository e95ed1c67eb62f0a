"""What another JAX may lack: only `nlsq/xla.py` knows it, and a fit is the same without it."""

import ast
import importlib
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.optimize

import nlsq
from nlsq import curve_fit, device, xla
from nlsq.core.drive import staging
from nlsq.core.passes.layout import CHUNKS

pytestmark = pytest.mark.core
PACKAGE = Path(nlsq.__file__).parent

X = np.linspace(0.0, 6.0, 80)
P0 = (1.0, 0.5, 1.5)


def ringing(t, a, b, c):
    return a * np.exp(-b * t) * np.sin(c * t)


def observed(t):
    return ringing(t, 2.0, 0.4, 1.7) + 0.05 * np.cos(37 * t)


@contextmanager
def without(*paths):
    """A JAX that lacks these names when `xla` looks for them."""
    with pytest.MonkeyPatch.context() as patch:
        for path in paths:
            patch.delattr(path)
        importlib.reload(xla)
    device._synchronous_device.cache_clear()
    nlsq.clear_cache()
    try:
        yield
    finally:
        importlib.reload(xla)
        device._synchronous_device.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def disk(tmp_path_factory):
    """Programs on disk, where the names that look after them come into play."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NLSQ_DISABLE_PERSISTENT_CACHE", "0")
        patch.setattr("nlsq.utils.kept._kept", None)
        yield


@pytest.fixture(scope="module")
def expected(disk):
    return curve_fit(ringing, X, observed(X), P0)


def assert_same(result, expected):
    np.testing.assert_allclose(result.popt, expected.popt, rtol=1e-10)
    np.testing.assert_allclose(result.pcov, expected.pcov, rtol=1e-9, atol=1e-18)


CLIENT = ("jaxlib.xla_client.make_cpu_client",)
FILES = (
    "jax._src.compilation_cache.reset_cache", "jax._src.config.trace_context",
    "jax._src.core.Primitive", "jax.interpreters.mlir.merge_mlir_modules",
    "jaxlib.mlir.dialects.func.CallOp",
)  # fmt: skip
MARKS = ("jax.experimental.xla_metadata.set_xla_metadata",)
READING = ("jax._src.core.jaxpr_as_fun",)
STREAMS = ("jaxlib.xla_client.execution_stream_id",)
TRACING = ("jax._src.core.trace_state_clean",)


def test_the_fit_is_scipys(expected):
    popt, pcov = scipy.optimize.curve_fit(ringing, X, observed(X), P0, ftol=1e-15, xtol=1e-15)
    np.testing.assert_allclose(expected.popt, popt, rtol=1e-6)
    np.testing.assert_allclose(expected.pcov, pcov, rtol=1e-4)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (CLIENT, ["_make_cpu_client"]),
        (FILES, ["_cache", "_trace_context", "_Primitive", "_ir", "_merge", "_CallOp"]),
        (MARKS, ["_set_xla_metadata"]),
        (TRACING, ["_trace_state_clean"]),
        (
            CLIENT + FILES + MARKS + READING + STREAMS + TRACING,
            ["_jaxpr_as_fun", "_execution_stream_id"],
        ),
    ],
    ids=["client", "files", "marks", "tracing", "everything"],
)
def test_a_fit_is_the_same_without(names, missing, expected):
    assert xla.MISSING == []
    with without(*names):
        assert sorted(xla.MISSING) == sorted(names)
        assert [getattr(xla, name) for name in missing] == [None] * len(missing)
        assert_same(curve_fit(ringing, X, observed(X), P0), expected)


def test_a_fit_is_the_same_in_a_release_unseen(expected, monkeypatch):
    monkeypatch.setattr(xla, "UNSEEN", (0, 0))
    assert xla.compiler_options(unrolled=True) == {}
    nlsq.clear_cache()
    assert_same(curve_fit(ringing, X, observed(X), P0), expected)


def test_chunks_are_the_same_without_streams():
    x = np.linspace(0.0, 6.0, 2 * CHUNKS[0][0])
    expected = curve_fit(ringing, x, observed(x), P0)
    with without(*STREAMS):
        assert_same(curve_fit(ringing, x, observed(x), P0), expected)


def test_a_fit_inside_jit_is_refused_without_jaxs_own_word():
    with without(*TRACING), pytest.raises(TypeError, match="cannot run inside"):
        jax.jit(lambda a: a * curve_fit(ringing, X, observed(X), P0).popt[0])(1.0)


@jax.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda x, t: (cubed(*x), 5 * x[0] ** 2 * t[0]))  # as nobody else would derive it


def test_a_program_is_evaluated_without_jaxs_own_way():
    def f(x):
        halves = jax.lax.split(x, [2, 2])
        return jax.lax.fori_loop(0, 3, lambda k, s: s + cubed(s) / 8, halves[0]), halves[1]

    x = np.arange(4.0, dtype=np.float32) / 4
    program = jax.make_jaxpr(f)(x)
    with without(*READING):
        assert xla._jaxpr_as_fun is None
        np.testing.assert_array_equal(np.ravel(xla.evaluate(program, x)), np.ravel(f(x)))
        tangent = jax.jvp(lambda x: xla.evaluate(program, x)[0], (x,), (x,))[1]
    np.testing.assert_allclose(tangent, jax.jvp(lambda x: f(x)[0], (x,), (x,))[1], rtol=1e-6)


PRIVATE = (
    "jax._src", "jax.experimental", "jax.extend", "jax.interpreters", "jax.lib", "jaxlib",
)  # fmt: skip
PUBLIC_CORE = {"jax.core.Tracer", "jax.core.ShapedArray"}


def dotted_names(text: str):
    """Dotted names in the code, imports included."""
    for node in ast.walk(ast.parse(text)) if "jax" in text else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def is_private(name: str) -> bool:
    top, *rest = name.split(".")
    if top not in ("jax", "jaxlib"):
        return False
    if name.startswith("jax.core.") and ".".join(name.split(".")[:3]) not in PUBLIC_CORE:
        return True
    inside = any(name == p or name.startswith(f"{p}.") for p in PRIVATE)
    return inside or any(n.endswith("_p") or (n[0] == "_" and n[:2] != "__") for n in rest)


def private_names(text: str) -> set[str]:
    return set(filter(is_private, dotted_names(text)))


@pytest.mark.parametrize(
    "line",
    [
        "import jaxlib",
        "from jaxlib import xla_client",
        "from jax._src.core import Literal",
        "from jax import _src",
        "from jax.experimental import ode",
        "import jax.extend as e",
        "jax.lax.sin_p",
        "from jax.lax import cos_p",
        "jax.core.Primitive",
        "jax._src.config.trace_context()",
    ],
)
def test_private_names_are_recognised(line):
    assert private_names(line)
    assert not private_names("import jax, jax.numpy; jax.core.Tracer.__repr__; jax.__version__")


def test_nobody_else_knows_jaxs_private_names():
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "xla.py" and (names := private_names(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert private_names((PACKAGE / "xla.py").read_text(encoding="utf-8"))


def test_a_program_that_keeps_its_buffers_computes_the_same_bits(monkeypatch):
    def wave(x, a, k):
        return a * np.exp(-k * x[0]) * np.cos(x[1])

    def fits():
        rng = np.random.default_rng(0)
        for m in (300, 40, 256, 7):
            x = rng.uniform(0, 2, (2, m))
            y, sigma = wave(x, 2.0, 0.7) + 0.1 * rng.standard_normal(m), rng.uniform(1, 2, m)
            for options in ({}, {"sigma": sigma}, {"bounds": (0, 3)}):
                yield curve_fit(wave, x, y, (1, 1), backend="jax", **options)

    taken, at_desk = [], staging.at_desk

    def watched(*given):
        taken.append(at_desk(*given))
        return taken[-1]

    monkeypatch.setattr(staging, "at_desk", watched)
    first, again = list(fits()), list(fits())
    assert sum(vector is None for vector in taken) == 3  # a program each: the first call compiles
    monkeypatch.setattr(staging, "at_desk", lambda *_: None)
    for one, two, three in zip(first, again, fits(), strict=True):
        assert one.popt.tobytes() == two.popt.tobytes() == three.popt.tobytes()
        assert one.pcov.tobytes() == two.pcov.tobytes() == three.pcov.tobytes()
