"""The report of a fit: what it says in each case, in plain text, ASCII, rich and HTML."""

import dataclasses
import io
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nlsq.io import result_document
from nlsq.io.html_report import html_report
from nlsq.result import CurveFitResult
from nlsq.result.formatting import Rounding, duration, near_one, percent
from nlsq.result.sentences import null_direction_sentences
from tests.result_fits import DECAY, LINE, Model, decay, fitted, noisy_line, result_at

INF = np.inf

GOLDEN = """\
Fit of line(a, b)
  method  trf
  data    25 points, 2 free parameters, 23 degrees of freedom
  status  converged: `ftol` termination condition is satisfied.
  work    7 evaluations, 6 Jacobians, 6 iterations, 1.25 ms

  name    value  std. error  rel. %  95 % interval
  ─────────────────────────────────────────────────────
  a      -1.500       0.012    0.80  [-1.525, -1.475]
  b     23456.8         3.4   0.014  [23449.7, 23463.8]

"""


def row(text, name):
    return next(line for line in text.splitlines() if line.split()[:1] == [name])


def test_the_page():
    x, y = np.arange(25.0), np.ones(25)
    fit = result_at(LINE, x, y, [-1.5, 23456.78], np.diag([0.012**2, 3.4**2]))
    head, statistics = fit.summary().split("\n\n  χ²")
    assert head + "\n\n" == GOLDEN
    names = ("reduced χ²", "R²", "adjusted R²", "RMSE", "AIC", "AICc", "BIC")
    assert all(name in statistics for name in names)
    assert f"RMSE {fit.rmse:.5g}" in statistics and f"AIC        {fit.aic:.2f}" in statistics


@pytest.mark.parametrize("stderr", [3e-17, 1.2e-20, 4e-150])
def test_an_error_below_the_digits_of_its_value_is_not_called_zero(stderr):
    fit = result_at(LINE, *noisy_line(), [2.5, -4.0], np.diag([stderr**2, 0.01]), "ab")
    assert float(row(fit.summary(), "a").split()[2]) == pytest.approx(stderr, rel=0.05)


def test_print_and_repr(capsys):
    fit = fitted(LINE, *noisy_line())
    print(fit)
    assert capsys.readouterr().out == fit.summary() + "\n"
    assert repr(fit).startswith("CurveFitResult(a=1.7") and repr(fit).endswith("converged)")
    assert len(repr(fit)) < 80 and repr(fit).isascii()
    many = CurveFitResult(x=np.ones(50), pcov=np.eye(50))
    assert len(repr(many)) < 120


def test_ascii_for_terminals_that_know_nothing_else(monkeypatch):
    fit = result_at(LINE, *noisy_line(), [1.7, -4.0], np.full((2, 2), INF),
                    null_directions=({"a": 0.6, "b": -0.8},), undetermined=("a", "b"),
                    model_name="modèle")  # fmt: skip
    text = fit.summary(ascii=True)
    assert text.isascii() and "reduced chi2" in text and "0.60 a - 0.80 b is free" in text
    columns = {line.find("std. error") for line in fit.summary().splitlines()}
    assert columns == {line.find("std. error") for line in text.splitlines()}
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert str(fit) == text


def test_level_of_the_intervals():
    fit = fitted(LINE, *noisy_line())
    assert "99.9 % interval" in fit.summary(level=0.999)
    with pytest.raises(ValueError, match="confidence level"):
        fit.summary(alpha=95)


def test_header_tells_method_loss_and_sigma():
    x, y = noisy_line()
    robust = fitted(LINE, x, y, sigma=np.ones(25), absolute_sigma=True, loss="soft_l1", f_scale=0.1)
    line = "method  trf, loss soft_l1 with f_scale 0.1, a sigma for each point (absolute)"
    assert line in robust.summary()
    assert "one sigma (relative)" in fitted(LINE, x, y, sigma=0.5).summary()
    assert "covariance matrix" in fitted(LINE, x, y, sigma=np.eye(25)).summary()

    def my_loss(z):
        return z

    assert "my_loss with f_scale 1" in fitted(LINE, x, y, loss=my_loss).summary()


# -- what a reader must be told ----------------------------------------------------------------


def test_not_converged():
    fit = fitted(LINE, *noisy_line(), success=False, message="The budget of 10 is spent.")
    assert "NOT CONVERGED: The budget of 10 is spent." in fit.summary()
    assert repr(fit).endswith("NOT CONVERGED)")


def test_free_direction_is_named():
    product = Model(lambda x, a, b: a * b * x, lambda x, a, b: np.column_stack([b * x, a * x]))
    x = np.linspace(1, 2, 10)
    fit = result_at(product, x, 6 * x, [2.0, 3.0], np.full((2, 2), INF), undetermined=("a", "b"),
                    null_directions=({"a": 0.5547, "b": -0.83205},))  # fmt: skip
    text = " ".join(fit.summary().split())
    assert "determine only one combination of a, b: the direction 0.55 a − 0.83 b is free" in text
    assert row(fit.summary(), "a").split() == [
        "a",
        "2.000",
        "inf",
        "[-inf,",
        "inf]",
        "undetermined",
    ]


@pytest.mark.parametrize(
    ("directions", "values", "expected"),
    [
        ([{"a": 0.0, "b": 1.0}], {"a": 1, "b": 1}, ["the data do not determine b"]),
        ([{"a": 1e-17, "b": 1.0}], {"a": 1e-3, "b": 0}, ["the data do not determine b"]),
        (
            [{"a": 1.0, "b": -2e-16}],
            {"a": 1e9, "b": 2e-7},
            [
                "the data determine only one combination of a, b: "
                "the direction 1.00 a − 2e-16 b is free"
            ],
        ),
        (
            [{"a": 0.6, "c": -0.8}, {"b": 0.6, "c": -0.8}],
            dict.fromkeys("abcd", 1),
            [
                "the data determine only one combination of a, b, c: the directions "
                "0.60 a − 0.80 c and 0.60 b − 0.80 c are free"
            ],
        ),
        (
            [{"a": 1.0}, {"b": -0.6, "c": 0.6, "d": 0.53}],
            dict.fromkeys("abcd", 1),
            [
                "the data do not determine a",
                "the data determine only two combinations of b, c, d: the direction "
                "0.60 b − 0.60 c − 0.53 d is free",
            ],
        ),
        ([{"a": 0.6, "b": 0.8}, {"a": 0.8, "b": -0.6}], {"a": 1, "b": 1},
         ["the data do not determine a, b"]),
        (
            [{"a": 0.995, "b": -0.0999}],
            {"a": 1, "b": 1},
            ["the data determine only one combination of a, b: "
             "the direction 0.99 a − 0.10 b is free"],
        ),
        ([], {"a": 1}, []),
    ],
)  # fmt: skip
def test_sentences_of_free_directions(directions, values, expected):
    assert null_direction_sentences(directions, values) == expected


def test_no_degrees_of_freedom():
    x, y = np.array([0.0, 1.0]), np.array([2.0, 1.0])
    popt = [2.0, 1 / math.log(2)]
    text = result_at(DECAY, x, y, popt, np.full((2, 2), INF)).summary()
    assert "2 data values for 2 free parameters: nothing is left" in text
    assert "reduced χ² nan" in text and row(text, "a").endswith("undetermined")
    known = result_at(DECAY, x, y, popt, np.eye(2), sigma=1.0, absolute_sigma=True).summary()
    assert "the errors rest on sigma alone" in known and "undetermined" not in known


def test_bounds_and_fixed_parameters():
    abc = Model(lambda x, a, b, c: a + b * x + c * x**2, lambda x, a, b, c: x[:, None] ** [0, 1, 2])
    x = np.linspace(-1, 1, 12)
    fit = result_at(
        abc, x, x, [0.0, 1.0, 2.5], np.diag([0.01, 0.04, 0.0]), "abc", fixed=("c",), dof=10,
        at_bound=("a", "b"), active_mask=np.array([-1, 1, 0]),
        bounds=(np.array([0.0, -INF, 2.5]), np.array([INF, 1.0, 2.5])),
    )  # fmt: skip
    text = fit.summary()
    assert row(text, "a").endswith("at lower bound") and row(text, "b").endswith("at upper bound")
    assert row(text, "c").split() == ["c", "2.500000", "fixed"]
    assert "2 free parameters (1 fixed), 10 degrees" in text
    assert "a stopped at its lower bound 0:" in text and "b stopped at its upper bound 1:" in text
    fit["active_mask"] = None  # sides told from the bounds themselves
    assert fit.summary() == text


@pytest.mark.parametrize("bound", [1e6, 1e10, 250_000.0, -2500.0, 0.1, 1234567.25, 1e-7, 3e50])
def test_bounds_are_printed_in_full(bound):
    popt, bounds = [bound, 1.0], (np.full(2, -INF), np.array([bound, INF]))
    fields = {"at_bound": ("a",), "bounds": bounds, "p0": popt}
    fit = result_at(LINE, *noisy_line(), popt, np.eye(2), **fields)
    said = fit.summary().split("stopped at its upper bound ")[1].split(":")[0]
    assert float(said) == bound
    page = html_report(result_document(fit))
    cells = page.split("start and bounds")[1].replace("</td>", ">").split(">")
    assert cells.count(said) == 2  # start and upper bound


@pytest.mark.parametrize(
    "sigma, absolute, said",
    [
        (None, False, None),
        (0.5, False, "scaled by √(reduced χ²) = {:.5g}"),
        (np.ones(25), False, "scaled by √(reduced χ²) = {:.5g}"),
        (np.eye(25), False, "scaled by √(reduced χ²) = {:.5g}"),
        (np.ones(25), True, "from sigma as it was given"),
    ],
)
def test_how_errors_were_scaled_is_said(sigma, absolute, said):
    fit = fitted(LINE, *noisy_line(), sigma=sigma, absolute_sigma=absolute)
    scale = math.sqrt(fit.chi_squared / 23)
    summary = fit.summary()
    assert ("\n  errors " in summary) == (said is not None)
    assert said is None or said.format(scale) in " ".join(summary.split())


def test_the_head_is_about_the_fit_and_the_model_comes_last():
    @dataclasses.dataclass
    class Info:
        road: str = "numpy"
        reason: str = "a reason of three lines " * 9
        derivative: str = "exact"
        pointwise: bool = True

        def describe(self):
            return f"It runs so, since {self.reason}."

    fit = fitted(LINE, *noisy_line(), model_info=Info())
    head = fit.summary().split("\n\n")[0].splitlines()
    assert head[1].startswith("  method") and head[-1].startswith("  model")
    assert "reason" not in head[-1]
    whole = fitted(LINE, *noisy_line(), model_info=Info(pointwise=False)).summary()
    assert whole.index("model ") > whole.index("status") and "a reason of" in whole


def test_strong_correlations_are_listed_strongest_first():
    C = np.array([[1, 0.95, 0.2], [0.95, 1, -0.99996], [0.2, -0.99996, 1]])
    abc = Model(lambda x, a, b, c: a + 0 * x, lambda x, a, b, c: np.zeros((len(x), 3)))
    text = result_at(abc, np.arange(9.0), np.arange(9.0), [1, 1, 1], C, "abc").summary()
    assert "b, c: -0.999960   a, b: 0.950" in text and "a, c" not in text
    assert "correlations" not in fitted(LINE, *noisy_line()).summary()


def test_warnings_of_the_engine_are_shown_once():
    fit = result_at(
        LINE,
        *noisy_line(),
        [1.0, 1.0],
        np.full((2, 2), INF),
        undetermined=("b",),
        null_directions=({"b": 1.0},),
        warnings=("the data do not determine b", "slow"),
    )
    text = fit.summary()
    assert text.count("the data do not determine b") == 1 and "* slow" in text


@pytest.mark.parametrize("bad", [np.nan, INF, -1.0, 0.0, 1e-320, 1e308])
def test_any_variance_prints_without_a_warning(bad):
    fit = result_at(LINE, *noisy_line(), [1.0, np.nan], np.full((2, 2), bad))
    for text in (fit.summary(), repr(fit), fit._repr_html_(), rendered(fit)):
        assert "a" in text


def test_complex_data():
    x = np.linspace(0, 1, 10)
    wave = Model(lambda x, a: a * np.exp(1j * x), lambda x, a: np.exp(1j * x)[:, None])
    text = result_at(wave, x, wave.f(x, 2.0) + 0.1, [2.0], np.eye(1), "a").summary()
    assert "10 complex points (20 real values), 1 free parameter, 19 degrees of freedom" in text


# -- other writers -----------------------------------------------------------------------------


def rendered(fit, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(fit)
    return console.file.getvalue()


def test_rich_and_html_say_the_same_and_escape_names():
    x, y = noisy_line()
    fit = fitted(LINE, x, y, names=("[red]k", "<b>"), at_bound=("<b>",), active_mask=[0, -1],
                 bounds=(np.full(2, -5.0), np.full(2, 9.0)))  # fmt: skip
    html = fit._repr_html_()
    assert "&lt;b&gt;" in html and "<b>(" not in html and html.count("<table>") == 3
    assert html.count("<table>") == html.count("</table>") and html.startswith("<div")
    for page in (rendered(fit), html):
        for word in ("[red]k", "at lower bound", "reduced χ²", "23 degrees", "converged"):
            assert word in page
        assert f"{fit.rmse:.5g}" in page


def test_rich_fits_a_narrow_terminal():
    lines = rendered(fitted(LINE, *noisy_line()), width=50).splitlines()
    assert max(map(len, lines)) <= 50


# -- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "stderr", "texts"),
    [
        (2.50314, 0.0212, ("2.503", "0.021")),
        (1e9, 2.2e5, ("1.00000e+09", "2.2e+05")),
        (2e-7, 3.14e-10, ("2.0000e-07", "3.1e-10")),
        (12345.678, 2300.0, ("12346", "2300")),
        (0.002, 5.3, ("0.0", "5.3")),
        (-0.002, 5.3, ("0.0", "5.3")),
        (1.0, 0.0, ("1.000000", "0.000000")),
        (1.0, INF, ("1.000", "inf")),
        (0.0, INF, ("0.000000", "inf")),
        (0.0, 1e-9, ("0", "1.0e-09")),
        (math.nan, 1.0, ("nan", "1.0")),
        (1.23456789012345678, 1e-30, ("1.234567890123457", "0.000000000000000")),
    ],
)
def test_rounding(value, stderr, texts):
    rounding = Rounding.of(value, stderr)
    assert (rounding.text(value), rounding.text(stderr)) == texts


@given(st.floats(-1e307, 1e307) | st.sampled_from([INF, -INF, math.nan]), st.floats(0, 1e307))
def test_rounding_loses_less_than_a_fifth_of_the_error(value, stderr):
    shown = Rounding.of(value, stderr).text(value)
    if math.isfinite(value) and math.isfinite(stderr):
        assert abs(float(shown) - value) <= 0.051 * stderr + 1e-6 * abs(value) * (stderr == 0) + (
            1e-15 * abs(value)
        )
    else:
        assert math.isfinite(value) == math.isfinite(float(shown))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.021, "2.1"), (0.06, "6.0"), (0.15, "15"), (0.9996, "100"), (-1e-4, "0.010"), (12, "1200"),
     (0, "0"), (1e-9, "1.0e-07"), (1e7, "1e+09"), (INF, "inf"), (math.nan, "nan"),
     (2e-5, "0.0020")],
)  # fmt: skip
def test_percent(ratio, text):
    assert percent(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (0.9827, "0.9827"), (0.999987, "0.999987"), (1.0, "1.0000"),
     (1 - 1e-15, "1.000000000000"), (-3.2, "-3.2000"), (-INF, "-inf"), (math.nan, "nan")],
)  # fmt: skip
def test_near_one(value, text):
    assert near_one(value) == text


def test_duration():
    assert [duration(s) for s in (12.3456, 0.00125, 3e-6)] == ["12.3 s", "1.25 ms", "3 µs"]


def test_decay_at_extreme_scales_reads_well():
    x = np.linspace(0, 1e-6, 40)
    fit = fitted(DECAY, x, decay(x, 1e9, 2e-7) * (1 + 0.01 * np.cos(5e7 * x)), p0=(1e9, 2e-7))
    value, stderr = row(fit.summary(), "a").split()[1:3]
    assert value.endswith("e+08") or value.endswith("e+09")
    assert float(value) == pytest.approx(fit.x[0], abs=fit.perr[0] / 10)
    assert float(stderr) == pytest.approx(fit.perr[0], rel=0.05)
