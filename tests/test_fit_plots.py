"""Axes, surfaces, residuals, correlations and components: what is drawn are the fit's numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

import nlsq
from nlsq.result import CurveFitResult, axis_scales, correlation_map, surfaces
from nlsq.utils import normal_plot
from tests.result_fits import DECAY, LINE, Model, decay, fitted, noisy_line, result_at
from tests.test_result_plot import legend, png


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


# ------------------------------------------------------------------------------------- log axes

RNG = np.random.default_rng(7)
DOSES = np.repeat(np.geomspace(1e-9, 1e-5, 9), 3)
EVEN = [
    ("doses in triplicate", DOSES, True),
    ("three decades", np.geomspace(0.01, 10, 12), True),
    ("random decades", 10 ** RNG.uniform(-4, 1, 500), True),
    ("many", np.geomspace(1e-3, 1e3, 100_000), True),
    ("two decades", np.geomspace(0.1, 10, 20), False),
    ("evenly spaced", np.linspace(1e-6, 10, 1000), False),
    ("evenly spaced, few", np.linspace(1e-6, 10, 6), False),
    ("random times", RNG.exponential(size=100_000), False),
    ("uniform", RNG.uniform(size=10_000), False),
    ("squares", np.arange(1, 400.0) ** 2, False),
    ("a control at zero", np.append(0.0, DOSES), False),
    ("negative", -DOSES, False),
    ("one far away", np.append(1e-5, np.linspace(1, 10, 50)), False),
    ("none", np.array([]), False),
]


@pytest.mark.parametrize("values, asked", [e[1:] for e in EVEN], ids=[e[0] for e in EVEN])
def test_data_ask_for_a_logarithmic_axis(values, asked):
    assert axis_scales.spans_decades(values) is asked
    assert axis_scales.spans_decades(1e6 * RNG.permutation(values)) is asked


T, R = np.linspace(0, 12, 80), np.geomspace(1, 1e4, 40)
TEN_PERCENT = np.exp(0.1 * np.sin(np.arange(80)))
CURVES = [
    ("power law", R, 3 * R**-1.5, TEN_PERCENT[:40], None, True),
    ("weighted decay", T, np.exp(-T), TEN_PERCENT, 0.1 * np.exp(-T), True),
    ("decay", T, np.exp(-T), TEN_PERCENT, None, False),
    ("decay, one sigma", T, np.exp(-T), TEN_PERCENT, np.full(80, 1e-6), False),
    ("sigma above the values", T, np.exp(-T), TEN_PERCENT, 2 * np.exp(-T), False),
    ("peak", T, np.exp(-((T - 6) ** 2)), 1, 0.1 * np.exp(-((T - 6) ** 2)), False),
    ("sigmoid over log x", R, 1 / (1 + (300 / R) ** 3), 1, None, False),
    ("noise at the end", R, R**-1.5, np.where(R > 1e3, 9, 1), None, False),
]


@pytest.mark.parametrize(
    "x, f, noise, sigma, asked", [c[1:] for c in CURVES], ids=[c[0] for c in CURVES]
)
def test_a_curve_asks_for_a_logarithmic_y(x, f, noise, sigma, asked):
    assert axis_scales.follows_decades(x, f * noise, f, sigma) is asked


def saturation(x, top, half):
    return top * x / (half + x)


HILL = Model(saturation, lambda x, t, h: np.column_stack([x / (h + x), -t * x / (h + x) ** 2]))


def scales(axes):
    return axes[0].get_xscale(), axes[0].get_yscale()


def test_axes_are_logarithmic_by_the_data_and_by_hand():
    doses = fitted(
        HILL, DOSES, saturation(DOSES, 3, 1e-7) + 0.01 * np.cos(9 * np.arange(27)), [1, 1e-7]
    )
    _, axes = doses.plot()
    assert scales(axes) == ("log", "linear") and axes[1].get_xscale() == "log"
    assert doses.plot_residuals()[1][0].get_xscale() == "log"
    _, axes = doses.plot(xscale="linear", yscale="log")
    assert scales(axes) == ("linear", "log")
    line = fitted(LINE, *noisy_line())
    assert scales(line.plot()[1]) == ("linear", "linear")
    fig, axes = line.plot(xscale="log", yscale="log")
    shown = (line.xdata > 0) & (line.ydata > 0)
    assert legend(axes[0])[0] == f"data ({shown.sum()} of 25 points)" and png(fig)
    np.testing.assert_array_equal(axes[0].containers[0].lines[0].get_xdata(), line.xdata[shown])
    own = Figure().add_subplot()
    own.set_xscale("symlog")
    assert line.plot(own)[1][0].get_xscale() == "symlog"
    with pytest.raises(ValueError, match="no y is positive"):
        fitted(LINE, line.xdata, -5 - line.ydata**2).plot(yscale="log")
    with pytest.raises(ValueError, match="scale"):
        line.plot(xscale="logarithmic")
    with pytest.raises(TypeError, match=r"plot\(\) got .* 'xlable'; did you mean 'xlabel'\?$"):
        line.plot(xlable="t")


def test_a_power_law_shows_residuals_by_sigma():
    law = Model(lambda x, a, b: a * x**b,
                lambda x, a, b: np.column_stack([x**b, a * x**b * np.log(x)]))  # fmt: skip
    y = 3 * R**-1.5 * TEN_PERCENT[:40]
    fit = fitted(law, R, y, [1.0, -1.0], sigma=0.1 * y)
    fig, axes = fit.plot()
    assert scales(axes) == ("log", "log") and axes[1].get_ylabel() == "residual / σ"
    drawn = axes[1].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, fit.residuals / (0.1 * y))
    low, high = axes[0].get_ylim()
    assert 0.5 * y.min() < low < y.min() and y.max() < high < 2 * y.max() and png(fig)


# ------------------------------------------------------------------------------------- surfaces

U, V = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(0, 3, 7))
PLANE = Model(
    lambda x, a, b: a * x[0] + b * x[1] ** 2, lambda x, a, b: np.array([x[0], x[1] ** 2]).T
)
PAIR = np.array([U.ravel(), V.ravel()])
HEIGHT = PLANE.f(PAIR, 2, 3) + 0.1 * np.sin(9 * np.arange(63))


def surface(x, y=HEIGHT, model=PLANE, **fields):
    return result_at(model, x, y, [2.0, 3.0], np.eye(2), **fields)


def by_columns(model):
    return Model(lambda x, *p: model.f(x.T, *p), lambda x, *p: model.jac(x.T, *p))


SHUFFLED = np.random.default_rng(1).permutation(63)
FORMS = [
    ("array", lambda: surface(PAIR)),
    ("shuffled", lambda: surface(PAIR[:, SHUFFLED], HEIGHT[SHUFFLED])),
    ("lists", lambda: surface(PAIR.tolist(), model=Model(
        lambda x, *p: PLANE.f(PAIR, *p), lambda x, *p: PLANE.jac(PAIR, *p)))),
    ("columns", lambda: surface(PAIR.T, model=by_columns(PLANE))),
    ("image", lambda: surface((U, V), model=Model(
        lambda x, *p: PLANE.f(PAIR, *p), lambda x, *p: PLANE.jac(PAIR, *p)))),
    ("open grid", lambda: surface((U[:1], V[:, :1]), model=Model(
        lambda x, *p: PLANE.f(PAIR, *p), lambda x, *p: PLANE.jac(PAIR, *p)))),
]  # fmt: skip


@pytest.mark.parametrize("make", [f[1] for f in FORMS], ids=[f[0] for f in FORMS])
def test_a_surface_is_three_images(make):
    _, axes = make().plot(ylabel="height", xlabel=("u", "v"), title="Hill")
    assert [ax.get_title() for ax in axes] == ["data", "fit", "residual"]
    assert axes[0].get_xlabel() == "u" and axes[0].get_ylabel() == "v"
    fitted_height = PLANE.f(PAIR, 2, 3)
    for ax, expected in zip(axes, (HEIGHT, fitted_height, HEIGHT - fitted_height), strict=True):
        image = ax.collections[0].get_array()
        np.testing.assert_allclose(np.ravel(image), expected, rtol=1e-12, atol=1e-12)
    low, high = axes[2].collections[0].get_clim()
    assert low == -high and axes[0].collections[0].get_clim() == axes[1].collections[0].get_clim()


def test_pixels_without_weight_are_left_open():
    sigma = np.where(np.arange(63) == 5, np.inf, 1.0)
    fig, axes = surface(PAIR, sigma=sigma).plot(show_residuals=False)
    image = axes[0].collections[0].get_array()
    assert len(axes) == 2 and png(fig)
    _, axes = surface(PAIR, labels={"x": "lon, lat"}).plot()
    assert (axes[2].get_xlabel(), axes[0].get_ylabel()) == ("lon", "lat")
    assert np.flatnonzero(np.ravel(image.mask)).tolist() == [5]


def test_scattered_points_are_dots_in_their_places():
    x = np.random.default_rng(5).uniform(-2, 2, (2, 50))
    fit = surface(x, PLANE.f(x, 2, 3) + 0.1)
    _, axes = fit.plot()
    dots = axes[2].collections[0]
    np.testing.assert_allclose(dots.get_offsets(), x.T)
    np.testing.assert_allclose(dots.get_array(), 0.1)
    assert axes[1].get_xlabel() == "x[0]"


def test_a_surface_in_given_axes_stays_in_its_place():
    ours = Figure()
    left = ours.subplots(1, 2)[0]
    end = left.get_position().x1
    fig, axes = surface(PAIR).plot(left)
    png(fig)
    assert fig is ours and axes[0] is left and axes[2].get_position().x1 <= end


LINE_OF = np.linspace(0, 1, 60)
NO_PLANES = [
    ("groups", [np.tile(np.arange(20.0), 3), np.repeat([0.0, 1.0, 2.0], 20)]),
    ("a curve", [LINE_OF, LINE_OF**2]),
    ("a falling curve", [np.exp(LINE_OF), np.cos(3 * LINE_OF)]),
    ("few", np.random.default_rng(3).uniform(size=(2, 20))),
    ("not finite", np.where(np.arange(63) == 5, np.inf, PAIR)),
]


@pytest.mark.parametrize("x", [n[1] for n in NO_PLANES], ids=[n[0] for n in NO_PLANES])
def test_what_covers_no_plane_is_no_surface(x):
    x = np.array(x)
    assert surfaces.surface_of(surface(x, np.ones(x.shape[1]))) is None


def test_what_is_no_surface_is_drawn_against_the_prediction():
    x = np.array(NO_PLANES[1][1])
    _, axes = surface(x, PLANE.f(x, 2, 3) + 0.1).plot()
    assert axes[0].get_ylabel() == "observed y"


# ------------------------------------------------------------------------------------ residuals

S = np.linspace(0.5, 2, 25)
BY = [
    (None, False, "residual / s", lambda fit: fit.reduced_chi_squared**0.5),
    (S, False, "residual / (σ s)", lambda fit: S * fit.reduced_chi_squared**0.5),
    (0.8, True, "residual / σ", lambda fit: 0.8),
    (np.diag(S**2), True, "residual / σ", lambda fit: S),
]


@pytest.mark.parametrize("sigma, known, label, by", BY)
def test_residuals_are_standardised(sigma, known, label, by):
    fit = fitted(LINE, *noisy_line(), sigma=sigma, absolute_sigma=known)
    _, (above, left, _) = fit.plot_residuals(xlabel="t", title="Line")
    z = fit.residuals / by(fit)
    drawn = above.containers[0].lines[0]
    np.testing.assert_array_equal(drawn.get_xdata(), fit.xdata)
    np.testing.assert_allclose(drawn.get_ydata(), z, rtol=1e-9)
    assert above.get_ylabel() == left.get_xlabel() == label and above.get_xlabel() == "t"
    assert above.get_title(loc="right").startswith("s =") is not known
    heights = [bar.get_height() for bar in left.patches]
    edges = [bar.get_x() for bar in left.patches]
    expected, _ = np.histogram(z, [*edges, z.max()], density=True)
    np.testing.assert_allclose(heights, expected, rtol=1e-9)
    grid, density = left.lines[0].get_data()
    np.testing.assert_allclose(density, stats.norm.pdf(grid), rtol=1e-12)


def test_the_normal_plot_is_bloms_with_the_band_of_order_statistics():
    fit = fitted(LINE, *noisy_line())
    _, (_, _, ax) = fit.plot_residuals()
    rank = np.arange(1, 26)
    x, z = ax.lines[1].get_data()
    np.testing.assert_allclose(x, stats.norm.ppf((rank - 0.375) / 25.25), rtol=1e-9)
    np.testing.assert_allclose(z, np.sort(fit.residuals) / fit.reduced_chi_squared**0.5)
    vertices = ax.collections[0].get_paths()[0].vertices
    lowest = stats.norm.ppf(stats.beta.ppf(0.025, 1, 25))
    highest = stats.norm.ppf(stats.beta.ppf(0.975, 25, 1))
    assert vertices[:, 1].min() == pytest.approx(lowest)
    assert vertices[:, 1].max() == pytest.approx(highest)


@pytest.mark.parametrize("size", [1, 2, 400, 401, 10**6])
def test_ranks_of_many_points_lie_evenly_and_reach_both_ends(size):
    ranks, expected = normal_plot.scores(size)
    np.testing.assert_allclose(
        expected, stats.norm.ppf((ranks + 0.625) / (size + 0.25)), atol=1e-12
    )
    assert ranks[0] == 0 and ranks[-1] == size - 1 and len(ranks) <= 401
    assert size < 10**6 or set(range(5)) < set(ranks.tolist())


def test_residuals_of_a_plane_and_of_an_exact_fit():
    fit = surface(PAIR)
    _, axes = fit.plot_residuals(xlabel="u")
    assert axes[0].get_xlabel() == "predicted y"
    np.testing.assert_allclose(axes[0].containers[0].lines[0].get_xdata(), fit.predictions)
    x = np.array([0.0, 1.0])
    exact = result_at(DECAY, x, decay(x, 2.0, 1.0), [2.0, 1.0], np.zeros((2, 2)))
    fig, (above, left, _) = exact.plot_residuals()
    assert above.get_ylabel() == "residual" and not left.lines and png(fig)


def test_complex_residuals_and_points_without_weight():
    wave = Model(lambda x, a: a * np.exp(1j * x), lambda x, a: np.exp(1j * x)[:, None])
    x = np.linspace(0, 1, 10)
    fit = result_at(wave, x, wave.f(x, 2.0) + 0.1j * x, [2.0], np.eye(1), "a")
    drawn = fit.plot_residuals()[1][0].containers[0].lines[0]
    assert len(drawn.get_xdata()) == 20
    sigma = np.where(np.arange(25) < 3, np.inf, 1.0)
    fit = result_at(LINE, *noisy_line(), [1.7, -4.0], np.eye(2), sigma=sigma, dof=20)
    assert len(fit.plot_residuals()[1][0].containers[0].lines[0].get_xdata()) == 22


# --------------------------------------------------------------------------------- correlations


def test_the_map_shows_correlations_by_name():
    A = np.random.default_rng(2).normal(size=(4, 9))
    pcov = np.zeros((5, 5))
    pcov[:4, :4] = np.cov(A)
    pcov[2], pcov[:, 2] = np.inf, np.inf
    names = ("$a$", "b", "lost", "_d", "kept")
    fit = CurveFitResult(x=np.ones(5), pcov=pcov, param_names=names, fixed=("kept",))
    fig, ax = fit.plot_correlation(title="Map")
    assert [t.get_text() for t in ax.get_yticklabels()] == [r"\$a\$", "b", "lost", " _d"]
    shown = ax.images[0].get_array()
    known = ~np.ma.getmaskarray(shown)
    expected = np.corrcoef(A)
    np.testing.assert_allclose(shown[known], expected[known])
    assert known.sum() == 6 and len(ax.patches) == 7 and legend(ax) == ["undetermined"]
    texts = {t.get_position(): t.get_text() for t in ax.texts}
    assert texts[(1, 0)] == correlation_map.short(expected[0, 1]) and (2, 0) not in texts
    assert png(fig)
    given = Figure().add_subplot()
    assert fit.plot_correlation(given)[1] is given
    fit["fixed"] = names
    with pytest.raises(ValueError, match="every parameter is fixed"):
        fit.plot_correlation()


# ----------------------------------------------------------------------------------- components


def test_components_add_up_to_the_fit():
    x, y = noisy_line()
    fit = nlsq.curve_fit("slope*x + level", x, y)
    fit["labels"] = {"x": "t"}
    fig, axes = fit.plot_components(ylabel="U", title="Parts")
    assert legend(axes[0]) == ["data", "slope*x", "level", "fit"] and png(fig)
    assert axes[1].get_xlabel() == "t" and axes[0].get_ylabel() == "U"
    slope, level, total = (line.get_data() for line in axes[0].lines[1:])
    np.testing.assert_allclose(slope[1], fit["slope"] * slope[0])
    np.testing.assert_allclose(level[1], fit["level"])
    np.testing.assert_allclose(total[1], fit.predict(total[0]))
    _, axes = fit.plot_components([3.0, 1.0], show_residuals=False)
    assert axes[0].lines[-1].get_xdata().tolist() == [1.0, 3.0] and len(axes) == 1


def test_what_has_no_components_says_so():
    fit = fitted(LINE, *noisy_line())
    with pytest.raises(ValueError, match="has no components"):
        fit.plot_components()
    with pytest.raises(ValueError, match="a single real x"):
        surface(PAIR).plot_components()
    fit["model"] = None
    with pytest.raises(RuntimeError, match="has no model"):
        fit.plot_components()
    assert plt.get_fignums() == []
