"""Start, bounds, scales and fixed parameters by name: every call, in every form, against lists."""

import itertools

import lmfit
import numpy as np
import pandas as pd
import pytest

import nlsq
from nlsq import models

pytestmark = pytest.mark.usefixtures("quickly")

T = np.linspace(0, 5, 60)
NAMES = ("a", "tau", "c")
P0 = [1.5, 2.0, 0.5]
INF = np.inf


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


Y = decay(T, 2.0, 1.3, 0.5) + 2e-4 * np.cos(40 * T)


class Guessing:
    """A model with a guess of its own."""

    def __call__(self, t, a, tau, c):
        return decay(t, a, tau, c)

    def guess(self, t, y):
        return [y[0] - y[-1], np.ptp(t) / 4, y[-1]]


GUESS = Guessing().guess(T, Y)


def residuals(p):
    return decay(T, *p) - Y


@pytest.fixture(scope="module", autouse=True)
def by_numpy():
    """What does not ask for programs buys none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", "numpy")
        yield


# --------------------------------------------------------------------------------------- the calls


def many(f, **how):
    return nlsq.fit_many(f, T, Y[None], progress=False, **how)[0]


def streamed(f, **how):
    chunk = {"workflow": "chunked", "chunk_size": 16, "show_progress": False}
    return nlsq.fit(f, T, Y, **chunk, **how)


def solved(f, p0=None, fixed=(), **how):
    """`least_squares`, and what it leaves to be computed."""
    found = nlsq.least_squares(residuals, p0, fixed=fixed, names=NAMES, **how)
    held = (fixed,) if isinstance(fixed, str) else fixed
    free = [i for i, name in enumerate(NAMES) if name not in held]
    J, found["dof"] = found.jac[:, free], T.size - len(free)
    found["popt"], found["fixed"] = found.x, tuple(n for n in NAMES if n in held)
    found["pcov"] = np.zeros((3, 3))
    found["pcov"][np.ix_(free, free)] = np.linalg.inv(J.T @ J) * 2 * found.cost / found.dof
    assert found.param_names == NAMES
    return found


CALLS = {
    "curve_fit": lambda f, **how: nlsq.curve_fit(f, T, Y, **how),
    "curve_fit, jax": lambda f, **how: nlsq.curve_fit(f, T, Y, backend="jax", **how),
    "curve_fit, dogbox": lambda f, **how: nlsq.curve_fit(f, T, Y, method="dogbox", **how),
    "CurveFit": lambda f, **how: nlsq.CurveFit(**how).curve_fit(f, T, Y),
    "fit": lambda f, **how: nlsq.fit(f, T, Y, **how),
    "fit, in pieces": streamed,
    "LargeDatasetFitter": lambda f, **how: nlsq.LargeDatasetFitter(4.0).fit(f, T, Y, **how),
    "fit_many": many,
    "least_squares": solved,
}

# ------------------------------------------------------------------- what is said, and in lists

STARTS = {  # what is said of the start: the model, p0, and the same as a list
    "a list": (decay, P0, P0),
    "a dict": (decay, {"c": 0.5, "a": 1.5, "tau": np.float64(2)}, P0),
    "a Series": (decay, pd.Series({"c": 0.5, "a": 1.5, "tau": 2.0}), P0),
    "a Series without names": (decay, pd.Series(P0), P0),
    "a part": (decay, {"tau": 2, "a": None, "c": np.array(0.5)}, [1, 2, 0.5]),
    "a row of a table": (decay, pd.DataFrame({"c": [0.5], "a": [1.5], "tau": [2.0]}), P0),
    "a function": (decay, lambda t, y: [1.5, 2.0, y.min()], [1.5, 2.0, Y.min()]),
    "a function by name": (decay, lambda t, y: {"c": 0.5, "a": 1.5, "tau": 2}, P0),
    "a function by Series": (decay, lambda t, y: pd.Series({"c": 0.5, "a": 1.5, "tau": 2.0}), P0),
    "auto": (Guessing(), "auto", GUESS),
    "nothing": (Guessing(), None, GUESS),
    "a part beside a guess": (Guessing(), {"tau": 2}, [GUESS[0], 2, GUESS[2]]),
    "a list beside a guess": (Guessing(), P0, P0),
}
# what is said of bounds, and the same as lists
BOUNDS = {
    "none": ({}, (-INF, INF)),
    "a dict": ({"bounds": {"c": (0, 0.9)}}, ([-INF, -INF, 0], [INF, INF, 0.9])),
    "a Series": ({"bounds": pd.Series({"c": (0, 0.9)})}, ([-INF, -INF, 0], [INF, INF, 0.9])),
    "open sides": (
        {"bounds": {"tau": (0.5, None), "a": (None, 9), "c": None}},
        ([-INF, 0.5, -INF], [9, INF, INF]),
    ),
    "None in lists": ({"bounds": ([None, 0.5, None], 9)}, ([-INF, 0.5, -INF], [9, 9, 9])),
    "active": ({"bounds": {"a": (None, 1.9)}}, ([-INF] * 3, [1.9, INF, INF])),
}
# what is fixed, and its values by place; None: at the start
FIXED = {
    "nothing": ({}, {}),
    "a value": ({"fixed": {"c": 0.501}}, {2: 0.501}),
    "a name": ({"fixed": ["c"]}, {2: None}),
    "a Series": ({"fixed": pd.Series({"c": 0.501})}, {2: 0.501}),
    "a text and None": ({"fixed": "tau"}, {1: None}),
    "two": ({"fixed": {"tau": 1.301, "c": None}}, {1: 1.301, 2: None}),
    "all": ({"fixed": {"a": 1.8, "tau": 1.3, "c": 0.501}}, {0: 1.8, 1: 1.3, 2: 0.501}),
}


def rows(call):
    """(start, bounds, fixed) of a call: half of all, or a few in which each is."""
    all_rows = itertools.product(STARTS, BOUNDS, FIXED)
    for k, (start, bounds, fixed) in enumerate(all_rows):
        p0 = STARTS[start][1]
        by_name = isinstance(p0, dict | pd.Series | pd.DataFrame)
        if by_name and {NAMES[i] for i, v in FIXED[fixed][1].items() if v} & set(p0.keys()):
            continue  # which would be given twice
        whole = isinstance(p0, list) or start in ("a dict", "a Series", "a row of a table")
        if call == "least_squares" and not whole:
            continue  # it has no data to ask
        if call == "curve_fit, jax" and STARTS[start][0] is not decay:
            continue  # each model costs a compilation
        if k % 7 < {"curve_fit": 4, "least_squares": 3}.get(call, 1):
            yield start, bounds, fixed


def of_lists(start, bounds, fixed):
    """p0 and bounds in arrays that say the same."""
    lb, ub = (np.array(np.broadcast_to(b, 3), float) for b in BOUNDS[bounds][1])
    p0 = np.clip(STARTS[start][2], lb, ub)
    for i, value in FIXED[fixed][1].items():
        p0[i] = p0[i] if value is None else value
        lb[i] = ub[i] = p0[i]
    return p0, lb, ub


def said(start, bounds, fixed):
    """The keywords of a call."""
    p0 = STARTS[start][1]
    return BOUNDS[bounds][0] | FIXED[fixed][0] | ({} if p0 is None else {"p0": p0})


def assert_equal(ours, theirs, rtol=1e-10):
    np.testing.assert_allclose(ours.popt, theirs.popt, rtol=rtol)
    np.testing.assert_allclose(ours.pcov, theirs.pcov, rtol=rtol, atol=rtol * theirs.pcov.max())
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=rtol)
    assert ours.dof == theirs.dof and ours.success and ours.fixed == theirs.fixed


@pytest.fixture(scope="module")
def by_lists():
    known = {}

    def fit(*row):
        p0, lb, ub = of_lists(*row)
        key = p0.tobytes() + lb.tobytes() + ub.tobytes()
        if key not in known:
            known[key] = nlsq.curve_fit(decay, T, Y, p0, bounds=(lb, ub), ftol=1e-14, xtol=1e-14)
        return known[key]

    return fit


@pytest.mark.parametrize("call", CALLS)
def test_names_say_what_lists_say(call, by_lists):
    for row in rows(call):
        try:
            assert_equal(CALLS[call](STARTS[row[0]][0], **said(*row)), by_lists(*row))
        except (AssertionError, ValueError, TypeError) as error:
            raise AssertionError(f"{row}: {error}") from error


def slopes(params, *_, **__):
    """The exact Jacobian of lmfit's residual, which is data less model."""
    a, tau, _ = (params[name].value for name in NAMES)
    e = np.exp(-T / tau)
    rows = dict(zip(NAMES, (e, a * T / tau**2 * e, np.ones_like(T)), strict=True))
    return -np.array([rows[name] for name in NAMES if params[name].vary])


@pytest.mark.parametrize(
    ("bounds", "fixed"),
    [row for row in itertools.product(BOUNDS, FIXED) if "active" not in row and "all" not in row],
)
def test_names_say_what_lmfit_says(bounds, fixed):
    p0, *_ = of_lists("a list", bounds, fixed)
    model, params = lmfit.Model(decay), lmfit.Parameters()
    for i, (name, value, low, high) in enumerate(
        zip(NAMES, p0, *np.broadcast_arrays(*BOUNDS[bounds][1], p0)[:2], strict=True)
    ):
        params.add(name, value, i not in FIXED[fixed][1], low, high)
    exact = {"Dfun": slopes, "col_deriv": 1, "xtol": 1e-15, "ftol": 1e-15, "gtol": 0.0}
    for _ in range(2):  # the second time from its own answer, which MINPACK then polishes
        theirs = model.fit(Y, params, t=T, fit_kws=exact)
        params = theirs.params
    ours = nlsq.curve_fit(decay, T, Y, **said("a part", bounds, fixed) | {"p0": P0})
    free = [i for i in range(3) if i not in FIXED[fixed][1]]
    np.testing.assert_allclose(ours.popt, [params[n].value for n in NAMES], rtol=1e-10)
    np.testing.assert_allclose(ours.pcov[np.ix_(free, free)], theirs.covar, rtol=1e-8)
    np.testing.assert_allclose(2 * ours.cost, theirs.chisqr, rtol=1e-10)
    assert ours.dof == theirs.nfree


# ----------------------------------------------------------------------------- what else is said


@pytest.mark.parametrize("call", CALLS)
def test_a_previous_fit_gives_the_start_and_fixes_nothing(call):
    def previous(t, c, tau, a):  # in another order
        return decay(t, a, tau, c)

    fit = nlsq.curve_fit(previous, T, Y, [0.5, 2.0, 1.5], fixed={"c": 0.6})
    start = dict(zip(fit.names, fit.popt, strict=True))
    theirs = CALLS[call](decay, p0=start)
    for p0 in (fit, fit.params):
        assert_equal(CALLS[call](decay, p0=p0), theirs)
    assert CALLS[call](decay, p0=fit, fixed={"c": 0.5}).popt[2] == 0.5  # outranks


def test_x_scale_and_diff_step_by_name():
    steps = {"x_scale": [2.0, 0.5, 3.0], "diff_step": [1e-6, 1e-7, 1e-5]}
    for what, values in steps.items():
        ours = nlsq.curve_fit(decay, T, Y, P0, **{what: dict(zip(NAMES, values, strict=True))})
        theirs = nlsq.curve_fit(decay, T, Y, P0, **{what: values})
        np.testing.assert_array_equal(ours.popt, theirs.popt)  # the same steps to the same bits
        assert ours.nfev == theirs.nfev
    plain = nlsq.curve_fit(decay, T, Y, P0)
    for what, values in steps.items():  # of one; the others keep their own
        for method in ("trf", "dogbox", "lm"):
            part = nlsq.curve_fit(decay, T, Y, P0, method=method, **{what: {"tau": values[1]}})
            np.testing.assert_allclose(part.popt, plain.popt, rtol=1e-9)


def test_a_step_by_name_is_that_of_its_parameter_alone():
    seen = []

    def spy(t, a, tau, c):
        seen.append((a, tau, c))
        return decay(t, a, tau, c)

    nlsq.curve_fit(spy, T, Y, P0, diff_step={"tau": 1e-3}, jac="2-point", max_nfev=1000)
    moves = np.array(seen[1:4]) - P0
    np.testing.assert_allclose(moves.max(axis=0), [1.5 * 2**-26, 2e-3, 0.5 * 2**-26], rtol=1e-6)


@pytest.mark.parametrize("call", CALLS)
def test_everything_fixed_is_the_model_where_it_is(call):
    """A result without free parameters, its statistics by hand."""
    f, values = (Guessing() if call == "fit" else decay), [1.9, 1.2, 0.6]
    fixed = dict(zip(NAMES, values, strict=True))
    how = {"p0": fixed} if call == "least_squares" else {}
    fit = CALLS[call](f, fixed=fixed, **how)
    r = decay(T, *values) - Y
    np.testing.assert_array_equal(fit.popt, values)
    np.testing.assert_array_equal(fit.pcov, np.zeros((3, 3)))
    np.testing.assert_allclose(fit.cost, 0.5 * r @ r, rtol=1e-12)
    assert (fit.dof, fit.fixed, fit.success, fit.nit) == (60, NAMES, True, 0)
    if call == "least_squares":
        return
    np.testing.assert_allclose(fit.reduced_chi_squared, r @ r / 60, rtol=1e-12)
    spread = ((Y - Y.mean()) ** 2).sum()
    np.testing.assert_allclose(fit.r_squared, 1 - r @ r / spread, rtol=1e-10)
    assert fit.perr.tolist() == [0, 0, 0] and not fit.warnings and "3 fixed" in fit.summary()


def test_a_fixed_parameter_needs_no_derivative():
    def root(t, a, b):
        return a * t + np.sqrt(b)  # of infinite slope at b = 0

    for backend in ("numpy", "jax"):
        fit = nlsq.curve_fit(root, T, 3 * T, fixed={"b": 0}, backend=backend)
        np.testing.assert_allclose(fit.popt, [3, 0], atol=1e-9)


def test_many_fits_by_name():
    k = np.arange(6).reshape(2, 3)
    y = Y + 0.01 * k[..., None] * np.sin(3 * T)
    c = 0.5 + 0.01 * k
    low = np.full((2, 3, 3), -INF)
    low[..., 1] = 0.1 * (1 + k)
    starts = np.empty((2, 3, 3))
    starts[...] = P0
    starts[..., 0] = 1 + 0.1 * k
    how = {"progress": False}
    listed = nlsq.fit_many(decay, T, y, starts, bounds=(low, np.full(3, 9)), fixed={"c": c}, **how)
    named = nlsq.fit_many(
        decay, T, y, {"a": 1 + 0.1 * k, "tau": 2},
        bounds={"tau": (0.1 * (1 + k), 9), "a": (None, 9), "c": (None, 9)}, fixed={"c": c}, **how,
    )  # fmt: skip
    guessed = nlsq.fit_many(Guessing(), T, y, {"tau": 2.0 + 0.1 * k}, fixed={"c": c}, **how)
    for fits in (named, guessed):
        np.testing.assert_array_equal(fits["c"], c)
        np.testing.assert_allclose(fits.popt, listed.popt, rtol=1e-10)
        np.testing.assert_allclose(fits.pcov, listed.pcov, rtol=1e-8, atol=1e-14)
    lows = 1.26 + 0.01 * k  # into which the guess, 1.25, is moved
    boxed = nlsq.fit_many(Guessing(), T, y, bounds={"tau": (lows, 9)}, **how)
    single = nlsq.curve_fit(Guessing(), T, y[1, 2], bounds={"tau": (lows[1, 2], 9)})
    np.testing.assert_allclose(boxed.popt[1, 2], single.popt, rtol=1e-10)
    assert (boxed.status > 0).all()
    held = nlsq.fit_many(decay, T, y, P0, fixed={"c": c}, bounds={"c": (None, 0.52)}, **how)
    np.testing.assert_array_equal(held.status == -8, c > 0.52)  # a start outside of its bounds


def test_a_guess_sees_the_points_that_count():
    seen = []

    def guess(t, y):
        seen.append((np.array(t), np.array(y)))
        return P0

    sigma = np.where(np.arange(60) % 3, 1.0, INF)
    y = Y.copy()
    y[4] = np.nan
    here = np.flatnonzero(np.isfinite(sigma) & np.isfinite(y))
    call = {"p0": guess, "sigma": sigma, "nan_policy": "omit"}
    nlsq.curve_fit(decay, T, y, **call)
    nlsq.fit(decay, T, y, workflow="chunked", show_progress=False, **call)
    seen.pop() if len(seen) > 2 else None
    for t, values in seen:
        np.testing.assert_array_equal(t, T[here])
        np.testing.assert_array_equal(values, y[here])
    pair = np.stack([T, T**2]).reshape(2, 6, 10)
    nlsq.curve_fit(
        lambda x, a, b: (a * x[0] + b * x[1]).ravel(), pair, pair[0], sigma=sigma,
        p0=lambda x, y: seen.append((x, y)) or [1, 1],
    )  # fmt: skip
    assert seen[-1][0].shape == (2, 40) and seen[-1][1].shape == (40,)


def test_the_models_own_guess_and_bounds():
    model = models.get("gaussian")
    x = np.linspace(-3, 3, 80)
    y = model(x, 2.0, 0.4, 0.7)
    fit = nlsq.curve_fit(model, x, y)
    np.testing.assert_array_equal(fit.p0, np.clip(model.guess(x, y), *model.bounds()))
    np.testing.assert_array_equal(fit.bounds, model.bounds())
    part = nlsq.curve_fit(model, x, y, bounds={model.names[0]: (1, None)})
    low, high = model.bounds()
    np.testing.assert_array_equal(part.bounds, ([1, *low[1:]], [INF, *high[1:]]))
    assert np.isinf(nlsq.curve_fit(model, x, y, fit.popt).bounds).all()  # p0 is the user's
    assert np.isinf(nlsq.curve_fit(model, x, y, method="lm").bounds).all()  # which takes none
    for other in (part, nlsq.fit(model, x, y, "auto"), nlsq.fit_many(model, x, y[None])[0]):
        np.testing.assert_allclose(other.popt, fit.popt, rtol=1e-8)


def test_a_model_without_a_guess_starts_where_scipys_does():
    model = models.Model(decay, "d", "", "", None, tuple(models.Parameter(n, "") for n in NAMES))
    np.testing.assert_array_equal(nlsq.curve_fit(model, T, Y).p0, [1, 1, 1])


def test_what_was_found_is_a_start():
    fit = nlsq.curve_fit(decay, T, Y, P0)
    np.testing.assert_array_equal(nlsq.curve_fit(decay, T, Y, fit.params).p0, fit.popt)
    y = np.stack([Y, Y + 0.1])
    fits = nlsq.fit_many(decay, T, y, P0)
    again = nlsq.fit_many(decay, T, y, fits.params, fixed={"c": fits["c"]})
    np.testing.assert_allclose(again.popt, fits.popt, rtol=1e-12)


def test_a_formula_is_fitted_by_name():
    formula = "a*exp(-x/tau)+c"
    fit = nlsq.curve_fit(formula, T, Y, {"tau": 2}, bounds={"a": (0, None)}, fixed={"c": 0.5})
    assert_equal(fit, nlsq.curve_fit(decay, T, Y, P0, fixed="c"))


def test_a_start_of_another_shape_is_as_good():
    fit = nlsq.curve_fit(decay, T, Y, np.reshape(P0, (1, 3)), fixed="c")
    np.testing.assert_array_equal(fit.p0, P0)


def test_names_of_unknowns():
    fit = nlsq.least_squares(lambda p: [p[0] - 1, p[1] + 2, p[2] - 3], {"u": 0, "v": 0, "w": 1})
    assert fit.param_names == ("u", "v", "w")
    np.testing.assert_allclose(fit.x, [1, -2, 3])
    held = nlsq.LeastSquares(fixed="v", names=list("uvw")).least_squares(
        lambda p: [p[0] - 1, p[1] + 2, p[2] - 3], [0, 5, 0]
    )
    np.testing.assert_allclose(held.x, [1, 5, 3])
    assert "param_names" not in nlsq.least_squares(lambda p: p - 1, [0.0])


def test_columns_of_a_table_are_names():
    table = pd.DataFrame({"tau": [1.0, 1.1], "c": 0.6, "a": [2.0, 2.1]})
    both = T, np.array([Y, 2 * Y])
    ours = nlsq.fit_many(decay, *both, p0=table, fixed=table[["c"]])
    theirs = nlsq.fit_many(decay, *both, p0=table[["a", "tau", "c"]].to_numpy(), fixed="c")
    np.testing.assert_array_equal(ours.popt, theirs.popt)
    limits = nlsq.curve_fit(decay, T, Y, P0, bounds=pd.DataFrame({"c": [0.0, 0.9]})).bounds
    np.testing.assert_array_equal(limits, ([-INF, -INF, 0], [INF, INF, 0.9]))


def test_names_are_spelled_as_python_spells_them():
    def mobility(t, µ, c):  # the micro sign: Python makes it the letter
        return µ * t + c

    typed, letter = "\u00b5", "\u03bc"
    how = {"p0": {typed: 2, "c": 0}, "bounds": {typed: (0, 9)}, "x_scale": {typed: 3}}
    fit = nlsq.curve_fit(mobility, T, 3 * T, **how)
    many = nlsq.fit_many(mobility, T, 3 * T[None], fixed={typed: 3})
    assert fit.names == (letter, "c") and many[0].fixed == (letter,)
    assert fit[typed] == fit[letter] == fit.params[typed].value and typed in fit.params
    assert fit.derive(typed).covariance(typed) == fit.pcov[0, 0]
    assert many[typed] == many.params[typed].value == 3
    with pytest.raises(TypeError, match="cannot be set"):
        fit[typed] = 1
    model = models.get("linear").prefixed(typed)
    assert model.names == models.restored(model.recipe()).names == (letter + "a", letter + "b")
    for what, given in (("p0", 1), ("fixed", 1), ("bounds", (0, 1))):
        with pytest.raises(ValueError, match=f"`{what}` names '{letter}' twice"):
            nlsq.curve_fit(mobility, T, 3 * T, **{what: {typed: given, letter: given}})


def dosed(t, volume, k, dose=100):
    return dose / volume * np.exp(-k * t)


@pytest.mark.parametrize(
    "said, dose",
    [
        ({"fixed": ["dose"]}, 100),
        ({"fixed": {"dose": None}, "p0": {"volume": 10}}, 100),
        ({"fixed": {"dose": 50}}, 50),
        ({"fixed": ["dose"], "p0": {"dose": 20}}, 20),
        ({"fixed": ["dose"], "p0": [1, 1, 7]}, 7),
    ],
)
def test_numbers_of_the_signature_are_starts_where_names_are_used(said, dose):
    y = dosed(T, 20.8, 0.2)
    single, many = nlsq.curve_fit(dosed, T, y, **said), nlsq.fit_many(dosed, T, [y], **said)
    for popt in (single.popt, many.popt[0]):
        np.testing.assert_allclose(popt, [20.8 * dose / 100, 0.2, dose], rtol=1e-8)
