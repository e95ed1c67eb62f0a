"""Formulas: what they mean, what is said of those that mean nothing, shared programs."""

import inspect
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

import nlsq
from nlsq import curve_fit
from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from nlsq.models.formula_functions import CONSTANTS, FUNCTIONS
from nlsq.models.formulas import Formula, FormulaError, parse
from nlsq.utils.input_error import InputError
from tests.test_compile_counts import Compilations

ROOT = Path(nlsq.__file__).parent.parent
X = np.linspace(0.2, 2.0, 30)


# -- meaning -----------------------------------------------------------------------------------

VALUES = {"x": 1.5, "a": 0.75, "b": 2.25, "n": 3.0}
AS_PYTHON = """
a + b - x*2/n
-a**2
a**b**0.5
2**-x
a*-b
(a + b)*(x - n)
x // a + x % a
1e-3*x + .5 + 2.
+x
-x**2*-a
a - b - n
a / b / n
""".strip().split("\n")


@pytest.mark.parametrize("text", AS_PYTHON)
def test_arithmetic_is_pythons(text):
    expected = eval(text, {"__builtins__": {}}, dict(VALUES))
    for written in (text, text.replace("**", "^"), f"  {text.replace(' ', '')}  "):
        assert parse(written).evaluate(VALUES) == pytest.approx(expected, rel=1e-15)


SAID = {
    "x²": 2.25,
    "x³ − a·b": 1.5**3 - 0.75 * 2.25,
    "2^3^2": 512.0,
    "-x^2": -2.25,
    "x^-1": 1 / 1.5,
    "pi*e": math.pi * math.e,
    "exp(-inf) + x": 1.5,
    "ln(e^x)": 1.5,
    "a if x < n else b": 0.75,
    "a if x > n else b if x > a else n": 2.25,
    "(x > a) + (x > b)": 1.0,
    "-(x > a)": -1.0,
    "0 < x < 2 < n": True,
    "0 < x < 1": False,
    "not x > a": False,
    "x > a and (x > b or n == 3)": True,
    "heaviside(0)*x": 0.75,
    "heaviside(0, 1)*x": 1.5,
    "max(a, b, x)": 2.25,
    "min(a, b, x)": 0.75,
    "clip(x, 2, 3)": 2.0,
    "where(x > 1, a, b)": 0.75,
    "isnan(x)": False,
    "isnan(nan)": True,
    "True": True,
    "3": 3.0,
    "x in (1, 1.5)": True,
    "x not in (1, 1.5)": False,
    "x != a": True,
    "a\n+\tb": 3.0,
    "(((x)))": 1.5,
    "abs(-x)": 1.5,
    "x**64": 1.5**64,
    "x**0": 1.0,
}


@pytest.mark.parametrize("text", SAID)
def test_what_formulas_say(text):
    found = parse(text).evaluate(VALUES)
    assert found == pytest.approx(SAID[text], rel=1e-14) and found.shape == ()
    assert (found.dtype == bool) == isinstance(SAID[text], bool)


def test_names_come_in_order_without_constants():
    formula = parse("b*exp(-t/τ) + a*pi + b if t < t0 else inf")
    assert formula.names == ("b", "t", "τ", "a", "t0")
    assert parse("gamma/(gamma^2 + x^2) + gamma(2)").names == ("gamma", "x")
    assert parse("E + e + e1").names == ("E", "e1")
    assert parse("ﬁ*x").names == ("fi", "x")  # as Python reads it


ORACLES = {
    "erf": scipy.special.erf, "erfc": scipy.special.erfc, "gamma": scipy.special.gamma,
    "lgamma": scipy.special.gammaln, "gammaln": scipy.special.gammaln, "ln": np.log, "abs": np.abs,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "fabs": np.abs,
    "acosh": np.arccosh, "atanh": np.arctanh, "atan2": np.arctan2, "pow": np.power,
    "deg2rad": np.radians, "rad2deg": np.degrees, "voigt": scipy.special.voigt_profile,
    "besselj0": scipy.special.j0, "besselj1": scipy.special.j1, "besselk0": scipy.special.k0,
    "besselk1": scipy.special.k1, "clip": np.clip, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_under_numpy_and_jax(name):
    entry = FUNCTIONS[name]
    names = ["x", "a", "b"][
        : max(entry.arguments[0], 2 if name in ("min", "max", "heaviside") else 0)
    ]
    formula = parse(f"1.0*{name}({', '.join(names)})" if not entry.boolean else f"{name}(x)")
    x = {"acosh": 1 + X, "arccosh": 1 + X, "where": X > 1}.get(name, X / 2.5)
    arguments = [x, 0.4, 0.7][: len(names)]
    oracle = ORACLES.get(name) or getattr(np, name, None) or getattr(scipy.special, name)
    expected = oracle(*arguments)
    found = formula.evaluate(dict(zip(names, arguments, strict=True)))
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    if entry.jax and len(names) > 1:
        with jax.enable_x64(True):
            traced = jax.jit(formula.model("x"))(*arguments)
        np.testing.assert_allclose(traced, expected, rtol=1e-12)


# -- models ------------------------------------------------------------------------------------


def test_signatures():
    formula = parse("a*exp(-t/tau) + c")
    assert str(inspect.signature(formula.model("t"))) == "(t, a, tau, c)"
    ordered = formula.model("t", parameters=("tau", "a", "c"))
    assert str(inspect.signature(ordered)) == "(t, tau, a, c)"
    assert ordered(1.0, 2.0, 3.0, 4.0) == formula.model("t")(1.0, 3.0, 2.0, 4.0)
    plane = parse("a*x1 + b*x2 + x").model(("x1", "x2"))
    assert str(inspect.signature(plane)) == "(x_, a, b, x)"
    assert plane(np.array([[1.0], [2.0]]), 3.0, 4.0, 5.0).tolist() == [16.0]
    assert formula.model("t").__doc__ == formula.text


ROADS = {
    "a*exp(-x/b) + c": "jax",
    "a*x^2 + b*x^-2 if x < 1 else c*x": "jax",
    "a*erf(x/b) + c*(x > 1)": "jax",
    "a*voigt(x - 1, b, c)": "numpy",
    "a*besselj0(b*x) + c*besselj1(x)": "numpy",
    "a*max(x, b) + c*lgamma(1 + x)": "jax",
}


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("text", ROADS)
def test_models_fit_exactly_and_pointwise(text):
    model = parse(text).model("x")
    p = (1.3, 0.6, 0.4)
    slopes = [approx_fprime(p, lambda q, xi=xi: float(model(xi, *q)), 1e-7) for xi in X]
    for backend, road in (("jax", ROADS[text]), ("numpy", "host")):
        result = curve_fit(model, X, model(X, *p), p0=[1.2, 0.65, 0.35], backend=backend)
        np.testing.assert_allclose(result.popt, p, rtol=1e-6)
        assert result.model_info.road == road and result.model_info.pointwise
        assert result.model_info.derivative.startswith("exact")
        np.testing.assert_allclose(np.asarray(result.jac), slopes, rtol=1e-4, atol=1e-5)


def test_derivatives_at_zero_and_of_negative_numbers():
    with jax.enable_x64(True):
        slope = jax.grad(parse("a*x^2 + x^3").model("x"), argnums=0)
        assert slope(0.0, 1.0) == 0.0 and slope(-1.0, 1.0) == 1.0
        assert jax.grad(parse("a*x^-1").model("x"), argnums=0)(-2.0, 1.0) == -0.25


def test_two_parses_share_programs(compiled):
    text = "u*exp(-t/v)*cos(3*t) + w"
    y = parse(text).model("t")(X, 2.0, 1.5, 0.3)
    with Compilations() as first:
        curve_fit(parse(text).model("t"), X, y, p0=[1.8, 1.4, 0.2])
    with Compilations() as second:
        curve_fit(parse(f" {text.replace('*', ' * ')}").model("t"), X, y, p0=[2.1, 1.6, 0.2])
    with Compilations() as other:
        curve_fit(parse(text.replace("3", "4")).model("t"), X, y, p0=[1.8, 1.4, 0.2])
    assert first.count > 0 and second.count == 0 and other.count > 0


def test_the_identity_is_the_same_in_every_process():
    code = """
from nlsq.models.formulas import parse
from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
for text in ("a*exp(-t/tau) + c", "a*erf(t) if t < b else max(a, t, pi)", "a*voigt(t, b, c)"):
    print(fingerprint(model_key(parse(text).model("t"))))
"""
    done = [
        subprocess.run(
            [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert done[0] == done[1] and "None" not in done[0] and len(set(done[0])) == 3
    here = fingerprint(model_key(parse("a*exp(-t/tau) + c").model("t")))
    assert here == done[0][0]


WRONG_MODELS = {
    ("a*x", "y", None): "no variable 'y'; it has a, x",
    ("a*time", "tim", None): "no variable 'tim'; did you mean 'time'",
    ("x^2", "x", None): "no parameters beside x",
    ("a*x^b + log(e)", "x", None): "column 13: e is Euler's number",
    ("a*e^(b*x) + e*x", "x", None): "column 13: e is Euler's number",
    ("a*x", "x", ("b",)): "no parameter 'b'",
    ("a*x + b", "x", ("a",)): "must name each of a, b once",
    ("a*x + b", "x", ("a", "a")): "must name each of a, b once",
    ("a*(s == 'A')", "a", None): "'s' is compared with a text",
}


@pytest.mark.parametrize("asked", WRONG_MODELS, ids=str)
def test_models_that_cannot_be(asked):
    text, variable, parameters = asked
    with pytest.raises(FormulaError, match=WRONG_MODELS[asked]):
        parse(text).model(variable, parameters)


TERMS = {
    "a*exp(-x/b) + c": ["a*exp(-x/b)", "c"],
    "a*x": ["a*x"],
    "a*x - b*x² - (c - x^3)": ["a*x", "-b*x²", "-c", "x^3"],
    "-(a*x + b) + +c": ["-a*x", "-b", "c"],
    "(a + b)*x + c": ["(a + b)*x", "c"],
    "a·x − b": ["a·x", "-b"],
    "c - (a if x > 1 else b)": ["c", "-(a if x > 1 else b)"],
    "a*x - -b*c": ["a*x", "--b*c"],
    " τ*x+  a*x^-1 ": ["τ*x", "a*x^-1"],
    "a*x + a*x - (x > b)": ["a*x", "a*x (2)", "-(x > b)"],
    "a + 2^3*x - b**x": ["a", "2^3*x", "-b**x"],
}


@pytest.mark.parametrize("text", TERMS)
def test_terms_add_up_to_the_formula(text):
    formula = parse(text)
    terms = formula.terms("x")
    assert list(terms) == TERMS[text]
    p = dict(zip([n for n in formula.names if n != "x"], [0.7, 1.3, 0.4], strict=False))
    total = sum(term(X, *p.values()) for term in terms.values())
    np.testing.assert_allclose(total, formula.model("x")(X, *p.values()), rtol=1e-13)
    for written, term in terms.items():
        alone = parse(written.removesuffix(" (2)")).evaluate({"x": X, **p})
        np.testing.assert_allclose(term(X, *p.values()), alone, rtol=1e-15)


# -- columns -----------------------------------------------------------------------------------


def test_columns():
    columns = {
        "n": np.array([1, 2, 3], dtype=np.uint8),
        "V": [0.1, 0.2, 0.4],
        "ok": [True, False, True],
        "s": ["A", "B", "A"],
        "o": np.array(["A", None, "B"], dtype=object),
        "b": np.array([b"A", b"B", b"A"]),
    }
    given = {
        "V*1e3 + n": [101.0, 202.0, 403.0], "1 - n": [0.0, -1.0, -2.0], "n^-1": [1, 0.5, 1 / 3],
        "ok": [True, False, True], "not ok": [False, True, False], "ok + ok": [2.0, 0.0, 2.0],
        "n > 1 and s == 'A'": [False, False, True], "s != \"A\"": [False, True, False],
        "s in ('A', 'C') or n == 2": [True, True, True], "'A' == s": [True, False, True],
        "o == 'A'": [True, False, False], "s not in ('B',)": [True, False, True],
        "2": [2.0, 2.0, 2.0], "s == 'x^2'": [False, False, False],
    }  # fmt: skip
    for text, expected in given.items():
        found = parse(text).evaluate(columns)
        np.testing.assert_allclose(found, expected, err_msg=text)
        assert found.dtype == (bool if isinstance(expected[0], bool) else np.float64)
    text = np.array(["A", "B"], dtype=np.dtypes.StringDType())
    assert parse("s == 'A'").evaluate({"s": text}).tolist() == [True, False]


def test_values_without_a_number_are_nan():
    found = parse("log(V)").evaluate({"V": [-1.0, 0.0, 1.0]})
    np.testing.assert_array_equal(found, [np.nan, -np.inf, 0.0])


WRONG_COLUMNS = {
    "volt + 1": (1, "no column 'volt'; did you mean 'Volt'"),
    "1 + zzz": (5, "no column 'zzz'; there are Volt, s, t, when"),
    "1 + s": (5, "column 's' holds <U1, not numbers. Compare it with a text"),
    "Volt == 'A'": (1, "column 'Volt' holds numbers and is used as text"),
    "s == 'A' and s > 1": (1, "column 's' holds text and is used as numbers"),
    "1*when": (3, "column 'when' holds datetime64"),
    "Volt + t": (None, "different lengths: Volt .2,., t .3,."),
}


@pytest.mark.parametrize("text", WRONG_COLUMNS)
def test_columns_that_do_not_fit(text):
    columns = {
        "Volt": [1.0, 2.0], "s": ["A", "B"], "t": [1.0, 2.0, 3.0],
        "when": np.array(["2024", "2025"], dtype="M8[Y]"),
    }  # fmt: skip
    position, message = WRONG_COLUMNS[text]
    with pytest.raises(FormulaError, match=message) as error:
        parse(text).evaluate(columns)
    assert error.value.position == position


# -- what is no formula ------------------------------------------------------------------------

WRONG = {
    "": (None, "empty"),
    "  \n": (None, "empty"),
    "a*exp(": (6, "never closed .after"),
    "(a*x": (1, "never closed. Complete"),
    "2x": (2, "2\\*x"),
    "a b": (3, "operator is missing"),
    "2 pi x": (3, "operator is missing"),
    "sin(x)(y)": (1, "only functions are called"),
    "2(x + 1)": (1, "Write products"),
    "a(x + 1)": (1, "unknown function 'a'; to multiply, write a\\*"),
    "1 + sinn(x)": (5, "did you mean 'sin'[?]$"),
    "y = a*x": (3, "right-hand side"),
    "a*lambda": (3, "'lambda' is a word of Python. Rename it, as in lam"),
    "exp": (1, "exp is a function"),
    "a*x)": (4, "unmatched"),
    "1 + 9^9^9": (5, "too large"),
    "x + 1/0": (5, "too large"),
    "x + (-8)^(1/3)": (5, "not a real number"),
    "a.b": (1, "attribute"),
    "a*np.exp(-x)": (3, "no module before their names. Write exp"),
    "a*np.pi*x": (3, "attribute.*Write pi"),
    "a*math.foo(x)": (3, "only functions are called"),
    "τ + a[0]": (5, "subscript"),
    "x² + a.b": (6, "attribute"),
    "x^2 + a.b": (7, "attribute"),
    "  a.b": (3, "attribute"),
    "exp(x, 1)": (1, "takes 1 argument, not 2"),
    "max(x)": (1, "takes 2 to 20 arguments, not 1"),
    "x & y": (1, "write 'and'"),
    "x is y": (6, "Write =="),
    "a#b": (2, "no meaning"),
    "a\u200bb": (2, "U\\+200B"),
    "x == 'a' 'b' +": (15, "it is not complete .after"),
    " s1** ": (6, "it is not complete .after 's1\\*\\*'.. Complete it."),
    "+".join("x" * 2500): (None, "characters"),
    "+".join("x" * 1500): (None, "levels"),
    "(" * 70 + "x" + ")" * 70: (61, "brackets"),
    "1e999": (1, "Write inf"),
    "2j*x": (1, "no real number"),
    "x < 'b'": (1, "no order"),
    "x > 'a' > y": (1, "no order"),
    "exp(x=1)": (1, "no keywords"),
    "x in y": (6, "brackets"),
    "sin x": (5, "operator is missing|brackets"),
}


@pytest.mark.parametrize("text", WRONG, ids=lambda t: t[:20] or "empty")
def test_errors_say_where_and_what(text):
    position, message = WRONG[text]
    with pytest.raises(FormulaError, match=message) as error:
        parse(text)
    assert position is None or error.value.position == position
    assert isinstance(error.value, InputError) and len(str(error.value)) < 400
    alone = error.value.with_traceback(None)  # which Dask, once imported, lets pickle take along
    assert str(pickle.loads(pickle.dumps(alone))) == str(error.value)


def test_a_formula_is_a_text():
    with pytest.raises(TypeError, match="a formula is a text, not bytes"):
        parse(b"x")


@settings(max_examples=300)
@given(
    st.text(alphabet="xyab01.,()+-*/^<>=!'\" eiπ_[]{}:;#\\\n", max_size=30) | st.text(max_size=12)
)
def test_any_text_is_a_formula_or_an_error_with_a_place(text):
    try:
        formula = parse(text)
    except FormulaError as error:
        assert error.position is None or 1 <= error.position <= len(text) + 1
    else:
        assert set(formula.names).isdisjoint(CONSTANTS)
        formula.latex()


# -- the rest ----------------------------------------------------------------------------------

LATEX = {
    "a*exp(-t/tau_1)+c": r"a \, \exp\left(\frac{-t}{\tau_{1}}\right) + c",
    "(a+b)*x^2": r"\left(a + b\right) \, x^{2}",
    "a^(b+1)": "a^{b + 1}", "(a*b)^c": r"\left(a \, b\right)^{c}", "-x^2": "-x^{2}",
    "a-(b-c)": r"a - \left(b - c\right)", "a/(b*c)": r"\frac{a}{b \, c}", "2*3": r"2 \cdot 3",
    "1e-3*x": r"10^{-3} \, x", "2.5e6*x": r"2.5 \times 10^{6} \, x", "sqrt(x)": r"\sqrt{x}",
    "amp*x0": r"\mathrm{amp} \, x_{0}", "abs(x)": r"\left|x\right|", "pi*inf": r"\pi \, \infty",
    "a if x<1 else b": r"\begin{cases} a & \text{if } x < 1 \\ b & \text{otherwise} \end{cases}",
    "x>1 and not y==2": r"x > 1 \wedge \neg y = 2", "s == 'a_b'": r"s = \text{a\_b}",
    "a*-b": r"a \cdot -b", "gamma(x)": r"\Gamma\left(x\right)", "x_max": r"x_{\mathrm{max}}",
    "(-x)^2": r"\left(-x\right)^{2}", "exp(x)^2": r"\left(\exp\left(x\right)\right)^{2}",
}  # fmt: skip


@pytest.mark.parametrize("text", LATEX)
def test_latex(text):
    assert parse(text).latex() == LATEX[text]
    assert parse(text)._repr_latex_() == f"${LATEX[text]}$"


def test_formulas_compare_and_travel():
    formula = parse("a*x")
    assert formula == Formula("a*x") != parse("b*x") and len({formula, parse("a*x")}) == 1
    assert pickle.loads(pickle.dumps(formula)) == formula
    assert repr(formula) == "Formula('a*x')"


def test_float32_stays_with_jax_users():
    model = parse("a*exp(x) + where(x > 1, pi, x)").model("x")
    assert jax.jit(model)(jnp.ones(2, jnp.float32), jnp.float32(1)).dtype == jnp.float32
