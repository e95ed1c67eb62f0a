"""Bad input: SciPy's exception type, and a message that says what is wrong, where, and what to do.

SciPy runs beside us as the oracle of the type. Where it returns nonsense instead of raising (a zero
sigma under MINPACK, say) our own type is written down in the case.
"""

import datetime
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

import nlsq
from nlsq import CurveFit, LargeDatasetFitter, LeastSquares, curve_fit, fit_many, least_squares

pytestmark = pytest.mark.core
X = np.linspace(0.0, 4.0, 20)
Y = 2.0 * np.exp(-0.7 * X) + 0.01 * np.sin(7 * X)
HOLED = np.where(X > 2, np.nan, Y)
OPEN = np.where(X > 2, np.inf, X)
ONES = np.ones(20)


def decay(x, a, b):
    return a * np.exp(-b * x)


def cubic(x, a, b, c):
    return a + b * x + c * x**2


def short(x, a, b):
    return a * x[:-1] + b


def off_domain(x, a, b):
    return a * np.log(-b * x - 1)


def nameless(x, *p):
    return p[0] * x


def parameterless(x):
    return x


def wrong_jac(x, a, b):
    return np.ones((3, 2))


def flat(x, a, b):
    return a * np.exp(-b * x[0]) + x[1]


def turned(x, a, b):
    return flat(x, a, b).T


def image(x, a, b):
    return decay(x, a, b).reshape(4, 5)


def pair(x, a, b):
    return np.array([a * x + b, a * x])


def forgets(x, a, b):
    a * np.exp(-b * x)


def scalar_exp(x, a, b):
    return a * math.exp(-b * x)


def branches(x, a, b):
    return a if x < 1 else b * x


def floors(x, a, b):
    return a * int(x) + b


def clipped(x, a, b):
    return a * max(x, 1.0) + b


def joined(x, a, b):
    return a * x * (x > 0 and x < 2) + b


def words_only(x, a, b):
    return ["a"] * len(x)


def odd_lengths(x, a, b):
    return [[1.0, 2.0], [a]]


class Volts(np.ndarray):
    """As a quantity of astropy: an array with a unit."""

    unit = "V"

    @property
    def value(self):
        return np.asarray(self)


class Metres:
    """As a quantity of pint: it holds an array."""

    units = "m"

    def __init__(self, magnitude):
        self._magnitude = np.asarray(magnitude, float)

    @property
    def magnitude(self):
        return self._magnitude

    def __array__(self, dtype=None, copy=None):
        return self._magnitude


def volts(values):
    return np.array(values, float).view(Volts)


DAYS = np.datetime64("2024-02-28") + np.arange(20)
STAMPS = [datetime.datetime(2024, 2, 28) + datetime.timedelta(hours=k) for k in range(20)]
GRID = X.reshape(4, 5)


def case(words, *args, ours=None, f=decay, x=X, y=Y, **options):
    """A bad call; `ours`: our exception where SciPy has none to compare with."""
    return SimpleNamespace(f=f, args=(x, y, *args), options=options, ours=ours, words=words.split())


CURVES = {
    # data
    "empty": case("ydata empty", x=[], y=[]),
    "empty y": case("ydata empty", y=[]),
    "empty x": case("0 values 20 data points", x=[]),
    "mismatched lengths": case("5 values 20 data points", x=X[:5]),
    "nan in y": case("ydata 10 first index nan_policy='omit'", y=HOLED),
    "inf in x": case("xdata index 11 check_finite", x=np.r_[X[:11], OPEN[11:]]),
    "text in y": case("ydata numbers", y=["a"] * 20),
    "text in x": case("xdata numbers", x=["a"] * 20),
    "None in y": case("ydata index 0", y=[None] * 20),
    "objects in y": case("ydata numbers", y=[{}] * 20),
    "ragged x": case("xdata numbers", x=[[1.0, 2.0], [1.0]], y=[1.0, 2.0]),
    "x is None": case("None", x=None),
    "bad nan_policy": case("nan_policy 'raise' 'omit'", nan_policy="drop"),
    "nan_policy propagate": case("nan_policy", nan_policy="propagate"),
    "nan_policy raise": case("nan", y=HOLED, nan_policy="raise"),
    "nan unchecked": case("ydata nan", y=HOLED, check_finite=False, method="trf"),
    "days in x": case("xdata dates datetime64[D] seconds", x=DAYS, ours=TypeError),
    "seconds in x": case("xdata dates seconds", x=DAYS.astype("M8[s]"), ours=TypeError),
    "durations in x": case("xdata times seconds", x=DAYS - DAYS[0], ours=TypeError),
    "datetimes in x": case("xdata dates seconds", x=STAMPS),
    "days in y": case("ydata dates seconds", y=DAYS, ours=TypeError),
    "volts in x": case("xdata units .value", x=volts(X), ours=TypeError),
    "volts in y": case("ydata units .value", y=volts(Y), ours=TypeError),
    "metres in y": case("ydata units .magnitude", y=Metres(Y), ours=TypeError),
    "volts in sigma": case("sigma units", sigma=volts(ONES), ours=TypeError),
    "volts in p0": case("p0 units", volts([1, 1]), ours=TypeError),
    "metres in p0": case("p0 units", [Metres(1), Metres(1)], ours=TypeError),
    "volts in bounds": case("bounds units", bounds=(volts([0, 0]), volts([9, 9])), ours=TypeError),
    "complex bounds": case("bounds real", bounds=([0j, 0], [9, 9]), ours=ValueError),
    "dates in p0": case("p0 dates", DAYS[:2], ours=TypeError),
    "masked p0": case("p0 masked", np.ma.array([1.0, 1], mask=[0, 1]), ours=ValueError),
    "masked bound": case(
        "bounds masked", bounds=(np.ma.array([0.0, 1], mask=[0, 1]), 9), ours=ValueError
    ),
    "masked covariance": case(
        "mask covariance", y=np.ma.array(Y, mask=X > 3), sigma=np.eye(20), ours=ValueError
    ),
    "all masked": case("No point left", y=np.ma.array(Y, mask=True), ours=TypeError),
    "all of weight 0": case("No point left", sigma=np.inf * ONES, ours=TypeError),
    "nan in y, of weight 0": case(
        "ydata 10 index nan", y=HOLED, sigma=np.where(X > 2, np.inf, 1.0)
    ),
    "nothing left to fit": case("ydata", y=np.nan * Y, nan_policy="omit"),
    # parameters
    "p0 too long": case("p0 3 2", [1, 1, 1]),
    "p0 too short": case("p0 1 2", [1]),
    "p0 empty": case("p0", []),
    "p0 text": case("p0", ["a", "b"]),
    "p0 complex": case("p0", [1j, 1]),
    "p0 nan": case("p0 finite 'a'", [np.nan, 1], ours=ValueError),
    "infeasible p0": case("infeasible 'a' 5 [0, 1] Move", [5, 5], bounds=(0, 1)),
    "no names": case("number parameters p0", f=nameless),
    "no parameters": case("number parameters", f=parameterless),
    "not callable": case("callable", f=5),
    "not callable with p0": case("callable", [1, 1], f=5),
    # bounds
    "lb > ub": case("lower upper lb = 1 ub = 0", bounds=(1, 0)),
    "one lb > ub": case("parameter lb = 3 ub = 2", bounds=([0, 3], [1, 2])),
    "bounds for three": case("bounds 2 parameters", [1, 1], bounds=([0] * 3, [1] * 3)),
    "one bound": case("bounds 2 elements", bounds=(0,)),
    "bounds None": case("bounds lower upper", bounds=None),
    "bounds a number": case("bounds lower upper", bounds=5),
    "bounds text": case("bounds numbers", bounds=("a", "b")),
    "bounds nan": case("bounds NaN inf", bounds=(np.nan, 1)),
    # sigma
    "sigma zero": case("sigma positive element 0", sigma=0 * ONES, method="trf"),
    "one sigma zero": case(
        "sigma positive element 3", sigma=ONES - (np.arange(20) == 3), method="trf"
    ),
    "sigma negative": case("sigma positive element 0 -1", sigma=-ONES, ours=ValueError),
    "sigma nan": case("sigma finite element 0", sigma=ONES * np.nan, method="trf"),
    "sigma text": case("sigma numbers", sigma=["a"] * 20),
    "sigma too short": case("sigma shape (3,) (20,)", sigma=np.ones(3)),
    "sigma small matrix": case("sigma shape (3, 3) (20, 20)", sigma=np.eye(3)),
    "sigma not definite": case("sigma positive definite", sigma=-np.eye(20)),
    "sigma singular": case("sigma positive definite", sigma=np.ones((20, 20)) - np.eye(20)),
    # too few points
    "two points, three parameters": case("parameters=3 points=2", f=cubic, x=X[:2], y=Y[:2]),
    "one point, two parameters": case("2 1", x=X[:1], y=Y[:1]),
    "scalar y": case("2 1", x=1.0, y=2.0),
    # model
    "a turned image": case("(5, 4) ydata (4, 5)", f=turned, x=(GRID, GRID), y=GRID),
    "a turned pair": case("(2, 10) ydata (10, 2)", f=pair, x=X[:10], y=X.reshape(10, 2)),
    "an image for its list": case("(4, 5) ydata (20,)", f=image),
    "returns None": case("None return", f=forgets),
    "math.exp": case("np.exp arrays", f=scalar_exp),
    "if x < 1": case("truth np.where(x < 1", f=branches),
    "int(x)": case("np.trunc(x) arrays", f=floors),
    "max(x, 1)": case("truth np.maximum", f=clipped),
    "and": case("truth `&`", f=joined),
    "returns text": case("model numbers <U1", f=words_only),
    "returns odd lengths": case("model array numbers", f=odd_lengths),
    "returns volts": case("model units", f=lambda x, a, b: volts(a * x + b), ours=TypeError),
    "returns metres": case("model units", f=lambda x, a, b: Metres(a * x + b), ours=TypeError),
    "wrong number of values": case("19 values 20 data points", f=short),
    "nan at p0": case("finite a=1 b=1 20 index 0 p0", f=off_domain, method="trf"),
    # options
    "jac of wrong shape": case("jac (20, 2) (3, 2)", jac=wrong_jac),
    "jac of wrong shape, trf": case("jac (20, 2) (3, 2)", jac=wrong_jac, method="trf"),
    "jac of words": case(
        "jac numbers", jac=lambda x, a, b: [["one", "two"]] * len(x), ours=ValueError
    ),
    "jac unknown": case("jac '2-point' 'bogus'", jac="bogus", method="trf"),
    "jac number": case("jac callable 5", jac=5, method="trf"),
    "jac array": case("jac callable", jac=np.eye(2), method="trf"),
    "loss unknown": case("loss 'cauchy' 'bogus'", loss="bogus", method="trf"),
    "method unknown": case("method 'dogbox' 'bogus'", method="bogus"),
    "method a list": case("method 'dogbox'", method=["lm"]),
    "lm with bounds": case("'lm' 'trf'", method="lm", bounds=(0, 1)),
    "ftol text": case("ftol 'a'", ftol="a", method="trf"),
    "ftol negative": case("ftol -1", ftol=-1, ours=ValueError),
    "no tolerance": case("ftol xtol gtol", ftol=None, xtol=None, gtol=None, method="trf"),
    "no budget": case("max_nfev positive", max_nfev=0, method="trf"),
    "text budget": case("max_nfev 'a'", max_nfev="a", method="trf"),
    "negative x_scale": case("x_scale positive", x_scale=-1, method="trf"),
    "x_scale for three": case("x_scale 2", x_scale=[1, 1, 1], method="trf"),
    "x_scale text": case("x_scale 'jac'", x_scale="jacobian", method="trf"),
    "f_scale zero": case("f_scale positive", f_scale=0, loss="huber", method="trf"),
    "diff_step for three": case("diff_step 2", diff_step=[1e-3] * 3, method="trf"),
    "diff_step text": case("diff_step", diff_step="a", method="trf"),
    "verbose 3": case("verbose 3", verbose=3, method="trf"),
    "callback not callable": case("callback callable", callback=5, method="trf"),
    "loss without numbers": case("", loss=lambda z: "a", method="trf"),
    "args": case("args", args=(1,)),
    "time_limit negative": case("time_limit positive -1", time_limit=-1, ours=ValueError),
}


def raised(call, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(*args, **options)
        except Exception as error:
            return error
    return None


def assert_same_kind(theirs, ours, expected):
    if expected is None:
        assert theirs is not None, "SciPy takes this: write down what we do"
        # ufuncs raise a private subclass of TypeError
        expected = TypeError if isinstance(theirs, TypeError) else type(theirs)
    assert ours is not None, f"accepted; SciPy: {theirs!r}"
    assert isinstance(ours, expected), f"{ours!r}; SciPy: {theirs!r}"


def assert_says(error, words):
    missing = [word for word in words if word not in str(error)]
    assert not missing, f"{missing} not in: {error}"


@pytest.fixture(scope="module")
def curve_errors():
    """Each bad call once, for both questions about it."""
    seen = {}

    def get(name):
        if name not in seen:
            c = CURVES[name]
            seen[name] = raised(curve_fit, c.f, *c.args, **c.options)
        return seen[name]

    return get


@pytest.mark.parametrize("name", CURVES)
def test_curve_fit_raises_what_scipy_raises(name, curve_errors):
    c = CURVES[name]
    theirs = raised(scipy.optimize.curve_fit, c.f, *c.args, **c.options)
    assert_same_kind(theirs, curve_errors(name), c.ours)


@pytest.mark.parametrize("name", CURVES)
def test_curve_fit_says_what_and_where(name, curve_errors):
    assert_says(curve_errors(name), CURVES[name].words)


# --------------------------------------------------------------------------------- least_squares


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


START = [-1.2, 1.0]


def problem(words, x0=START, f=rosenbrock, ours=None, **options):
    return SimpleNamespace(f=f, args=(x0,), options=options, ours=ours, words=words.split())


PROBLEMS = {
    "x0 text": problem("x0 numbers", ["a", "b"]),
    "x0 matrix": problem("x0 dimension", [START]),
    "x0 nan": problem("x0 finite", [np.nan, 1]),
    "x0 None": problem("x0", None),
    "x0 complex": problem("x0 real", [1j, 1]),
    "x0 infeasible": problem("x0 infeasible 5 [0, 1]", [5.0, 1.0], bounds=(0, 1)),
    "lb > ub": problem("lower upper lb = 1 ub = 0", bounds=(1, 0)),
    "bounds for three": problem("bounds 2 parameters", bounds=([-9] * 3, [9] * 3)),
    "one bound": problem("bounds 2 elements", bounds=(0,)),
    "bounds of one and two": problem("bounds (1,) (2,) 2 parameters", bounds=([0.0], [3.0, 4.0])),
    "a number and three bounds": problem("bounds (3,) 2 parameters", bounds=(-9, [3.0, 4.0, 5])),
    "bounds None": problem("bounds", bounds=None),
    "bounds a number": problem("bounds", bounds=5),
    "residuals a matrix": problem("fun (2, 2)", f=lambda x: np.ones((2, 2)) * x[0]),
    "residuals nan": problem("finite another x0", f=lambda x: x * np.nan),
    "residuals None": problem("fun", f=lambda x: None),
    "residuals text": problem("fun", f=lambda x: ["a", "b"]),
    "residuals complex": problem("fun real", f=lambda x: x * 1j, ours=ValueError),
    "not callable": problem("callable", f=5),
    "method unknown": problem("method 'dogbox' 'bogus'", method="bogus"),
    "lm, too few residuals": problem("'lm' number residuals", f=lambda x: x[:1], method="lm"),
    "lm with bounds": problem("'lm' 'trf'", method="lm", bounds=(-9, 9)),
    "lm with a loss": problem("'lm' 'linear'", method="lm", loss="huber"),
    "loss unknown": problem("loss 'cauchy' 'bogus'", loss="bogus"),
    "jac unknown": problem("jac '2-point' 'bogus'", jac="bogus"),
    "jac of wrong shape": problem("jac (2, 2) (3, 2)", jac=lambda x: np.ones((3, 2))),
    "jac a vector of two": problem("jac (2, 2) (2,)", jac=lambda x: x),
    "sparse jac, lm": problem("'lm' dense", jac=lambda x: csr_array(np.eye(2)), method="lm"),
    "operator, lm": problem("'lm' dense", jac=lambda x: aslinearoperator(np.eye(2)), method="lm"),
    "pattern, lm": problem("'lm' dense", jac_sparsity=np.eye(2), method="lm"),
    "sparse jac, exact": problem(
        "'exact' dense 'lsmr'", jac=lambda x: csr_array(np.eye(2)), tr_solver="exact"
    ),
    "pattern, exact": problem("'exact' 'lsmr'", jac_sparsity=np.eye(2), tr_solver="exact"),
    "pattern of wrong shape": problem(
        "jac_sparsity (2, 2) (3, 2)", jac_sparsity=np.ones((3, 2)), ours=ValueError
    ),
    "scale of an operator": problem(
        "x_scale='jac' LinearOperator", jac=lambda x: aslinearoperator(np.eye(2)), x_scale="jac"
    ),
    "option of another solver": problem(
        "'lsmr' 'tol'",
        jac=lambda x: csr_array(np.eye(2)),
        tr_options={"tol": 0.1},
        tr_solver="lsmr",
    ),
    "loss of wrong shape": problem("loss (1, 2)", loss=lambda z: z[None], ours=ValueError),
    "workers 1.5": problem("workers 1.5", workers=1.5, jac="2-point", ours=TypeError),
    "no tolerance": problem("ftol xtol gtol", ftol=None, xtol=None, gtol=None),
    "no budget": problem("max_nfev positive 0", max_nfev=0),
    "x_scale for three": problem("x_scale 2", x_scale=[1, 1, 1]),
    "negative x_scale": problem("x_scale positive", x_scale=[1, -1]),
    "verbose 5": problem("verbose 5", verbose=5),
    "callback not callable": problem("callback callable", callback=5),
    "args not a tuple": problem("args", f=lambda x, c: x * c, args=5),
    "kwargs unknown": problem("'z'", kwargs={"z": 1}),
    "volts in x0": problem("x0 units", volts(START), ours=TypeError),
    "masked x0": problem("x0 masked", np.ma.array(START, mask=[0, 1]), ours=ValueError),
    "masked residuals": problem(
        "fun masked", f=lambda x: np.ma.array(x, mask=[0, 1]), ours=ValueError
    ),
    "residuals in volts": problem("fun units", f=lambda x: volts(x), ours=TypeError),
    "a keyword of curve_fit": problem("'sigma' one of `curve_fit`", sigma=3),
    "another keyword of curve_fit": problem("'p0' one of `curve_fit`", p0=START),
    "unknown keyword": problem("max_nfevv mean 'max_nfev'", max_nfevv=3),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_least_squares_raises_what_scipy_raises(name):
    c = PROBLEMS[name]
    theirs = raised(scipy.optimize.least_squares, c.f, *c.args, **c.options)
    ours = raised(least_squares, c.f, *c.args, **c.options)
    assert_same_kind(theirs, ours, c.ours)
    assert_says(ours, c.words)


# ---------------------------------------------------- what no front door takes for plain numbers

DOORS = {
    "fit_many": fit_many,
    "fit": nlsq.fit,
    "in pieces": lambda f, x, y, **options: nlsq.fit(f, x, y, workflow="chunked", **options),
    "list of pieces": lambda f, x, y, **options: nlsq.fit(f, [(x, y)], **options),
    "CurveFit": CurveFit().curve_fit,
    "LargeDatasetFitter": LargeDatasetFitter(1.0).fit,
}
ODD = {
    "dates": ("dates or times.*seconds", DAYS),
    "datetimes": ("dates or times.*seconds", STAMPS),
    "durations": ("dates or times.*seconds", DAYS - DAYS[0]),
    "array with a unit": (r"units.*\.magnitude.*\.value", volts(X)),
    "list with units": (r"units.*\.magnitude.*\.value", [Metres(v) for v in X]),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ODD)
def test_no_door_takes_dates_and_units_for_numbers(door, kind):
    words, odd = ODD[kind]
    for x, y in ((odd, Y), (X, odd)):
        with pytest.raises(TypeError, match=words):
            DOORS[door](decay, x, y)
    if door != "list of pieces":
        with pytest.raises(TypeError, match="p0"):
            DOORS[door](decay, X, Y, p0=odd[:2])


def test_what_is_passed_on_is_the_models_business():
    """A table or an object goes to the model as it is; what that makes of it is a number or not."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"when": DAYS.astype("M8[ns]"), "x": X})

    def elapsed(t, a, b):
        return decay((t["when"] - t["when"].iloc[0]).dt.total_seconds() / 86400, a, b)

    for f, x in ((elapsed, np.arange(20.0)), (lambda t, a, b: decay(t["x"], a, b), X)):
        expected = scipy.optimize.curve_fit(decay, x, Y)[0]
        np.testing.assert_allclose(curve_fit(f, table, Y).popt, expected, rtol=1e-6)
    for x in (table["when"], pandas.DatetimeIndex(table["when"]), table["when"].diff()):
        with pytest.raises(TypeError, match=r"Convert them to seconds"):
            curve_fit(lambda t, a, b: a + b * t, x, Y)
    found = curve_fit(lambda x, a, b: decay(x.magnitude, a, b), Metres(X), Y)
    np.testing.assert_allclose(found.popt, scipy.optimize.curve_fit(decay, X, Y)[0], rtol=1e-6)
    with pytest.raises(TypeError, match=r"must be real number.*np\.exp"):
        curve_fit(scalar_exp, table["x"], Y)


# ------------------------------------------------------------------- numbers that are not finite

LENGTHS = 30, 40_000, 300_000  # one program; after a sample; in chunks


@pytest.mark.parametrize("m", LENGTHS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"method": "dogbox"}, {"bounds": (0, 9)}, {"jac": "2-point"}, {"tr_solver": "cg"}]
    + [{"method": "trf", "loss": loss} for loss in ("soft_l1", "huber", "cauchy", "arctan")],
    ids=str,
)
def test_one_number_in_y_that_is_not_finite_is_found(m, value, options):
    x = np.linspace(0, 3, m)
    y = decay(x, 2.0, 1.0)
    y[m // 3] = value
    with pytest.raises(ValueError, match=rf"infs or NaNs: `ydata` has 1, .* index {m // 3}\."):
        curve_fit(decay, x, y, [1.5, 1.5], **options)


# ------------------------------------------------------------------------------ unknown keywords


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("sigam", "sigma"),
        ("bound", "bounds"),
        ("absolute_sgima", "absolute_sigma"),
        ("max_nfve", "max_nfev"),
        ("f_tol", "ftol"),
        ("check_finte", "check_finite"),
        ("nan_polcy", "nan_policy"),
        ("losss", "loss"),
        ("call_back", "callback"),
    ],
)
def test_a_typo_is_named(typo, meant):
    for call in (lambda **k: curve_fit(decay, X, Y, **k), CurveFit):
        with pytest.raises(TypeError, match=rf"{typo}.*[Dd]id you mean '{meant}'"):
            call(**{typo: None})


def test_a_keyword_like_none_of_ours_lists_ours():
    for call in (
        lambda **k: curve_fit(decay, X, Y, **k),
        lambda **k: least_squares(rosenbrock, START, **k),
        CurveFit,
        LeastSquares,
    ):
        with pytest.raises(TypeError, match=r"'zzzqqq'.*ftol.*max_nfev"):
            call(zzzqqq=1)


def test_keywords_of_the_other_front_door_are_refused():
    with pytest.raises(TypeError, match="absolute_sigma"):
        least_squares(rosenbrock, START, absolute_sigma=True)
    with pytest.raises(TypeError, match="tr_solverr"):
        least_squares(rosenbrock, START, tr_solverr="exact")
