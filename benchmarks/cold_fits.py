"""What `benchmarks.cold` runs in processes: ``python -m benchmarks.cold_fits first "[[10], 7]"``.

`fitting`, `reading` and `program_of` are programs; the rest is called in a process of this module.
A model here is a text that holds a constant. Every function made of it has another one, so that
nothing kept of an earlier model is of use. Times are in seconds; the answer is JSON, the last line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from benchmarks.peers import PEERS
from benchmarks.problems import NOISE, Model, Problem

_SAME = 1e-3  # relative difference of parameters above which two fits ended elsewhere
_WARMING = 3  # calls before a fit is called warm
_count = itertools.count(1)


def new(body: str, n: int, xp):
    """A function of x and n parameters whose code no other function has."""
    scope = {"np": xp, "math": math}
    exec(source(body, n, 1 + next(_count) / 4096), scope)
    return scope["f"]


def source(body: str, n: int, k: float) -> str:
    """The text of a model; `body` is what it returns, or lines that end by returning it."""
    lines = body if "\n" in body else f"    return {body}"
    return f"def f(x, {', '.join('abcdef'[:n])}):\n{lines.format(k=k)}\n"


def _models(*rows: tuple) -> dict[str, Model]:
    """Models by name; a row is name, text, true parameters, span and widths of peaks."""
    return {
        name: Model(name, partial(new, body, len(true)), true, span, dict(*widths))
        for name, body, true, span, *widths in rows
    }


BODIES = (
    ("saturation", "a * x / ({k} * b + x)", (2, 1.5), (0.1, 10)),
    ("logarithm", "a * np.log({k} * x + b) + c", (1.5, 0.7, 0.5), (0.1, 10)),
    ("decay", "a * np.exp(-{k} * x / b) + c", (2.5, 1.3, 0.5), (0, 6)),
    ("power law", "a * ({k} * x)**b + c", (1.5, 0.7, 0.5), (0.1, 10)),
    ("Gompertz", "a * np.exp(-b * np.exp(-{k} * c * x))", (2, 3, 0.8), (0, 10)),
    ("stretched", "a * np.exp(-({k} * x / b)**c) + d", (2.5, 2, 0.7, 0.3), (0.01, 10)),
    ("Hill", "a + b * x**d / (({k} * c)**d + x**d)", (0.5, 2, 3, 1.8), (0.1, 10)),
    ("logistic", "a + b / (1 + np.exp(-{k} * (x - c) / d))", (0.5, 2, 4, 0.8), (0, 10)),
    ("Gaussian", "a * np.exp(-({k} * (x - b) / c)**2) + d", (3, 2.4, 0.7, 1), (0, 6), {1: 0.7}),
    (
        "damped sine", "a * np.exp(-{k} * x / b) * np.sin(c * x + d) + e",
        (2, 2.5, 2, 0.4, 0.1), (0, 6),
    ),
    (
        "double decay", "a * np.exp(-{k} * x / b) + c * np.exp(-x / d) + e",
        (2, 0.4, 1.5, 2.5, 0.3), (0, 10),
    ),
    (
        "two peaks", "a / (1 + ({k} * (x - b) / c)**2) + d / (1 + ((x - e) / f)**2)",
        (3, 2, 0.5, 2, 6, 0.7), (0, 10), {1: 0.5, 4: 0.7},
    ),
)  # fmt: skip
MODELS = _models(*BODIES)
FIRST = "saturation", "decay", "stretched", "Hill", "Gaussian", "damped sine", "two peaks"
LOOPS = _models(
    (
        "append, by math",
        "    y = []\n    for t in x:\n        y.append(a * math.exp(-{k} * t / b) + c)\n"
        "    return np.array(y)",
        (2.5, 1.3, 0.5), (0, 6),
    ),
    (
        "assign, a branch",
        "    y = np.empty(len(x))\n    for i in range(len(x)):\n"
        "        t = x[i]\n        y[i] = a if t < 1 else a * np.exp(-{k} * (t - 1) / b) + c\n"
        "    return y",
        (2.5, 1.3, 0.5), (0, 6),
    ),
    (
        "carry a state",
        "    y, s = [], a\n    for t in x:\n        y.append(s + c)\n"
        "        s = s * np.exp(-{k} / (40 * b))\n    return np.array(y)",
        (2.5, 1.3, 0.5), (0, 6),
    ),
)  # fmt: skip

_HEAVY = "jax", "scipy.linalg", "scipy.optimize", "scipy.special", "pandas", "matplotlib"
_HEAD = f"""
import atexit, json, sys
heavy = lambda: [name for name in {_HEAVY} if name in sys.modules]
atexit.register(lambda: print("", json.dumps(heavy()), sep="\\n"))
"""
_LMFIT = """
from lmfit import Model
def curve_fit(f, x, y, p0):
    model = Model(f, independent_vars=["x"])
    return model.fit(y, model.make_params(**dict(zip(model.param_names, p0))), x=x)
"""
_IMPORTS = {
    "nlsq": "from nlsq import curve_fit",
    "scipy": "from scipy.optimize import curve_fit",
    "lmfit": _LMFIT,
}
_FIT = """
import numpy as np
x, rng = np.linspace(0.1, 8, 200), np.random.default_rng(0)
def fit(f, *true, **options):
    y = f(x, *true) + 0.03 * rng.standard_normal(200)
    curve_fit(f, x, y, [1.2 * v for v in true], **options)
"""
FIVE = "decay", "power law", "logistic", "Gaussian", "damped sine"
ADD = "import jax; (jax.numpy.ones(2) + jax.numpy.ones(2)).block_until_ready()"
_PROGRAM = _HEAD + "from nlsq.cli.main import main\nmain({})"
_READ = """
import numpy as np
t, v = np.loadtxt({!r}, delimiter=",", skiprows=1).T
def decay(x, a, tau, c):
    return a * np.exp(-x / tau) + c
print(curve_fit(decay, t, v, [1, 1, 1]))
"""


def libraries() -> list[str]:
    """Those of `_IMPORTS` that are installed."""
    return [name for name in _IMPORTS if importlib.util.find_spec(name)]


def fitting(library: str, names: Iterable[str], options: str = "") -> str:
    """A program that fits the models of these names and says what it loaded."""
    lines = [_HEAD, _IMPORTS[library], _FIT]
    for name, body, true, *_ in BODIES:
        if name in names:
            called = f"fit(f, {', '.join(map(str, true))}{options})"
            lines += [source(body, len(true), 1.0), called]
    return "\n".join(lines)


def reading(library: str, file: str) -> str:
    """A program that reads a table and fits a decay."""
    return _HEAD + _IMPORTS[library] + _READ.format(file)


def program_of(*arguments: str) -> str:
    """The program `nlsq`, which says at its end what it loaded."""
    return _PROGRAM.format(list(arguments))


def problem(model: Model, m: int, xp=np) -> Problem:
    """Data of m points for a new function."""
    f, x = model.make(xp), np.linspace(*model.span, m)
    y = np.asarray(f(x, *model.true)) + NOISE * np.random.default_rng(m).standard_normal(m)
    return Problem(model.name, model, "free", f, x, y)


def _others() -> list[str]:
    return [name for name in ("scipy", "lmfit") if PEERS[name].installed]


def _timed(call: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def _check(what: str, answers: dict) -> None:
    """Refuse to compare times of fits that ended at different parameters."""
    for name, p in answers.items():
        if not np.allclose(np.abs(p), np.abs(answers["scipy"]), rtol=_SAME, atol=0):
            raise RuntimeError(f"{what}: {name} ends at {p}, SciPy at {answers['scipy']}.")


def _one(model: Model, m: int, rounds: int) -> dict[str, list[float]]:
    """Our first fits of new functions, and the others' second ones, in turns."""
    times: dict[str, list[float]] = {name: [] for name in ("nlsq", *_others())}
    for _ in range(rounds):
        made, answers = problem(model, m), {}
        for name in times:
            fit = PEERS[name].prepare(made)
            if name != "nlsq":
                fit()
            seconds, answer = _timed(fit)
            times[name].append(seconds)
            answers[name] = answer.params
        _check(f"{model.name}, {m} points", answers)
    return times


def first(points: list[int], rounds: int) -> list:
    """Model, parameters, points and times of first fits in a process that has fitted before."""
    _one(MODELS["decay"], 50, 1)
    cells = [(MODELS[name], m) for name in FIRST for m in points]
    cells += [(model, 260) for model in LOOPS.values()]
    return [[model.name, model.n, m, _one(model, m, rounds)] for model, m in cells]


def traced() -> list[float]:
    """Times of the first fits of two models in `jax.numpy`, once JAX is imported."""
    import jax.numpy as jnp

    fits = [PEERS["nlsq"].prepare(problem(MODELS[k], 200, jnp)) for k in ("decay", "Gaussian")]
    return [_timed(fit)[0] for fit in fits]


def calls(peer: str, options: dict, count: int) -> list[float]:
    """Times of so many calls of one new model, 200 points, other data each time."""
    made, rng = problem(MODELS["decay"], 200), np.random.default_rng(0)
    data = [made.y + NOISE * rng.standard_normal(made.y.size) for _ in range(20)]
    fits = [PEERS[peer].prepare(dataclasses.replace(made, y=y), **options) for y in data]
    return [_timed(fit)[0] for fit in itertools.islice(itertools.cycle(fits), count)]


def many(fits: int, modules: list[str]) -> dict:
    """Times of the first `fit_many` and of loops, and what the former loaded beyond `modules`."""
    from nlsq import fit_many

    for name in modules:
        importlib.import_module(name)
    made, rng = problem(MODELS["decay"], 50), np.random.default_rng(0)
    data = made.y + NOISE * rng.standard_normal((fits, 50))
    before = set(sys.modules)
    seconds, result = _timed(partial(fit_many, made.f, made.x, data, made.p0, progress=False))
    known = [name for name in sys.modules if name not in before and sys.modules[name].__spec__]
    times, answers = {"nlsq": seconds}, {"nlsq": result.popt}
    for name in _others():
        loop = [PEERS[name].prepare(dataclasses.replace(made, y=y)) for y in data]
        loop[0]()
        seconds, found = _timed(lambda loop=loop: [fit().params for fit in loop])
        times[name], answers[name] = seconds, np.array(found)
    _check("fit_many", answers)
    return {"times": times, "loaded": known}


def warm(points: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Times of warm fits of all models, in turns."""
    found = {}
    for model in MODELS.values():
        made = problem(model, points)
        fits = {b: PEERS["nlsq"].prepare(made, backend=b) for b in ("jax", "numpy")}
        fits |= {name: PEERS[name].prepare(made) for name in _others()}
        for _ in range(_WARMING):
            answers = {name: fit().params for name, fit in fits.items()}
        _check(model.name, answers)
        turns = [{name: _timed(fit)[0] for name, fit in fits.items()} for _ in range(rounds)]
        found[model.name] = {name: [turn[name] for turn in turns] for name in fits}
    return found


def mixed(count: int) -> list[list[str]]:
    """Digest of the bytes of `popt` and `pcov`, and backend, of mixed fits.

    Two in three are of one model, with up to 10⁵ points, so that it is compiled on the way.
    """
    import jax.numpy as jnp

    import nlsq

    rng, often = np.random.default_rng(0), problem(MODELS["double decay"], 10**5)
    loop = problem(LOOPS["carry a state"], 100)
    made = [*(problem(model, 10**4) for model in MODELS.values()), loop]
    made.append(problem(MODELS["Gaussian"], 10**4, jnp))
    found = []
    for i in range(count):
        chosen = often if i % 3 else made[rng.integers(len(made))]
        m = chosen.x.size
        rows = np.sort(rng.choice(m, round(m ** rng.uniform(0.4, 1)), replace=False))
        options = [{}, {"bounds": chosen.bounds}, {"sigma": rng.uniform(0.5, 2, rows.size)}]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (nlsq.OptimizeWarning, RuntimeWarning))
            try:
                fit = nlsq.curve_fit(
                    chosen.f, chosen.x[rows], chosen.y[rows], chosen.p0, **options[rng.integers(3)]
                )
            except nlsq.FitError as failed:
                found.append([str(failed), "failed"])
                continue
        digest = hashlib.sha256(fit.popt.tobytes() + fit.pcov.tobytes()).hexdigest()
        found.append([digest, fit.backend])
    return found


if __name__ == "__main__":
    ASKED = {call.__name__: call for call in (first, traced, calls, many, warm, mixed)}
    print(json.dumps(ASKED[sys.argv[1]](*json.loads(sys.argv[2]))))
