"""No silence: what the data do not determine is named, infinite and readable."""

import warnings

import numpy as np
import pytest
import scipy.optimize

import nlsq

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("quickly")]

RNG = np.random.default_rng(11)
X = np.linspace(0.1, 4, 40)
NOISE = 0.05 * RNG.standard_normal(40)
ERRORS = 0.05 * RNG.uniform(0.5, 2.0, 40)
Y_LINE = 3 * X + 1 + NOISE
TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


def line(x, s, c):
    return s * x + c


def product(x, a, b, c):
    return a * b * x + c


def triple(x, a, b, c, d):
    return a * b * c * x + d


def two_pairs(x, a, b, c, d, e):
    return a * b * x + (c + d) * x * x + e


def dead_weight(x, a, b, u):
    return a * x + b + 0 * u


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def decay_jac(x, a, k, c):
    e = np.exp(-k * x)
    return np.stack([e, -a * x * e, np.ones_like(x)], axis=-1)


def hinge(x, a, k, b):
    return a * np.exp(-k * x) + np.maximum(b, 0) * x


def opaque_product(x, a, b, c):
    return np.fromiter((float(a) * float(b) * t + float(c) for t in x), float, len(x))


def opaque_dead(x, a, b, u):
    return np.fromiter((float(a) * t + float(b) + 0 * float(u) for t in x), float, len(x))


def fit(*args, **options):
    """(result, text of the OptimizeWarning or '')."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = nlsq.curve_fit(*args, **options)
    assert len(caught) <= 1
    for warning in caught:
        assert issubclass(warning.category, scipy.optimize.OptimizeWarning)
        assert issubclass(warning.category, nlsq.OptimizeWarning)
        assert warning.filename == __file__
    return result, str(caught[0].message) if caught else ""


def flat(text):
    """The summary as one line, so that line breaks do not matter."""
    return " ".join(text.split())


def row(result, name):
    """The line of the summary's table for one parameter."""
    return next(li for li in result.summary().splitlines() if li.split()[:1] == [name])


def assert_named(result, names, J):
    """`names` and only they have infinite variance; the named directions are free ones of J."""
    infinite = np.array([n in names for n in result.param_names])
    assert result.undetermined == tuple(n for n in result.param_names if n in names)
    touched = infinite[:, None] | infinite[None, :]
    assert np.isposinf(result.pcov[touched]).all()
    assert np.isfinite(result.pcov[~touched]).all()
    columns = np.linalg.norm(J, axis=0)
    lengths = np.where(columns > 0, columns, 1.0)
    assert result.rank == np.linalg.matrix_rank(J / lengths, tol=1e-10)
    assert len(result.null_directions) == J.shape[1] - result.rank
    for direction in result.null_directions:
        v = np.array([direction.get(n, 0.0) for n in result.param_names])
        assert np.linalg.norm(v) == pytest.approx(1)
        assert np.linalg.norm(J @ v) <= 1e-6 * np.linalg.norm(lengths * v)


def product_jac(x, a, b, c):
    return np.stack([b * x, a * x, np.ones_like(x)], axis=-1)


# --------------------------------------------------------------------- directions that are free

PRODUCT_FITS = {
    "trf": {},
    "lm": {"method": "lm"},
    "dogbox": {"method": "dogbox"},
    "bounded": {"bounds": (-50, 50)},
    "weighted": {"sigma": ERRORS},
    "absolute": {"sigma": ERRORS, "absolute_sigma": True},
    "covariance": {"sigma": np.diag(ERRORS**2) + 1e-4},
    "soft_l1": {"loss": "soft_l1", "f_scale": 0.05, "method": "trf"},
    "cauchy, weighted": {"loss": "cauchy", "sigma": ERRORS, "method": "trf"},
    "2-point": {"jac": "2-point"},
    "3-point": {"jac": "3-point"},
    "cs": {"jac": "cs"},
    "3-point, soft_l1, weighted": {
        "jac": "3-point", "loss": "soft_l1", "sigma": ERRORS, "method": "trf",
    },
    "callback": {"callback": lambda *_: None},
}  # fmt: skip


@pytest.mark.parametrize("kind", PRODUCT_FITS)
def test_a_product_of_two_parameters(kind):
    options = PRODUCT_FITS[kind]
    result, warning = fit(product, X, Y_LINE, p0=[2.0, 0.7, 0.3], **options)
    weights = np.linalg.cholesky(np.linalg.inv(options["sigma"])).T if kind == "covariance" else (
        np.diag(1 / options["sigma"]) if "sigma" in options else np.eye(X.size)
    )  # fmt: skip
    assert_named(result, ("a", "b"), weights @ product_jac(X, *result.popt))

    reduced = {k: v for k, v in options.items() if k not in ("callback", "jac")}
    extra = {"jac": "3-point"} if reduced.get("method") in ("trf", "dogbox") else {}
    if "bounds" in reduced:
        extra = {"jac": "3-point"}
    theirs, their_pcov = scipy.optimize.curve_fit(line, X, Y_LINE, **reduced, **extra, **TIGHT)
    assert result.popt[0] * result.popt[1] == pytest.approx(theirs[0], rel=1e-6)
    assert result.popt[2] == pytest.approx(theirs[1], rel=1e-6)
    rel = 1e-5 if kind.startswith("3-point") else 1e-6  # differences of a robust loss
    assert result.pcov[2, 2] == pytest.approx(their_pcov[1, 1], rel=rel)

    assert "determine only one combination of a, b: the direction" in warning
    assert "c" not in warning.split("combination of ")[1].split(":")[0]
    text = flat(result.summary())
    assert "the data determine only one combination of a, b: the direction" in text
    assert "undetermined" in row(result, "a") and "undetermined" in row(result, "b")
    assert "inf" in row(result, "a") and "inf" not in row(result, "c")
    assert "undetermined" not in row(result, "c")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_a_product_on_whole_numbers(method, seed):
    """Columns that are exact multiples of each other: cancellation must not look like a zero."""
    rng = np.random.default_rng(seed)
    wrong = []
    x = np.arange(8.0)
    for _ in range(40):
        y = rng.standard_normal(8) if rng.random() < 0.5 else product(x, *rng.integers(1, 5, 3))
        p0 = np.ones(3) if rng.random() < 0.5 else rng.uniform(0.5, 3, 3)
        result, _ = fit(product, x, y, p0=p0, method=method)
        if result.undetermined != ("a", "b"):
            wrong.append((y.tolist(), p0.tolist(), result.undetermined))
    assert not wrong


def test_three_parameters_in_one_product():
    result, warning = fit(triple, X, Y_LINE, p0=[2.0, 0.7, 1.5, 0.3])
    a, b, c, _ = result.popt
    J = np.stack([b * c * X, a * c * X, a * b * X, np.ones_like(X)], axis=-1)
    assert_named(result, ("a", "b", "c"), J)
    assert result.rank == 2
    _, their_pcov = scipy.optimize.curve_fit(line, X, Y_LINE, **TIGHT)
    assert result.pcov[3, 3] == pytest.approx(their_pcov[1, 1], rel=1e-6)
    for text in (warning, flat(result.summary())):
        assert "the data determine only one combination of a, b, c: the directions" in text
        assert "are free" in text


def test_two_separate_free_directions():
    y = 2 * X + 0.5 * X**2 + 1 + NOISE
    result, warning = fit(two_pairs, X, y, p0=[2.0, 0.7, 1.5, 0.3, 0.1])
    a, b, *_ = result.popt
    J = np.stack([b * X, a * X, X**2, X**2, np.ones_like(X)], axis=-1)
    assert_named(result, ("a", "b", "c", "d"), J)
    for direction in result.null_directions:
        assert set(direction) in ({"a", "b"}, {"c", "d"})
    design = np.stack([X, X**2, np.ones_like(X)], axis=-1)
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    covariance = np.linalg.inv(design.T @ design) * (residual @ residual) / (X.size - 3)
    assert result.pcov[4, 4] == pytest.approx(covariance[2, 2], rel=1e-6)
    for text in (warning, flat(result.summary())):
        assert "only one combination of a, b:" in text
        assert "only one combination of c, d:" in text


@pytest.mark.parametrize("options", [{}, {"method": "lm"}, {"bounds": (-9, 9)}, {"jac": "2-point"}])
def test_a_dead_parameter(options):
    result, warning = fit(dead_weight, X, Y_LINE, p0=[1.0, 1.0, 2.5], **options)
    J = np.stack([X, np.ones_like(X), np.zeros_like(X)], axis=-1)
    assert_named(result, ("u",), J)
    assert result.null_directions == ({"u": 1.0},)
    assert result.popt[2] == 2.5
    _, their_pcov = scipy.optimize.curve_fit(line, X, Y_LINE, **TIGHT)
    np.testing.assert_allclose(result.pcov[:2, :2], their_pcov, rtol=1e-6)
    assert "the data do not determine u" in warning
    assert "the data do not determine u" in flat(result.summary())
    assert "inf" in row(result, "u") and "undetermined" in row(result, "u")


def test_a_parameter_that_dies_on_the_way():
    """b wants to be negative, where the model no longer sees it."""
    y = 3 * np.exp(-0.7 * X) - 0.1 * X + NOISE
    result, warning = fit(hinge, X, y, p0=[2.0, 1.0, 0.5])
    theirs, their_pcov = scipy.optimize.curve_fit(
        lambda x, a, k: a * np.exp(-k * x), X, y, [2.0, 1.0], **TIGHT
    )
    assert result.undetermined == ("b",)
    assert result.popt[2] <= 0
    np.testing.assert_allclose(result.popt[:2], theirs, rtol=1e-6)
    np.testing.assert_allclose(result.pcov[:2, :2], their_pcov, rtol=1e-6)
    assert np.isposinf(result.pcov[2]).all()
    assert "the data do not determine b" in warning


@pytest.mark.parametrize(
    ("model", "names"), [(opaque_product, ("a", "b")), (opaque_dead, ("u",))], ids=["abx", "dead"]
)
@pytest.mark.parametrize("options", [{}, {"jac": "2-point"}, {"sigma": ERRORS}], ids=str)
def test_opaque_models_get_the_same_flags(model, names, options):
    result, warning = fit(model, X, Y_LINE, p0=[2.0, 0.7, 0.3], **options)
    assert result.model_info.road == "host"
    assert result.undetermined == names
    sigma = {"sigma": ERRORS} if "sigma" in options else {}
    _, their_pcov = scipy.optimize.curve_fit(line, X, Y_LINE, **sigma, **TIGHT)
    determined = their_pcov[1:, 1:] if model is opaque_product else their_pcov
    free = np.array([n not in names for n in result.param_names])
    np.testing.assert_allclose(result.pcov[np.ix_(free, free)], determined, rtol=1e-5)
    assert all(n in warning for n in names)
    assert "finite differences" in flat(result.summary()) or "2-point" in flat(result.summary())


# ----------------------------------------------------------------------------------- bounds


Y_DECAY = decay(X, 3.0, 0.7, -0.2) + NOISE


@pytest.mark.parametrize("method", ["trf", "dogbox"])
@pytest.mark.parametrize(
    ("bounds", "name", "side"),
    [
        (([0, 0, 0], [10, 10, 10]), "c", -1),
        (([0, 0, -5], [2.5, 10, 5]), "a", 1),
        (([0, 0, -0.1], [10, 10, 5]), "c", -1),
        (([-np.inf, -np.inf, -np.inf], [np.inf, 0.6, np.inf]), "k", 1),
    ],
)
def test_a_parameter_on_its_bound(bounds, name, side, method):
    result, warning = fit(decay, X, Y_DECAY, p0=[2.0, 0.5, 0.1], bounds=bounds, method=method)
    i = result.param_names.index(name)
    assert result.popt[i] == bounds[0 if side < 0 else 1][i]
    expected = np.zeros(3, int)
    expected[i] = side
    assert result.active_mask.tolist() == expected.tolist()
    assert result.at_bound == (name,)
    theirs, their_pcov = scipy.optimize.curve_fit(
        decay, X, Y_DECAY, [2.0, 0.5, 0.1], bounds=bounds, jac=decay_jac, x_scale="jac", **TIGHT
    )
    np.testing.assert_allclose(result.popt, theirs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(result.pcov, their_pcov, rtol=1e-6)
    assert warning == ""
    where = "lower" if side < 0 else "upper"
    assert f"at {where} bound" in row(result, name)
    assert f"{name} stopped at its {where} bound" in flat(result.summary())
    assert "errors do not account for the bound" in flat(result.summary())


def test_two_parameters_on_bounds_at_once():
    bounds = ([0, 0.8, 0], [10, 10, 10])
    result, _ = fit(decay, X, Y_DECAY + 0.2, p0=[2.0, 1.0, 0.1], bounds=([0, 0.8, 0.05], 10))
    assert set(result.at_bound) <= {"k", "c"}
    result, _ = fit(decay, X, Y_DECAY, p0=[2.0, 1.0, 0.1], bounds=bounds)
    theirs = scipy.optimize.least_squares(
        lambda p: decay(X, *p) - Y_DECAY, [2.0, 1.0, 0.1], lambda p: decay_jac(X, *p),
        bounds, x_scale="jac", **TIGHT,
    )  # fmt: skip
    assert result.cost <= theirs.cost * (1 + 1e-9)
    np.testing.assert_array_equal(result.active_mask, theirs.active_mask)


def test_bounds_that_do_not_bind_leave_no_flag():
    result, warning = fit(decay, X, Y_DECAY, p0=[2.0, 0.5, 0.1], bounds=(-10, 10))
    assert (result.active_mask == 0).all() and result.at_bound == () and warning == ""
    assert "bound" not in result.summary()


def test_a_fixed_parameter():
    bounds = ([0, 0, -0.2], [10, 10, -0.2])
    result, warning = fit(decay, X, Y_DECAY, p0=[2.0, 0.5, -0.2], bounds=bounds)
    theirs, their_pcov = scipy.optimize.curve_fit(
        lambda x, a, k: decay(x, a, k, -0.2), X, Y_DECAY, [2.0, 0.5], **TIGHT
    )
    assert result.fixed == ("c",) and result.popt[2] == -0.2
    assert result.dof == X.size - 2
    np.testing.assert_allclose(result.popt[:2], theirs, rtol=1e-7)
    np.testing.assert_allclose(result.pcov[:2, :2], their_pcov, rtol=1e-6)
    assert (result.pcov[2] == 0).all() and (result.pcov[:, 2] == 0).all()
    assert result.undetermined == () and result.at_bound == () and warning == ""
    assert "fixed" in row(result, "c")
    assert "1 fixed" in flat(result.summary())


def test_fixing_one_factor_determines_the_other():
    bounds = ([-np.inf, 2, -np.inf], [np.inf, 2, np.inf])
    result, warning = fit(product, X, Y_LINE, p0=[1.0, 2.0, 0.0], bounds=bounds)
    _, their_pcov = scipy.optimize.curve_fit(lambda x, a, c: 2 * a * x + c, X, Y_LINE, **TIGHT)
    assert warning == "" and result.undetermined == ()
    np.testing.assert_allclose(result.pcov[::2, ::2], their_pcov, rtol=1e-6)


# ------------------------------------------------------------------------------- few data


def test_as_many_points_as_parameters():
    few = slice(0, 40, 15)
    result, warning = fit(decay, X[few], Y_DECAY[few])
    assert result.dof == 0 and result.rank == 3
    assert np.isposinf(result.pcov).all()
    assert "no degrees of freedom" in warning
    np.testing.assert_allclose(decay(X[few], *result.popt), Y_DECAY[few], rtol=1e-12)
    text = flat(result.summary())
    assert "0 degrees of freedom" in text
    assert "3 data values for 3 free parameters: nothing is left to measure the noise" in text


def test_absolute_errors_need_no_degrees_of_freedom():
    few = slice(0, 40, 15)
    options = {"sigma": ERRORS[few], "absolute_sigma": True}
    result, warning = fit(decay, X[few], Y_DECAY[few], **options)
    J = decay_jac(X[few], *result.popt) / ERRORS[few, None]
    np.testing.assert_allclose(result.pcov, np.linalg.inv(J.T @ J), rtol=1e-8)
    assert warning == ""
    assert "the errors rest on sigma alone" in flat(result.summary())


def test_absolute_errors_with_fewer_points_than_parameters_stay_infinite():
    result, warning = fit(product, X[:1], Y_LINE[:1], method="trf", sigma=0.1, absolute_sigma=True)
    assert np.isposinf(np.diag(result.pcov)).all()
    assert result.undetermined == ("a", "b", "c") and result.rank == 1
    assert "a, b, c" in warning


@pytest.mark.parametrize("points", [1, 2])
@pytest.mark.parametrize("options", [{}, {"bounds": (-50, 50)}], ids=str)
def test_fewer_points_than_parameters(options, points):
    """Rank, names and directions are those of the Jacobian at the solution, from any start."""
    rng = np.random.default_rng(points)
    wrong = []
    for _ in range(30):
        x = rng.uniform(0.3, 3, points) + np.arange(points)
        y = decay(x, *rng.uniform(0.5, 3, 3))
        p0 = rng.uniform(0.5, 3, 3)
        options = {"method": "trf", **options}
        result, warning = fit(decay, x, y, p0=p0, sigma=0.1, absolute_sigma=True, **options)
        try:
            assert warning
            assert_named(result, ("a", "k", "c"), decay_jac(x, *result.popt))
        except AssertionError:
            wrong.append((x, y, p0, result.rank, result.null_directions))
    # where two points nearly coincide, a share of a direction can be below what is reported
    assert len(wrong) <= 1, f"{len(wrong)} of 30, the first: {wrong[0]}"


def test_one_point_less_than_parameters_reads_well():
    result, warning = fit(product, X[:2], Y_LINE[:2], method="trf")
    assert result.dof == 0
    assert "no degrees of freedom" in warning
    assert "2 data values for 3 free parameters" in flat(result.summary())


# --------------------------------------------------------------------------------- starts


def peak_on_floor(x, height, centre, width, floor):
    return height * np.exp(-(((x - centre) / width) ** 2)) + floor


def test_a_start_from_which_nothing_is_seen():
    y = peak_on_floor(X, 2.0, 2.0, 0.4, 1.0) + NOISE
    result, warning = fit(peak_on_floor, X, y, p0=[1.0, 400.0, 1.0, 0.5])
    assert result.undetermined == ("height", "centre", "width")
    assert result.popt[:3].tolist() == [1.0, 400.0, 1.0]
    assert result.popt[3] == pytest.approx(y.mean())
    # the floor's variance is that of a mean
    assert result.pcov[3, 3] == pytest.approx(np.var(y, ddof=1) / y.size, rel=1e-8)
    for name in ("height", "centre", "width"):
        assert name in warning
        assert "undetermined" in row(result, name)


def test_a_start_that_makes_no_progress_says_so():
    y = peak_on_floor(X, 2.0, 2.0, 0.4, 0.0) + NOISE
    bounds = ([-9, 0, 0, 0], [9, 900, 9, 0])
    result, warning = fit(peak_on_floor, X, y, p0=[1.0, 400.0, 1.0, 0.0], bounds=bounds)
    assert result.rank == 0 and result.nit == 0
    assert result.undetermined == ("height", "centre", "width")
    for text in (warning, flat(result.summary())):
        assert "the fit did not move from its start" in text
        assert "height, centre, width: give a p0 nearer to the data" in text


# ------------------------------------------------------------ near-degenerate is not degenerate


def _inverse_gram_longdouble(J):
    """(J^T J)^-1 by modified Gram-Schmidt, twice, in 80-bit arithmetic."""
    Q = np.array(J, np.longdouble)
    n = Q.shape[1]
    R = np.eye(n, dtype=np.longdouble)
    for _ in range(2):
        step = np.zeros((n, n), np.longdouble)
        for j in range(n):
            for i in range(j):
                step[i, j] = Q[:, i] @ Q[:, j]
                Q[:, j] -= step[i, j] * Q[:, i]
            step[j, j] = np.sqrt(Q[:, j] @ Q[:, j])
            Q[:, j] /= step[j, j]
        R = step @ R
    inverse = np.zeros((n, n), np.longdouble)
    for j in range(n - 1, -1, -1):  # back substitution, R inverse = identity
        rhs = np.eye(n, dtype=np.longdouble)[j]
        inverse[j] = (rhs - R[j, j + 1 :] @ inverse[j + 1 :]) / R[j, j]
    return inverse @ inverse.T


def amplitudes(x, a, b, rate):
    return a * np.exp(-x) + b * np.exp(-rate * x)


@pytest.mark.parametrize(("gap", "rtol"), [(1e-3, 1e-9), (1e-6, 1e-6)])
def test_two_nearly_equal_rates(gap, rtol):
    rate = 1 + gap
    y = 2 * np.exp(-X) + NOISE
    bounds = ([-np.inf, -np.inf, rate], [np.inf, np.inf, rate])
    result, warning = fit(amplitudes, X, y, p0=[1.0, 1.0, rate], bounds=bounds)
    x = X.astype(np.longdouble)
    J = np.stack([np.exp(-x), np.exp(-np.longdouble(rate) * x)], axis=-1)
    variance = np.diag(_inverse_gram_longdouble(J)) * 2 * result.cost / (X.size - 2)
    assert warning == "" and result.undetermined == () and result.rank == 2
    assert np.all(result.perr[:2] > 0.01 / gap)
    np.testing.assert_allclose(np.diag(result.pcov)[:2], variance.astype(float), rtol=rtol)
    assert "strong correlations" in result.summary()


def two_decays(x, a, k, b, q):
    return a * np.exp(-k * x) + b * np.exp(-q * x)


def test_two_decays_with_nearly_equal_rates():
    true = (2.0, 1.0, 1.5, 1.05)
    y = two_decays(X, *true)
    result, warning = fit(two_decays, X, y, p0=true, sigma=1e-6, absolute_sigma=True)
    x = X.astype(np.longdouble)
    a, k, b, q = (np.longdouble(v) for v in result.popt)
    e, f = np.exp(-k * x), np.exp(-q * x)
    J = np.stack([e, -a * x * e, f, -b * x * f], axis=-1) / np.longdouble(1e-6)
    variance = np.diag(_inverse_gram_longdouble(J)).astype(float)
    assert warning == "" and result.rank == 4
    np.testing.assert_allclose(np.diag(result.pcov), variance, rtol=1e-6)


@pytest.mark.parametrize("jac", [None, "2-point"])
@pytest.mark.parametrize("method", ["trf", "lm", "dogbox"])
def test_sizes_of_parameters_decide_nothing(method, jac):
    def scaled(x, huge, minute):
        return huge * 1e-9 * x + minute * 1e9

    result, warning = fit(scaled, X, Y_LINE, p0=[1e9, 2e-9], method=method, jac=jac)
    theirs, their_pcov = scipy.optimize.curve_fit(line, X, Y_LINE, **TIGHT)
    units = np.array([1e9, 1e-9])
    assert warning == "" and result.undetermined == () and result.rank == 2
    np.testing.assert_allclose(result.popt, theirs * units, rtol=1e-7)
    np.testing.assert_allclose(result.pcov, their_pcov * np.outer(units, units), rtol=1e-6)


def test_a_free_direction_between_parameters_of_unlike_size():
    def unlike(x, huge, minute, c):
        return huge * minute * x + c

    result, warning = fit(unlike, X, Y_LINE, p0=[1e9, 2e-9, 0.0])
    J = np.stack([result.popt[1] * X, result.popt[0] * X, np.ones_like(X)], axis=-1)
    assert_named(result, ("huge", "minute"), J)
    assert "only one combination of huge, minute:" in warning
    assert "undetermined" in row(result, "huge") and "undetermined" in row(result, "minute")


# ------------------------------------------------------------------------------ the arrays


def test_arrays_are_numpy_doubles_that_may_be_written():
    p0 = np.array([2.0, 0.5, 0.1])
    lower, upper = np.array([-9.0, -9, -9]), np.array([9.0, 9, 9])
    result, _ = fit(decay, X, Y_DECAY, p0=p0, bounds=(lower, upper), sigma=ERRORS)
    arrays = {
        "popt": result.popt, "pcov": result.pcov, "grad": result.grad, "fun": result.fun,
        "jac": result.jac, "p0": result.p0, "lower": result.bounds[0], "upper": result.bounds[1],
        "perr": result.perr, "residuals": result.residuals, "correlation": result.correlation,
        "predictions": result.predictions,
    }  # fmt: skip
    for name, array in arrays.items():
        assert type(array) is np.ndarray, name
        assert array.dtype == np.float64, name
        assert array.flags.writeable, name
        array[...] = 7.0
    assert result.active_mask.dtype.kind == "i" and result.active_mask.flags.writeable
    assert p0.tolist() == [2.0, 0.5, 0.1] and lower[0] == -9 and upper[0] == 9
    again, _ = fit(decay, X, Y_DECAY, p0=p0, bounds=(lower, upper), sigma=ERRORS)
    assert not (again.popt == 7).any() and not (again.pcov == 7).any()


def test_arrays_on_the_host_road_too():
    result, _ = fit(opaque_product, X, Y_LINE, p0=[2.0, 0.7, 0.3])
    for array in (result.popt, result.pcov, result.grad, result.fun, result.jac):
        assert type(array) is np.ndarray and array.dtype == np.float64
        assert array.flags.writeable


def test_a_result_does_not_change_with_the_data_it_came_from():
    x, y, sigma = X.copy(), Y_DECAY.copy(), ERRORS.copy()
    result, _ = fit(decay, x, y, p0=[2.0, 0.5, 0.1], sigma=sigma)
    expected, _ = fit(decay, X, Y_DECAY, p0=[2.0, 0.5, 0.1], sigma=ERRORS)
    x[:], y[:], sigma[:] = 0, 0, 1
    np.testing.assert_array_equal(result.ydata, Y_DECAY)
    np.testing.assert_array_equal(result.xdata, X)
    np.testing.assert_array_equal(result.sigma, ERRORS)
    assert result.chi_squared == expected.chi_squared


# ------------------------------------------------------------------- models that count their points


def counting(threshold, namespace):
    def model(x, a, b):
        rate = 2.0 * b if len(x) > threshold else b
        return a * namespace.exp(-rate * x)

    return model


@pytest.mark.parametrize("road", ["jax", "numpy"])
@pytest.mark.parametrize("threshold, m", [(60, 100), (600, 900), (1500, 3000), (100_000, 150_000)])
def test_a_model_that_looks_at_the_number_of_points(road, threshold, m):
    import jax.numpy as jnp

    model = counting(threshold, jnp if road == "jax" else np)
    x = np.linspace(0, 3, m)
    fit = nlsq.curve_fit(model, x, 2.0 * np.exp(-1.4 * x), p0=[1.5, 0.6])
    np.testing.assert_allclose(fit.popt, [2.0, 0.7], rtol=1e-6)
    few = x[:: m // (threshold // 2)]  # the same model on the other side of its threshold
    np.testing.assert_allclose(
        nlsq.curve_fit(model, few, 2.0 * np.exp(-1.4 * few), p0=[1.5, 0.6]).popt,
        [2.0, 1.4],
        rtol=1e-6,
    )


def test_a_model_that_counts_its_points_is_not_read_in_pieces():
    from nlsq import fit
    from nlsq.streaming import ArraySource

    x = np.linspace(0, 3, 150_000)
    with pytest.raises(ValueError, match="number of points"):
        fit(counting(100_000, np), ArraySource(x, np.exp(-x)), p0=[1, 1], workflow="chunked")


def test_a_number_of_points_with_fewer_digits_changes_nothing():
    def plane(x, a, b, c):  # long enough that its program is printed in several lines
        return a * x[0] / (b + x[0] * x[1]) + c * x[1] * x[0] ** 2

    x = np.random.default_rng(0).uniform(1, 2, (2, 48))
    fit = nlsq.curve_fit(plane, x, plane(x, 1.0, 2.0, 0.5), p0=[1.1, 1.9, 0.4])
    assert fit.model_info.pointwise, fit.model_info.coupling
