"""What strangers' models can reach: from every listed name, and by what they were seen to try."""

import builtins
import contextlib
import importlib
import importlib.machinery
import inspect
import io
import marshal
import os
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest

from nlsq.security import call, validate_model
from nlsq.security.allowed import MODULES
from nlsq.security.attributes import ATTRIBUTES, own
from nlsq.security.names import known_module
from nlsq.security.rules import BUILTINS, INSTEAD, attribute_refusal
from tests.strangers import HONEST, HOSTILE

# -- from a listed name ------------------------------------------------------------------------

INSIDE = (
    types.ModuleType, types.FrameType, types.CodeType, types.TracebackType, io.IOBase, memoryview,
    np.memmap, np.random.BitGenerator, importlib.machinery.ModuleSpec,
)  # fmt: skip
OPENERS = [
    open, os.open, os.system, os.listdir, eval, exec, compile, __import__, getattr, setattr, vars,
    globals, locals, dir, delattr, breakpoint, input, importlib.import_module, subprocess.Popen,
    pickle.load, pickle.loads, marshal.loads, np.load, np.save, np.savez, np.savez_compressed,
    np.loadtxt, np.savetxt, np.genfromtxt, np.fromfile, np.fromregex, np.memmap, np.recarray,
    np.frompyfunc, np.nditer, np.from_dlpack, np.lib.npyio.DataSource, np.lib.npyio.NpzFile,
    np.lib.stride_tricks.as_strided, np.lib.format.open_memmap, np.ctypeslib.load_library,
]  # fmt: skip
FILES = {"file", "filename", "file_name", "fname", "fid", "path", "filepath", "fileobj", "stream"}
SCALARS = (int, float, complex, str, bytes, bool, type(None), np.generic)
ENOUGH = 3  # instances of a class below a listed name, which all have the same attributes


def _reached(queue):
    """Each value that listed attributes lead to from (path, value) pairs, with a way to it."""
    seen, counts = {}, {}
    queue = [(path, value, 0) for path, value in queue]
    for path, value, depth in queue:
        if id(value) in seen or (depth and isinstance(value, SCALARS)):
            continue
        seen[id(value)] = value  # kept, so that its id is not given again
        yield path, value
        kind = type(value)
        counts[kind] = counts.get(kind, 0) + (depth > 0)
        if depth > 5 or (counts[kind] > ENOUGH and kind is not type):
            continue
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list | tuple):
            queue += [(f"{path}[{i}]", v, depth + 1) for i, v in enumerate(list(inner)[:50])]
        for name in ATTRIBUTES.intersection(dir(value)):
            with contextlib.suppress(Exception):  # a property that has no value here
                queue.append((f"{path}.{name}", getattr(value, name), depth + 1))


def _opens(value):
    return any(value is opener for opener in OPENERS)


def _inside(value):
    loads = not isinstance(value, np.ndarray) and hasattr(value, "exec_module")
    return isinstance(value, INSIDE) or loads or _opens(value)


def _listed(module):
    found = importlib.import_module(module)
    for name in sorted(MODULES[module]):
        if hasattr(found, name) and not known_module(f"{module}.{name}"):
            yield f"{module}.{name}", getattr(found, name)


WALKED = sorted(m for m in MODULES if not m.startswith("jax.scipy.stats.") and m != "jax.config")


@pytest.mark.parametrize("module", WALKED)
@pytest.mark.filterwarnings("ignore")
def test_no_listed_name_leads_inside(module):
    things = list(_listed(module))
    assert things
    assert [path for path, value in _reached(things) if _inside(value)] == []
    files = {path: FILES.intersection(_parameters(value)) for path, value in things}
    assert {path: names for path, names in files.items() if names} == {}


def _parameters(value):
    try:
        return set(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return set()


def test_no_builtin_leads_inside():
    things = [(name, getattr(builtins, name)) for name in BUILTINS]
    assert [path for path, value in _reached(things) if _inside(value)] == []


def _results():
    """Of each kind of thing that listed functions give, one."""
    import jax
    import jax.numpy as jnp
    from scipy import integrate, interpolate, optimize, signal, stats

    try:
        np.no_such_name  # noqa: B018
    except AttributeError as error:
        yield error
    with pytest.warns(UserWarning) as caught:
        importlib.import_module("warnings").warn("x", stacklevel=1)
    yield caught[0]
    yield from ((i for i in ()), np.zeros((2, 2)), np.zeros(1).flat, np.dtype([("a", "O")]))
    yield from (np.random.default_rng(), np.random.RandomState(), np.random.SeedSequence())
    yield from (np.linalg.svd(np.eye(2)), np.finfo(float), np.poly1d([1, 2]), np.vectorize(len))
    yield from (np.polynomial.Polynomial([1]), property(len), classmethod(len))
    yield jnp.zeros(2)
    yield jnp.zeros(2).at[0]
    yield jax.typeof(jnp.zeros(2))
    yield jax.eval_shape(jnp.sin, 1.0)
    yield jax.jit(jnp.sin)
    yield jax.jit(jnp.sin).lower(1.0)
    yield jax.custom_jvp(jnp.sin)
    yield jax.custom_vjp(jnp.sin)
    tracers = []
    jax.grad(lambda t: tracers.append(t) or t**2)(1.0)
    jax.vmap(lambda t: tracers.append(t) or t)(jnp.zeros(2))
    yield from tracers
    asked = []
    policy = lambda primitive, *_, **__: asked.append(primitive) or True  # noqa: E731
    jax.grad(jax.checkpoint(lambda t: jnp.sin(t) ** 2, policy=policy))(1.0)
    yield from asked[:1]
    for method in ("BFGS", "L-BFGS-B", "Nelder-Mead", "SLSQP", "trust-constr"):
        yield optimize.minimize(lambda t: (t * t).sum(), [1.0, 2.0], method=method)
    yield optimize.root(lambda t: t, [1.0])
    yield optimize.least_squares(lambda t: t, [1.0])
    yield optimize.linprog([1.0])
    solution = integrate.solve_ivp(lambda t, y: -y, (0, 1), [1.0], dense_output=True)
    yield from (solution, solution.sol, integrate.RK45(lambda t, y: -y, 0, [1.0], 1))
    yield integrate.ode(lambda t, y: -y).set_integrator("dopri5")
    x = np.arange(9.0)
    yield from (interpolate.CubicSpline(x, x), interpolate.BSpline(x, np.ones(5), 3))
    yield from (interpolate.UnivariateSpline(x, x), interpolate.interp1d(x, x))
    yield from (interpolate.RegularGridInterpolator((x,), x), interpolate.PchipInterpolator(x, x))
    yield from (interpolate.RBFInterpolator(x[:, None], x), interpolate.AAA(x, x**2))
    yield from (signal.lti([1], [1, 1]), signal.dlti([1], [1, 1]), signal.CZT(8))
    yield signal.ShortTimeFFT(np.ones(8), 4, 1.0)
    yield from (stats.norm(1, 2), stats.gaussian_kde(x), stats.linregress(x, x), stats.ecdf(x))
    yield from (stats.ttest_1samp(x, 1), stats.Normal(), stats.multivariate_normal([0], [[1]]))
    yield stats.bootstrap((x,), np.mean, n_resamples=9)


@pytest.mark.filterwarnings("ignore")
def test_no_result_leads_inside():
    things = [(f"{type(thing).__name__} {i}", thing) for i, thing in enumerate(_results())]
    assert len(things) > 50
    assert [path for path, value in _reached(things) if _inside(value)] == []


@pytest.mark.filterwarnings("ignore")
def test_what_answers_any_name_is_known():
    """A class with `__getattr__` may answer NumPy's own names with what a stranger put there."""
    known = {
        "_RichResult": "nlsq.security.loading closes it", "_SpecialForm": "two names of typing",
        "_BaseGenericAlias": "no special names", "custom_jvp": "other rules of a derivative",
        "custom_vjp": "other rules of a derivative", "Tracer": "what its array has",
    }  # fmt: skip
    values = [v for module in WALKED for _, v in _listed(module)] + list(_results())
    kinds = {kind for v in values for kind in (v if isinstance(v, type) else type(v)).__mro__}
    found = {
        kind.__name__ for kind in kinds for name in ("__getattr__", "__getattribute__")
        if isinstance(vars(kind).get(name), types.FunctionType)
    }  # fmt: skip
    assert found - set(known) == set()


def test_the_lists_do_not_contradict_each_other():
    assert [name for name in ATTRIBUTES if attribute_refusal(name) or name.startswith("_")] == []
    for path in INSTEAD:
        module, _, name = path.rpartition(".")
        assert module in MODULES and name not in MODULES[module]
        (violation,) = validate_model(f"from {module} import {name}\n").violations
        assert f"use {INSTEAD[path]}" in violation.reason
    with pytest.raises(AttributeError, match=r"'obj' of AttributeError: .* only of classes and"):
        own(AttributeError("x"), "obj")


# -- what strangers try ------------------------------------------------------------------------


def test_there_is_a_corpus_of_snippets():
    assert len(HOSTILE) >= 150 and len(HONEST) >= 15
    assert len({source for _, source in HOSTILE.values()}) == len(HOSTILE)


@pytest.mark.parametrize("name", [n for n, (runs, _) in HOSTILE.items() if not runs])
def test_hostile_snippets_are_refused(name):
    result = validate_model(HOSTILE[name][1])
    assert any(v.line > 4 for v in result.violations)


@pytest.mark.skipif(sys.platform != "linux", reason="the walls of Linux")
def test_hostile_snippets_that_pass_end_in_an_error(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    paths = {}
    for name, (runs, source) in (HOSTILE | {f"honest_{n}": v for n, v in HONEST.items()}).items():
        if runs or name.startswith("honest_"):
            assert validate_model(source).violations == (), name
            paths[name] = tmp_path / f"{name}.py"
            paths[name].write_text(source)
    payload = {"paths": list(map(str, paths.values())), "x": np.linspace(0, 2, 5), "a": 2.0}
    found = call("tests.sandbox_entries:attempt", payload, files=[tmp_path])
    for name, path in paths.items():
        ended = found[str(path)]
        if name.startswith("honest_"):
            assert isinstance(ended, np.ndarray) and ended.shape == (5,), (name, ended)
        else:
            assert isinstance(ended, str) and "Error" in ended, (name, ended)
    assert len(list(tmp_path.iterdir())) == len(paths)
