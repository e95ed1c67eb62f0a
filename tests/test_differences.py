"""Finite differences of the host road against closed forms, at awkward parameters."""

import math
import multiprocessing
import operator
import os
import pickle
import warnings
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from nlsq import OptimizeWarning, curve_fit, least_squares
from nlsq.core.model import differences
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.differences import SCHEMES
from nlsq.core.model.sharing import Attempt, OutOfTime, shared_out

pytestmark = pytest.mark.core

X = np.linspace(0.1, 2.0, 25)
OPEN = np.full(3, -np.inf), np.full(3, np.inf)
# relative error of a column that the scheme's truncation and rounding allow
ACCURACY = {"2-point": 3e-7, "3-point": 1e-9, "cs": 1e-14}


class Recorder:
    """a s_a exp(-b s_b x) + c s_c, for parameters of the sizes 1 / s; remembers its arguments."""

    def __init__(self, units=(1.0, 1.0, 1.0)):
        self.units = np.array(units)
        self.seen = []

    def __call__(self, p):
        self.seen.append(np.array(p))
        a, b, c = p * self.units
        return a * np.exp(-b * X) + c

    def jacobian(self, p):
        a, b, _ = p * self.units
        e = np.exp(-b * X)
        return np.stack([e, -a * X * e, np.ones_like(X)]) * self.units[:, None]


def jacobian(f, p, scheme, rel_step=None, lb=OPEN[0], ub=OPEN[1]):
    p = np.array(p, float)
    return differences.jacobian(f, p, f(p), scheme, rel_step, np.array(lb), np.array(ub))


def assert_columns(J, expected, rtol):
    size = np.abs(expected).max(axis=1, keepdims=True)
    error = np.abs(J - expected) / np.where(size > 0, size, 1.0)
    assert error.max() <= rtol


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("units", "p"),
    [
        ((1, 1, 1), (2.0, 0.7, 0.4)),
        ((1, 1, 1), (-2.0, -0.7, -0.4)),
        ((1e7, 1e7, 1e7), (2e-7, 0.7e-7, -1e-7)),
        ((1e12, 1e-9, 1e3), (2e-12, 0.7e9, 4e-4)),
        ((1e-9, 1e7, 1), (1e9, 2e-7, 0.4)),
        ((1, 1, 1), (0.0, 0.7, 0.0)),
        ((1, 1, 1), (2.0, 0.0, 0.4)),
    ],
)
def test_against_the_closed_form(scheme, units, p):
    f = Recorder(units)
    assert_columns(jacobian(f, p, scheme), f.jacobian(np.array(p)), ACCURACY[scheme])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_few_ulps_of_room(scheme):
    """A start just off its bound, as the reflective method has it."""
    f = Recorder()
    lb = np.array([2.0 - 1e-10, 0.0, 0.4])
    ub = np.array([9.0, 0.7 + 1e-10, 9.0])
    J = jacobian(f, [2.0, 0.7, 0.4 + 1e-10], scheme, None, lb, ub)
    assert_columns(J, f.jacobian(np.array([2.0, 0.7, 0.4])), 10 * ACCURACY[scheme])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_on_the_bounds(scheme, side):
    f = Recorder()
    p = np.array([2.0, 0.7, 0.4])
    lb, ub = (p, p + 1) if side == "lower" else (p - 1, p)
    # one-sided second order costs a little accuracy
    assert_columns(jacobian(f, p, scheme, None, lb, ub), f.jacobian(p), 10 * ACCURACY[scheme])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("rel_step", [None, 1e-3, 0.5])
@pytest.mark.parametrize("width", [1.0, 1e-3, 1e-7, 1e-12])
def test_never_outside_the_bounds(scheme, rel_step, width):
    rng = np.random.default_rng(3)
    for _ in range(50):
        lb = rng.uniform(-1, 1, 3) * 10.0 ** rng.uniform(-3, 1)
        ub = lb + width * rng.uniform(0.1, 1, 3)
        p = lb + rng.choice([0.0, 0.01, 0.5, 0.99, 1.0], 3) * (ub - lb)
        p = np.clip(p, lb, ub)
        f = Recorder()
        J = jacobian(f, p, scheme, rel_step, lb, ub)
        assert np.isfinite(J).all()
        for q in f.seen:
            assert np.all((lb <= q.real) & (q.real <= ub))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_fixed_parameter_is_not_moved(scheme):
    f = Recorder()
    lb, ub = np.array([-9.0, 0.7, -9.0]), np.array([9.0, 0.7, 9.0])
    J = jacobian(f, [2.0, 0.7, 0.4], scheme, None, lb, ub)
    assert (J[1] == 0).all()
    assert all(q[1] == 0.7 for q in f.seen)
    expected = f.jacobian(np.array([2.0, 0.7, 0.4]))
    assert_columns(J[[0, 2]], expected[[0, 2]], ACCURACY[scheme])


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("rel_step", [1e-3, np.array([1e-2, 1e-3, 1e-4])], ids=str)
def test_the_relative_step_is_the_one_taken(scheme, rel_step):
    f = Recorder()
    p = np.array([2.0, -0.7, 0.0])
    jacobian(f, p, scheme, rel_step)
    moves = np.array([q - p for q in f.seen[1:]])
    sizes = np.broadcast_to(rel_step, 3) * np.array([2.0, 0.7, 1.0])
    for j in range(3):
        moved = moves[moves[:, j] != 0]
        assert len(moved) == (1 if scheme == "2-point" else 2)
        np.testing.assert_allclose(np.abs(moved[:, j]), sizes[j], rtol=1e-9)
        assert (np.delete(moved, j, axis=1) == 0).all()


def test_one_evaluation_per_forward_column_two_per_central():
    for scheme, each in (("2-point", 1), ("3-point", 2), ("cs", 1)):
        f = Recorder()
        jacobian(f, [2.0, 0.7, 0.4], scheme)
        assert len(f.seen) == 1 + 3 * each


def test_a_quadratic_is_exact_in_the_middle_and_on_a_bound():
    """Both central forms have second order: no truncation error on a parabola."""

    def parabola(p):
        return (p[0] - 3.0) ** 2 * X

    p = np.array([1.0])
    for lb, ub in ((-9.0, 9.0), (1.0, 9.0), (-9.0, 1.0)):
        J = differences.jacobian(
            parabola, p, parabola(p), "3-point", 0.25, np.array([lb]), np.array([ub])
        )
        np.testing.assert_allclose(J[0], -4.0 * X, rtol=1e-13)


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize(("kind", "rtol"), [(np.float32, 3e-3), (np.float16, 0.3)])
def test_steps_are_for_the_precision_of_the_values(scheme, kind, rtol):
    """A step for doubles is lost in values of single precision, or drowns in their rounding."""
    f, p = Recorder(), np.array([2.0, 0.7, 0.4])
    J = jacobian(lambda q: f(q).astype(kind), p, scheme)
    assert J.dtype == float
    assert_columns(J, f.jacobian(p), rtol)
    assert differences.precision(f(p).astype(kind)) == np.finfo(kind).eps


def test_rounding_cannot_fake_rank_in_single_precision():
    def pair(p):
        return ((p[0] + p[1]) * X).astype(np.float32)

    p = np.array([1.1, 0.7])
    open_ended = np.full(2, -np.inf), np.full(2, np.inf)
    for scheme in ("2-point", "3-point"):
        J = differences.jacobian(pair, p, pair(p), scheme, None, *open_ended)
        w = np.linalg.svd(J, compute_uv=False)
        assert w[1] / w[0] < differences.rank_tolerance(scheme, np.finfo(np.float32).eps)


def test_columns_of_complex_models():
    def wave(p):
        return p[0] * np.exp(1j * p[1] * X)

    p = np.array([2.0, 0.7])
    expected = np.stack([wave(p) / 2.0, 1j * X * wave(p)])
    for scheme in ("2-point", "3-point"):
        J = differences.jacobian(
            wave, p, wave(p), scheme, None, np.full(2, -np.inf), np.full(2, np.inf)
        )
        assert np.iscomplexobj(J)
        np.testing.assert_array_less(np.abs(J - expected), 10 * ACCURACY[scheme])


# --------------------------------------------------------------------- through the front door


def seen_by(bounds, **options):
    seen = []

    def decay(x, a, b, c):
        seen.append((a, b, c))
        return a * np.exp(-b * x) + c

    y = 2 * np.exp(-0.7 * X) + 0.4 + 0.01 * np.random.default_rng(1).standard_normal(X.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = curve_fit(decay, X, y, p0=[1.0, 0.5, 0.45], bounds=bounds, **options)
    return result, np.array(seen)


@pytest.mark.parametrize("method", ["trf", "dogbox"])
@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_a_fit_never_asks_outside_its_bounds(jac, method):
    lb, ub = np.array([0.0, 0.4, 0.45]), np.array([1.9, 3.0, 2.0])
    result, seen = seen_by((lb, ub), jac=jac, method=method)
    assert np.all((lb <= seen) & (seen <= ub))
    assert "a" in result.at_bound or "c" in result.at_bound


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_a_fit_never_moves_a_fixed_parameter(jac):
    result, seen = seen_by(([0, 0.5, 0], [9, 0.5, 9]), jac=jac)
    assert np.all(seen[:, 1] == 0.5) and result.fixed == ("b",)


def test_diff_step_reaches_the_model():
    _, seen = seen_by((-np.inf, np.inf), diff_step=1e-3, max_nfev=500)
    steps = np.abs(seen[1:4] - seen[0])
    np.testing.assert_allclose(np.diag(steps), 1e-3 * np.array([1.0, 0.5, 0.45]), rtol=1e-9)
    _, seen = seen_by((-np.inf, np.inf), epsfcn=1e-8, max_nfev=500)
    steps = np.abs(seen[1:4] - seen[0])
    np.testing.assert_allclose(np.diag(steps), 1e-4 * np.array([1.0, 0.5, 0.45]), rtol=1e-9)


@pytest.mark.parametrize("kind", ["numpy", "jax", "half"])
def test_a_simulator_in_single_precision(kind):
    """It rounds: with steps for doubles nothing, or noise, would be seen of its derivatives."""

    def truth(x, a, b, c):
        return np.fromiter((float(a) * np.exp(-float(b) * t) + float(c) for t in x), float, x.size)

    def rounded(x, a, b, c):
        value = truth(x, a, b, c).astype(np.float16 if kind == "half" else np.float32)
        return jnp.asarray(value) if kind == "jax" else value

    y = truth(X, 2.5, 1.3, 0.5) + 0.01 * np.random.default_rng(1).normal(size=X.size)
    expected, pcov = scipy.optimize.curve_fit(truth, X, y, [1.0, 1.0, 0.0])
    with warnings.catch_warnings():  # half precision may hide where the gradient is 0
        warnings.simplefilter("ignore" if kind == "half" else "error", OptimizeWarning)
        result = curve_fit(rounded, X, y, [1.0, 1.0, 0.0])
    assert (result.success or kind == "half") and result.model_info.road == "host"
    allowed = 0.5 if kind == "half" else 0.02
    assert np.all(np.abs(result.popt - expected) < allowed * np.sqrt(np.diag(pcov)))


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_residuals_in_single_precision(jac):
    x = np.linspace(0, 1, 100, dtype=np.float32)
    y = np.random.default_rng(1978).random(size=100, dtype=np.float32)

    def residuals(p):
        return ((p[0] + p[1] * x).astype(np.float32) - y).astype(np.float32)

    theirs = scipy.optimize.least_squares(residuals, [-1.0, -1.0], jac)
    ours = least_squares(residuals, [-1.0, -1.0], jac)
    assert ours.success
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-6)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-2)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (lambda f, points: None, "as map does, got None"),
        (lambda f, points: "ab", "as map does, got 'a'"),
        (lambda f, points: [f(p) for p in points[1:]], "2 points had 1 answers"),
        (lambda f, points: [f(p) for p in [*points, points[0]]], "2 points had 3 answers"),
    ],
)
def test_what_is_not_like_map_is_refused(workers, said):
    divide = partial(Attempt(CurveCall(operator.truediv)), 12, None)
    with shared_out(workers) as mapped, pytest.raises(TypeError, match=said):
        list(mapped(divide, [[1], [2]]))


def test_processes_answer_in_order_and_say_what_went_wrong():
    with shared_out(2) as mapped:
        divide = Attempt(CurveCall(operator.truediv))
        values = mapped(partial(divide, 12, None), [[1], [2], [0], [4]])
        assert values[:2] + values[3:] == [12, 6, 3]
        assert isinstance(values[2].error, ZeroDivisionError)
        assert values[2].told.startswith("ZeroDivisionError: ")
        assert "calls.py" in values[2].error.__notes__[0]  # where it was raised
        (late,) = mapped(partial(divide, 12, -math.inf), [[1]])
        assert isinstance(late.error, OutOfTime)
        with pytest.raises(ChildProcessError, match=r"the model, exit code 3: .* workers=None"):
            mapped(partial(os._exit), [3])
        with pytest.raises(ChildProcessError, match=r"model cannot be sent.*top level of a module"):
            mapped(partial(lambda p: p), [1])
    assert not multiprocessing.active_children()


def _rebuilt(x, a):
    return x * math.exp(a)


def test_a_model_that_was_rebuilt_is_sent_as_the_users_own():
    call = CurveCall(_rebuilt)
    value, JT = call.tangents(X, np.array([0.5]))
    np.testing.assert_array_equal(value, JT[0])
    assert pickle.loads(pickle.dumps(Attempt(call)))(2.0, None, [0.0]) == 2.0


def test_values_of_jax_leave_a_process_with_all_digits():
    value = Attempt(CurveCall(lambda x, a: jnp.exp(a * x)))(X, None, [0.7])
    assert type(value) is np.ndarray
    np.testing.assert_allclose(value, np.exp(0.7 * X), rtol=1e-15)
    nothing = Attempt(CurveCall(lambda x, a: None))(X, None, [0.7])
    assert "`return` missing" in nothing.told and not nothing.refused
