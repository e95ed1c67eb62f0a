"""What a type checker knows of the public calls: `make lint` reads this file too, by mypy."""

import ast
import importlib
import pathlib
import typing
from typing import assert_type

import numpy as np
import pytest

import nlsq
from nlsq import types
from nlsq.config import BACKENDS
from nlsq.core.fit_many import _SINGLE
from nlsq.core.goals import OptimizationGoal
from nlsq.core.loop.loop import METHODS
from nlsq.core.loss_functions import NAMES
from nlsq.core.model.differences import SCHEMES
from nlsq.core.orchestration.streaming_coordinator import STRATEGIES
from nlsq.core.problem.keywords import FRONT, KEYWORDS, SEARCH, SEARCH_METHODS
from nlsq.core.problem.options import TR_SOLVERS
from nlsq.core.workflow import _OWN
from nlsq.global_optimization.cmaes_config import CMAES_PRESETS
from nlsq.global_optimization.config import PRESETS, SAMPLERS
from nlsq.streaming import HybridStreamingConfig

X = np.linspace(0.0, 4.0, 50)
Y = 2.5 * np.exp(-1.3 * X) + 0.01 * np.cos(40 * X)


def decay(x, a, b):
    return a * np.exp(-b * x)


def test_curve_fit() -> None:
    fit = nlsq.curve_fit(decay, X, Y, [1, 1], method="trf", loss="huber", nan_policy="omit")
    assert type(assert_type(fit, nlsq.CurveFitResult)) is nlsq.CurveFitResult
    popt, pcov = fit
    assert assert_type(popt, np.ndarray).shape == (2,)
    assert assert_type(pcov, np.ndarray).shape == assert_type(fit[1], np.ndarray).shape
    assert assert_type(fit.success, bool) and assert_type(fit.message, str)
    assert type(assert_type(fit.cost, float)) is float and type(assert_type(fit.dof, int)) is int
    assert type(assert_type(fit.params["a"].value, float)) is float
    five = nlsq.curve_fit(decay, X, Y, full_output=True)
    assert type(assert_type(five, types.FullOutput)) is tuple
    for flag in (True, False):
        either = nlsq.curve_fit(decay, X, Y, full_output=flag)
        if typing.TYPE_CHECKING:
            assert_type(either, nlsq.CurveFitResult | types.FullOutput)
        assert isinstance(either, tuple) == flag
    assert_type(nlsq.curve_fit("a*exp(-b*x)", X, Y, fixed=["a"]), nlsq.CurveFitResult)


def test_kept_options() -> None:
    fitter = nlsq.CurveFit(bounds=(0, 10), loss="soft_l1", absolute_sigma=True)
    fit = fitter.curve_fit(decay, X, Y)
    assert type(assert_type(fit, nlsq.CurveFitResult)) is nlsq.CurveFitResult
    five = fitter.curve_fit(decay, X, Y, [1, 1], full_output=True)
    assert type(assert_type(five, types.FullOutput)) is tuple


def test_fit() -> None:
    fit = nlsq.fit(decay, X, Y, backend="numpy")
    assert type(assert_type(fit, nlsq.CurveFitResult)) is nlsq.CurveFitResult
    streamed = nlsq.fit(decay, X, Y, workflow="chunked", show_progress=False)
    assert type(assert_type(streamed, nlsq.StreamedFitResult)) is nlsq.StreamedFitResult
    assert_type(nlsq.LargeDatasetFitter(4.0).fit(decay, X, Y), nlsq.CurveFitResult)
    if typing.TYPE_CHECKING:
        assert_type(nlsq.fit(decay, X, Y, workflow=HybridStreamingConfig()), nlsq.StreamedFitResult)


def test_fit_many() -> None:
    fits = nlsq.fit_many(decay, X, np.stack([Y, 2 * Y]), [1, 1], max_nfev=99)
    assert type(assert_type(fits, nlsq.CurveFits)) is nlsq.CurveFits
    assert type(assert_type(fits[0], nlsq.CurveFitResult)) is nlsq.CurveFitResult
    assert assert_type(fits["a"], np.ndarray).shape == (2,)


def test_least_squares() -> None:
    found = nlsq.least_squares(lambda p: decay(X, *p) - Y, [1, 1], jac="2-point", method="lm")
    assert type(assert_type(found, nlsq.OptimizeResult)) is nlsq.OptimizeResult


def test_what_is_refused_is_an_error_of_the_checker_too() -> None:
    with pytest.raises(ValueError, match="method"):
        nlsq.curve_fit(decay, X, Y, method="bfgs")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="loss"):
        nlsq.curve_fit(decay, X, Y, loss="l1")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Did you mean 'max_nfev'"):
        nlsq.curve_fit(decay, X, Y, max_nfve=9)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="workflow"):
        nlsq.fit(decay, X, Y, workflow="chunks")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="method"):
        nlsq.fit_many(decay, X, Y, method="trf")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="tr_solver"):
        nlsq.least_squares(lambda p: p, [1.0], tr_solver="qr")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "package", ["", ".global_optimization", ".io", ".models", ".result", ".security", ".streaming"]
)
def test_checkers_see_each_public_name(package):
    """They do not run the functions that bring names on first use."""
    module = importlib.import_module(f"nlsq{package}")
    tree = ast.parse(pathlib.Path(module.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {a.asname: part.module for part in block.body for a in part.names}
    assert declared.keys() == module._HOME.keys()
    for name, home in declared.items():
        assert getattr(importlib.import_module(home), name) is getattr(module, name)


@pytest.mark.parametrize(
    ("literal", "known"),
    [
        (types.MethodLiteral, METHODS),
        (types.SearchLiteral, set(SEARCH_METHODS) - {"multi-start"}),
        (types.SearchPresetLiteral, (*PRESETS, *CMAES_PRESETS)),
        (types.SamplerLiteral, SAMPLERS), (types.LossLiteral, NAMES), (types.JacLiteral, SCHEMES),
        (types.NanPolicyLiteral, ("raise", "omit")), (types.TrSolverLiteral, TR_SOLVERS),
        (types.BackendLiteral, BACKENDS),
        (types.GoalLiteral, [goal.name.lower() for goal in OptimizationGoal]),
        (types.WorkflowLiteral, ("auto", *STRATEGIES, *PRESETS, *CMAES_PRESETS)),
    ],
)  # fmt: skip
def test_literals_are_what_is_known(literal, known):
    assert set(typing.get_args(literal)) == set(known)


def test_options_are_those_that_are_known():
    assert set(types.FitOptions.__annotations__) == set(KEYWORDS)
    assert set(types.BatchOptions.__annotations__) == set(KEYWORDS) - _SINGLE
    assert set(types.SearchOptions.__annotations__) == set(SEARCH) - _SINGLE
    assert set(types.ManyOptions.__annotations__) == {*KEYWORDS, *SEARCH} - _SINGLE
    front = {*FRONT} - {"full_output"}
    assert set(types.KeptOptions.__annotations__) == {*KEYWORDS, *front}
    pieces = {*_OWN} - {"p0", "sigma", "absolute_sigma", "check_finite", "bounds", "method", "jac"}
    assert set(types.PiecesOptions.__annotations__) == {*KEYWORDS, *pieces} - {"workflow"}
