"""The picture of a fit: its parts carry the numbers of the result, and nothing global changes."""

import io
import sys
import threading
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from nlsq.core.problem.observations import labels_of
from nlsq.result import plotting
from nlsq.utils import figures
from tests.result_fits import DECAY, LINE, Model, decay, fitted, noisy_line, result_at


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def png(fig):
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


@pytest.fixture
def fit():
    return fitted(LINE, *noisy_line())


@pytest.fixture(autouse=True)
def closed():
    """pyplot is imported here, so that the figures are its own, and those of other tests' pages."""
    plt.close("all")
    yield
    plt.close("all")


def test_picture_of_a_line(fit):
    backend, rc = matplotlib.get_backend(), dict(matplotlib.rcParams)
    fig, axes = fit.plot(show_prediction=True, xlabel="t (s)", ylabel="U (V)", title="Line")
    assert png(fig).startswith(b"\x89PNG")
    assert isinstance(fig, Figure) and axes.shape == (2,)
    assert [plt.figure(n) for n in plt.get_fignums()] == [fig] and plt.gcf() is fig
    assert matplotlib.get_backend() == backend
    assert dict(matplotlib.rcParams) == rc
    assert legend(axes[0]) == ["data", "fit", "95 % confidence band", "95 % prediction band"]
    assert axes[0].get_ylabel() == "U (V)" and axes[1].get_xlabel() == "t (s)"
    assert axes[0].get_title() == "Line" and axes[1].get_ylabel() == "residual"


def without_pyplot(monkeypatch, **shell):
    shell = SimpleNamespace(**shell) if shell else None
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.mark.parametrize(
    "draw",
    [
        lambda fit: fit.plot()[0],
        lambda fit: fit.plot(show_residuals=False)[0],
        lambda fit: figures.image(np.eye(3), None, "a")[0],
        lambda fit: fit.plot_residuals()[0],
        lambda fit: fit.plot_correlation()[0],
    ],
    ids=["both", "curve", "map", "residuals", "correlation"],
)
def test_a_figure_belongs_to_pyplot_where_that_is_used(fit, monkeypatch, draw):
    fig = draw(fit)
    assert fig.canvas.manager is not None and plt.gcf() is fig
    plt.close("all")
    without_pyplot(monkeypatch)
    fig = draw(fit)
    monkeypatch.undo()
    assert fig.canvas.manager is None and plt.get_fignums() == []


def test_a_notebook_uses_pyplot_and_a_terminal_does_not(monkeypatch):
    without_pyplot(monkeypatch, kernel=object())
    assert figures.pyplot_is_used()
    monkeypatch.undo()
    without_pyplot(monkeypatch, history=[])
    assert not figures.pyplot_is_used()


def test_a_figure_for_a_file_or_of_a_thread_is_left_to_nobody(fit):
    made = []
    with figures.apart():
        made.append(fit.plot()[0])
    thread = threading.Thread(target=lambda: made.append(fit.plot()[0]))
    thread.start(), thread.join()
    made.append(fit.plot(Figure().add_subplot())[0])
    assert plt.get_fignums() == [] and all(map(png, made))


SERIES = pd.Series([1.0, 2.0], name="t (s)")


@pytest.mark.parametrize(
    "x, y, labels",
    [
        (SERIES, [1, 2], {"x": "t (s)"}),
        (SERIES.to_frame(), SERIES.rename("U"), {"x": "t (s)", "y": "U"}),
        (pd.Index([1, 2], name="n"), SERIES.rename(3), {"x": "n", "y": "3"}),
        (pd.DataFrame({"a": [1], "b": [2]}), SERIES.rename(None), {"x": "a, b"}),
        (SERIES.to_numpy(), [1, 2], {}),
    ],
)
def test_axes_are_named_after_the_data(fit, x, y, labels):
    assert labels_of(x, y) == labels
    fit["labels"] = labels
    _, axes = fit.plot()
    names = {"x": "x", "y": "y"} | labels
    assert (axes[1].get_xlabel(), axes[0].get_ylabel()) == (names["x"], names["y"])
    _, axes = fit.plot(xlabel="", ylabel="mine")
    assert (axes[1].get_xlabel(), axes[0].get_ylabel()) == ("", "mine")


def test_a_curve_that_is_known_is_drawn_where_the_model_is_not(fit):
    grid = np.linspace(0, 5, 300)
    band = fit.confidence_band(grid)
    curve = {"x": grid.tolist(), "y": grid.tolist(), "confidence": band, "level": 0.95}
    options = plotting.Options(curve=curve)
    _, axes = plotting.plot(fit, None, options)
    x, y = axes[0].lines[-1].get_data()
    np.testing.assert_allclose(y, LINE.f(x, *fit.popt))
    fit["model"] = None
    _, axes = plotting.plot(fit, None, options)
    np.testing.assert_array_equal(axes[0].lines[-1].get_data(), (grid, grid))
    vertices = axes[0].collections[-1].get_paths()[0].vertices
    assert vertices[:, 1].max() == pytest.approx(band[1].max())
    assert legend(axes[0]) == ["data", "fit", "95 % confidence band"]


def test_drawn_curve_and_bands_are_those_of_the_result(fit):
    _, axes = fit.plot(show_prediction=True, level=0.8)
    x, y = axes[0].lines[-1].get_data()
    assert len(x) >= 500 and set(fit.xdata) <= set(x)
    np.testing.assert_allclose(y, LINE.f(x, *fit.popt))
    band, prediction = (c.get_paths()[0].vertices for c in axes[0].collections[-2:])
    for vertices, (lower, upper) in (
        (band, fit.confidence_band(x, 0.8)),
        (prediction, fit.prediction_interval(x, 0.8)),
    ):
        assert vertices[:, 1].min() == pytest.approx(lower.min())
        assert vertices[:, 1].max() == pytest.approx(upper.max())
    residuals = axes[1].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(residuals, fit.residuals)


def test_parts_can_be_left_out(fit):
    _, axes = fit.plot(show_residuals=False, show_confidence=False)
    assert axes.shape == (1,) and legend(axes[0]) == ["data", "fit"]
    assert axes[0].get_xlabel() == "x"


def test_drawing_into_given_axes(fit):
    ours = Figure()
    left, right = ours.subplots(1, 2)
    place = left.get_position().bounds
    fig, axes = fit.plot(left)
    png(fig)
    assert fig is ours and axes[0] is left and len(ours.axes) == 3
    lower = axes[1].get_position()
    assert lower.x0 >= place[0] - 0.01 and lower.x1 <= place[0] + place[2] + 0.01
    fig, axes = fit.plot(right, show_residuals=False)
    assert axes[0] is right and len(ours.axes) == 3


def test_error_bars(fit):
    x, y = noisy_line()
    sigma = np.linspace(0.2, 1.5, 25)
    for s in (sigma, np.diag(sigma**2)):
        _, axes = fitted(LINE, x, y, sigma=s).plot(show_prediction=True)
        segments = axes[0].containers[0].lines[2][0].get_segments()
        heights = [s[1, 1] - s[0, 1] for s in segments]
        np.testing.assert_allclose(heights, 2 * sigma, rtol=1e-9)
    _, axes = fitted(LINE, x, y, sigma=0.3).plot(show_prediction=True)
    assert legend(axes[0])[-1] == "95 % prediction band"


def test_unbounded_band_is_left_open_and_named():
    x, y = noisy_line(2)
    fit = result_at(LINE, x, y, [1.7, -4.0], np.full((2, 2), np.inf))
    fig, axes = fit.plot()
    assert "95 % confidence band (unbounded)" in legend(axes[0])
    assert np.isfinite(axes[0].get_ylim()).all() and png(fig)


def test_partly_unbounded_band_is_filled_where_it_is_finite():
    """The step at x = 5 was seen by no point below it: free beyond, determined before."""
    x, y = noisy_line()
    kink = Model(lambda x, a, b: a * x + b * (x > 5), lambda x, a, b: np.column_stack([x, x > 5.0]))
    pcov = np.array([[0.01, np.inf], [np.inf, np.inf]])
    _, axes = result_at(kink, x, y, [1.7, 1.0], pcov).plot()
    assert "95 % confidence band (partly unbounded)" in legend(axes[0])
    vertices = axes[0].collections[-1].get_paths()[0].vertices
    assert np.isfinite(vertices).all() and 4.9 < vertices[:, 0].max() <= 5.0


def test_two_dimensional_x_shows_observed_against_predicted():
    plane = Model(lambda x, a, b: a * x[0] + b * x[1], lambda x, a, b: x.T)
    rng = np.random.default_rng(5)
    x = rng.uniform(size=(2, 30))
    fit = fitted(plane, x, plane.f(x, 2, 3) + rng.normal(0, 0.1, 30))
    fig, axes = fit.plot(show_prediction=True, ylabel="z")
    assert axes[0].get_ylabel() == "observed z" and axes[1].get_xlabel() == "predicted z"
    drawn = axes[0].containers[0].lines[0]
    np.testing.assert_allclose(drawn.get_xdata(), fit.predictions)
    np.testing.assert_allclose(drawn.get_ydata(), fit.ydata)
    assert png(fig)


def test_complex_data_show_both_parts():
    x = np.linspace(0, 1, 10)
    wave = Model(lambda x, a: a * np.exp(1j * x), lambda x, a: np.exp(1j * x)[:, None])
    fit = result_at(wave, x, wave.f(x, 2.0) + 0.1j, [2.0], np.eye(1), "a", sigma=0.1)
    fig, axes = fit.plot(show_prediction=True)
    assert len(axes[0].containers[0].lines[0].get_xdata()) == 20 and png(fig)


def test_model_that_needs_all_x_is_drawn_at_the_data_only():
    class Whole:
        pointwise = False

    x, y = noisy_line()
    order = np.random.default_rng(0).permutation(25)
    fit = fitted(LINE, x[order], y[order], model_info=Whole())
    _, axes = fit.plot(show_prediction=True)
    np.testing.assert_array_equal(axes[0].lines[-1].get_xdata(), x)
    np.testing.assert_allclose(axes[0].lines[-1].get_ydata(), LINE.f(x, *fit.popt))


def test_result_without_model_is_drawn_at_the_data(fit):
    fit["model"] = None
    fig, axes = fit.plot(show_prediction=True)
    assert len(axes[0].lines[-1].get_xdata()) == 25 and png(fig)


def test_many_points_are_thinned_and_the_legend_says_so():
    x = np.linspace(0, 5, 50_000)
    fit = result_at(DECAY, x, decay(x, 2, 1) + 0.1 * np.cos(900 * x), [2, 1], 1e-6 * np.eye(2))
    _, axes = fit.plot()
    assert legend(axes[0])[0] == "data (20,000 of 50,000 points)"
    assert len(axes[0].containers[0].lines[0].get_xdata()) == 20_000


def test_curve_over_many_decades_is_dense_at_the_small_end():
    x = np.geomspace(1e-6, 1e3, 30)
    fit = result_at(LINE, x, x, [1.0, 0.0], np.eye(2))
    _, axes = fit.plot()
    assert np.diff(np.log10(axes[0].lines[-1].get_xdata())).max() < 0.1
