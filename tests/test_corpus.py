"""Each model of the corpus fits by the unchanged call, on both backends: SciPy's cost or less."""

import warnings

import numpy as np
import pytest
import scipy.optimize

import nlsq
from nlsq.core.model.model import BY_DUALS
from tests.corpus import CASES

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fits(case):
    x, y = case.data()
    keywords = {} if case.bounds is None else {"bounds": case.bounds}
    # a time limit makes the host drive the loop: only the pass is compiled anew for each model
    with warnings.catch_warnings():  # some of these models have a direction no data determine
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        called = nlsq.curve_fit(case.f, x, y, case.p0, backend="numpy", **keywords)
        ours = nlsq.curve_fit(case.f, x, y, case.p0, backend="jax", time_limit=600, **keywords)
    jac = ours.get("jac")  # before others call what remembers its calls
    # plain operators on the arguments need no carrying
    roads = ("host",) if case.road == "host" else ("numpy", "jax")
    assert ours.model_info.road in roads, ours.model_info.reason
    theirs = _scipys_cost(case, x, y, keywords)
    for result in (called, ours):
        assert result.success
        assert result.model_info.road != "host" or result.model_info.reason
        assert np.isfinite(result.perr).all() or result.undetermined
        assert result.cost <= theirs * (1 + 1e-6) + 1e-18
    jumps = case.name == "pwm"  # at its solution
    if ours.backend == "jax" and not jumps and not np.iscomplexobj(np.asarray(y)):
        _assert_derivatives(jac, ours.popt, case, x)
    if ours.backend == "jax" and called.model_info.derivative == BY_DUALS:
        free = np.isfinite(ours.perr)
        np.testing.assert_array_equal(np.isfinite(called.perr), free)
        np.testing.assert_allclose(called.popt[free], ours.popt[free], 1e-10)
        determined = np.ix_(free, free)
        gap = np.abs(called.pcov[determined] - ours.pcov[determined])
        assert (gap <= 1e-10 * np.outer(ours.perr, ours.perr)[determined] + 1e-300).all()


def _assert_derivatives(jac, p, case, x):
    """Central differences of the user's function."""
    slope = np.empty_like(jac)
    for i, step in enumerate(np.diag(1e-6 * np.where(p == 0, 1, np.abs(p)))):
        up, down = (np.ravel(case.f(x, *q)) for q in (p + step, p - step))
        slope[:, i] = (up - down) / (2 * step[i])
    assert (np.abs(jac - slope).max(axis=0) <= 1e-5 * np.abs(slope).max(axis=0)).all()


def _scipys_cost(case, x, y, keywords):
    y = np.asarray(y)
    if np.iscomplexobj(y):  # SciPy takes no complex data: give it the real pairs

        def f(x, *p):
            return np.stack([case.f(x, *p).real, case.f(x, *p).imag], axis=-1).ravel()

        target = np.stack([y.real, y.imag], axis=-1).ravel()
    else:
        f, target = case.f, y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = scipy.optimize.curve_fit(f, x, target, case.p0, **keywords)[0]
        return 0.5 * np.sum((f(x, *p) - target) ** 2)
