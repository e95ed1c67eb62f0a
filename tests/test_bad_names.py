"""What is wrong by name, told in the same words by all calls."""

import lmfit
import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import nlsq
from tests.test_names import CALLS, P0, Guessing, T, Y, decay

ASKED = ("a guess", "'auto'", "text")  # which `least_squares` has not
BAD = {
    "p0 of nobody": ({"p0": {"a": 1, "taw": 2, "c": 3}}, ValueError,
                     r"`.0` names 'taw', which is no parameter.*did you mean 'tau'\? They are a"),
    "bounds of nobody": ({"bounds": {"taw": (0, 1)}}, ValueError, "`bounds` names 'taw'.*'tau'"),
    "another case": ({"fixed": {"A": 1}}, ValueError, "`fixed` names 'A'.*did you mean 'a'"),
    "the case of a longer": ({"bounds": {"Tau": 1}}, ValueError, "names 'Tau'.*mean 'tau'"),
    "fixed of nobody": ({"fixed": {"zz": 1}}, ValueError, "`fixed` names 'zz'.*model. They are a"),
    "fixed names nobody": ({"fixed": ["c", "taw"]}, ValueError, "`fixed` names 'taw'.*'tau'"),
    "x_scale of nobody": ({"x_scale": {"taw": 1}}, ValueError, "`x_scale` names 'taw'.*'tau'"),
    "a key": ({"bounds": {0: (0, 1)}}, TypeError, "`bounds` goes by parameter name, got 0"),
    "fixed by place": ({"fixed": [2]}, TypeError, "`fixed` goes by parameter name, got 2"),
    "fixed is true": ({"fixed": True}, TypeError, "`fixed` must be names of parameters, or a dict"),
    "fixed by flags": ({"fixed": {"c": True}}, TypeError, r"value to hold it at, got True. Name"),
    "a text": ({"p0": {"a": "1", "tau": 1, "c": 1}}, TypeError, r".0\['a'\] must be a real .*'1'"),
    "of lmfit": ({"p0": lmfit.create_params(a=1, tau=2, c=3)}, TypeError, "parameter of lmfit"),
    "a result without names": ({"p0": optimize.least_squares(np.cos, [1.0])}, ValueError,
                               "is the result of a fit. Give its numbers: .0=result.x"),
    "a Series, partly": ({"p0": pd.Series([1.0, 2, 3], ["a", "tau", "d"])}, ValueError,
                         "`.0` names 'd', which is no parameter"),
    "masked": ({"fixed": {"c": np.ma.masked}}, ValueError, "fixed.'c'.* has masked elements"),
    "complex": ({"fixed": {"a": 1j}}, TypeError, r"fixed\['a'\] must be a real number, got 1j"),
    "no number": ({"p0": {"a": np.nan, "tau": 1, "c": 1}}, ValueError, "`.0` must be fin.*'a' is"),
    "twice": ({"fixed": ["c", "a", "c"]}, ValueError, "`fixed` names 'c' twice"),
    "twice in a Series": ({"fixed": pd.Series([1, 2.0], ["c", "c"])}, ValueError, "'c' twice"),
    "bounds of Series": ({"bounds": (pd.Series({"tau": 0, "a": 1, "c": 0}), 9)}, TypeError,
                         r"`bounds` takes names as \{name: \(low, high\)\}, not a lower"),
    "twice, otherwise": ({"p0": {"a": 1, "tau": 2, "c": 0.4}, "fixed": {"c": 0.5}}, ValueError,
                         "'c' is given twice: .0 starts it at 0.4, and `fixed` holds it at 0.5"),
    "held outside": ({"fixed": {"c": 2}, "bounds": {"c": (0, 1)}}, ValueError,
                     r"`fixed` holds 'c' at 2, outside of its bounds \[0, 1\]. Move the value"),
    "held at a start outside": ({"fixed": "c", "bounds": ([0, 0, 1], 9)}, ValueError,
                                r"`fixed` holds 'c' at 0.5, outside of its bounds \[1, 9\]"),
    "held at NaN": ({"fixed": {"c": np.nan}}, ValueError, "`fixed` holds 'c' at nan, which is no"),
    "start outside": ({"bounds": {"a": (None, 1)}}, ValueError, r"starts 'a' at 1.5, not in \[-in"),
    "no pair": ({"bounds": {"c": 5}}, TypeError, r"bounds\['c'\] must be a pair \(low, high\), No"),
    "three": ({"bounds": {"c": (1, 2, 3)}}, TypeError, r"bounds\['c'\] must be a pair"),
    "a bound": ({"bounds": {"c": ("0", 1)}}, TypeError, r"lower one of bounds\['c'\] must be a re"),
    "upside down": ({"bounds": {"c": (1, 0)}}, ValueError, "parameter 'c' has lb = 1 > ub = 0"),
    "a scale": ({"x_scale": {"c": 0}}, ValueError, r"x_scale\['c'\] must be a positive number"),
    "'auto'": ({"p0": "auto"}, ValueError, "asks the model for its guess, and 'decay' has none"),
    "text": ({"p0": "atuo"}, ValueError, "'auto' or a function p0.x, y., got 'atuo'; did"),
    "a guess that fails": ({"p0": lambda t, y: y[99]}, ValueError,
                           "p0.x, y. failed with IndexError: index 99 is out of .* Give a start"),
    "a guess that writes": ({"p0": lambda t, y: y.sort()}, ValueError,
                            "p0.x, y. failed with ValueError: .* is read-only"),
    "a guess of two": ({"p0": lambda t, y: [1, 2]}, ValueError, "must return 3 numbers"),
    "a guess of one": ({"p0": lambda t, y: {"a": 1}}, ValueError, "no start for tau, c"),
    "a guess of none": ({"p0": lambda t, y: "no"}, TypeError, "p0.x, y.* must be"),
}  # fmt: skip


KEYWORDS = {  # of other libraries, of nobody, and of `curve_fit` alone
    "weights": "lmfit: sigma=1/weights",
    "params": "p0={name: value}",
    "tau": "a parameter of the model: p0={'tau': ...} gives its start",
    "bunds": "mean 'bounds'",
    "qqq": "Known: .*(p0|jac).*bounds.*fixed.*ftol",
}


@pytest.mark.parametrize("call", CALLS)
def test_a_keyword_of_nobody_says_what_there_is(call):
    for name, words in KEYWORDS.items():
        if name == "tau" and call in ("CurveFit", "least_squares"):
            continue  # they do not see the names
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'. .*{words}"):
            CALLS[call](decay, p0=P0, **{name: 1.0})
    if call == "curve_fit":
        with pytest.raises(TypeError, match=r"'a'. It is a parameter of the model"):
            nlsq.fit("a*exp(-x)", T, Y, a=4)
        with pytest.raises(ValueError, match=r"'args' is not .* lambda x, a, b"):
            nlsq.curve_fit(decay, T, Y, args=(3,))


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_the_same_words_by_all_calls(what):
    how, error, words = BAD[what]
    for call, fit in CALLS.items():
        if call == "curve_fit, jax" or (call == "least_squares" and what.startswith(ASKED)):
            continue
        if call == "fit_many" and "x_scale" in how:
            continue  # an option of single fits
        with pytest.raises(error, match=words):
            fit(decay, **{"p0": P0} | how)


def test_bad_names_of_unknowns():
    def zero(p):
        return p

    for call, words in (
        (([1, 2], {"fixed": "a"}), "The parameters have no names by which to fix"),
        (([1, 2], {"names": ["a"]}), "has shape .2,., but there are 1 names"),
        (([1, 2], {"names": ["a", "a"]}), "`names` has 'a' twice"),
        (({"a": 1}, {"names": ["a", "b"]}), "`x0` has no start for b"),
        (({}, {}), "at least one number"),
    ):
        with pytest.raises(ValueError, match=words):
            nlsq.least_squares(zero, call[0], **call[1])
    for x0 in ("auto", lambda x, y: [1], {1: 2.0}):
        with pytest.raises(TypeError, match=r"must be numbers, or a dict|are texts"):
            nlsq.least_squares(zero, x0)


def test_a_signature_without_names_says_so():
    def anonymous(t, *p):
        return decay(t, *p)

    with pytest.raises(ValueError, match=r"does not name its parameters.*p0 as a list of numbers"):
        nlsq.curve_fit(anonymous, T, Y, {"p0": 1})
    fit = nlsq.curve_fit(anonymous, T, Y, P0, fixed={"p2": 0.5})
    assert fit.fixed == ("p2",)


def test_a_models_guess_that_fails_says_why():
    class Failing(Guessing):
        def guess(self, t, y):
            raise RuntimeError("no peak")

    class Boundless(Guessing):
        def bounds(self):
            return None

    for fit in (CALLS["curve_fit"], CALLS["fit_many"], CALLS["fit, in pieces"]):
        with pytest.raises(ValueError, match=r"guess of the model 'Failing' failed.*: no peak"):
            fit(Failing())
        with pytest.raises(TypeError, match=r"bounds\(\) of the model 'Boundless': `bounds` must"):
            fit(Boundless())
