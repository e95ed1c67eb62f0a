"""The page 'results': what a fit found, how sure it is, and the fits before it."""

import math
import time

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QTabWidget, QWidget
from scipy import stats

from nlsq import curve_fit, models
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.widgets import param_results
from nlsq.result import CurveFitResult

LEFT = Qt.MouseButton.LeftButton
GAUSSIAN = models.get("gaussian")
X = np.linspace(0, 10, 120)
SIGMA = 0.05 + 0.005 * X
Y = 3 * np.exp(-0.5 * ((X - 4.2) / 0.7) ** 2) + SIGMA * np.random.default_rng(3).normal(size=120)
WITH_SIGMA = {"x": 0, "y": 1, "sigma": 2}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "peak.csv"
    columns = np.column_stack([X, Y, SIGMA])
    np.savetxt(path, columns, delimiter=",", header="t,V,err", comments="", fmt="%.17g")
    return path


@pytest.fixture
def window(qtbot, data, tmp_path):
    app = AppState()
    app.put("data", {"input_file": str(data), "columns": {"x": 0, "y": 1}})
    app.put("model", {"name": "gaussian"})
    opened = MainWindow(app, Preferences(tmp_path / "window.json"))
    qtbot.addWidget(opened)
    opened.show()
    with qtbot.waitActive(opened):  # else its keys do nothing
        opened.activateWindow()
    yield opened
    app.wait()


def child(window, name):
    found = window.findChild(QWidget, name)
    assert found is not None, name
    return found


def fit(window, qtbot):
    ended = {"timeout": 20_000, "check_params_cb": lambda on: not on}
    with qtbot.waitSignal(window.app.running_changed, **ended):
        window.app.fit()
    assert not window.app.problems


def turn(window, title):
    """Show a part of the results, as a click on its tab does."""
    parts = window.findChild(QTabWidget, "results parts")
    at = next(i for i in range(parts.count()) if title in parts.tabText(i).replace("&", ""))
    QTest.mouseClick(parts.tabBar(), LEFT, pos=parts.tabBar().tabRect(at).center())
    assert parts.currentIndex() == at


def examined(window, qtbot):
    """Wait until the fit was looked at, beside the window."""
    health = window.pages["results"].health
    qtbot.waitUntil(lambda: health.toPlainText().startswith(("Healthy", "Warning", "Critical")))
    return health.toPlainText()


def direct(sigma=None, model=GAUSSIAN, **options):
    p0 = model.guess(X, Y)
    return curve_fit(model, X, Y, p0, sigma, bounds=model.bounds(), **options)


# ---------------------------------------------------------------------------------- residuals


def test_residuals_beside_a_normal_distribution(window, qtbot):
    window.app.edit("data.columns", WITH_SIGMA)
    fit(window, qtbot)
    turn(window, "Residuals")
    examined(window, qtbot)
    found = direct(SIGMA)
    z = (Y - found.predictions) / SIGMA / math.sqrt(found.reduced_chi_squared)
    page = window.pages["results"]
    bars = page.histogram.bars.opts
    edges = np.append(bars["x0"], bars["x1"][-1])
    np.testing.assert_allclose(bars["height"], np.histogram(z, edges, density=True)[0])
    grid, density = page.histogram.normal.getOriginalDataset()
    np.testing.assert_allclose(density, stats.norm.pdf(grid), rtol=1e-12)

    at, value = page.quantiles.points.getOriginalDataset()
    rank = np.arange(1, 121)
    np.testing.assert_allclose(at, stats.norm.ppf((rank - 0.375) / 120.25), rtol=1e-9)
    np.testing.assert_allclose(value, np.sort(z), rtol=1e-6)
    for side, share in ((page.quantiles.lower, 0.025), (page.quantiles.upper, 0.975)):
        limit = stats.norm.ppf(stats.beta.ppf(share, rank, 121 - rank))
        np.testing.assert_allclose(side.getOriginalDataset()[1], limit, rtol=1e-9)


def test_residuals_over_their_errors_or_in_units_of_y(window, qtbot):
    fit(window, qtbot)
    box, plot = child(window, "draw standardised"), window.residuals
    assert not box.isEnabled() and plot.plotItem.getAxis("left").labelText == "residual of the fit"
    window.app.edit("data.columns", WITH_SIGMA)
    window.app.edit("fitting.absolute_sigma", True)
    fit(window, qtbot)
    plain = Y - direct(SIGMA).predictions
    shown = plot.points.getOriginalDataset()[1]
    np.testing.assert_allclose(shown, plain / SIGMA, rtol=1e-6, atol=1e-9)
    assert plot.plotItem.getAxis("left").labelText == "residual / σ"
    qtbot.mouseClick(box, LEFT, pos=box_of(window, "draw standardised"))
    np.testing.assert_allclose(plot.points.getOriginalDataset()[1], plain, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------- health


def test_the_health_report_says_what_the_library_says(window, qtbot):
    fit(window, qtbot)
    turn(window, "Health")
    said = examined(window, qtbot)
    report = direct().diagnose()
    assert report.status.capitalize() in said and all(one.fact in said for one in report.findings)


def test_alarms_are_said_with_what_to_do(window, qtbot):
    window.app.edit("model", {"formula": "a*b*t + c"})
    fit(window, qtbot)
    said = examined(window, qtbot)
    assert "only a*b is determined" in said and "What to do:" in said
    lines = [line for line in said.splitlines() if line]
    assert len(lines) <= 24  # twelve, each with what to do
    page = window.pages["results"]
    assert "Health: " in page.parts.tabText(1).replace("&", "") and page.warnings.isVisible()
    colours = {}
    for theme in ("light", "dark"):
        window.set_theme(theme)
        colours[theme] = page.health.toHtml()
        assert window.themes.current.bad in colours[theme] and "Critical" in said
    assert colours["light"] != colours["dark"]


# ---------------------------------------------------------------------------------- intervals


def choose_level(window, qtbot, text):
    field = child(window, "confidence level").lineEdit()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def interval(window, row, column=3):
    return [
        float(v)
        for v in child(window, "fitted parameters").item(row, column).toolTip().split(" … ")
    ]


def test_the_level_is_that_of_intervals_and_bands(window, qtbot):
    fit(window, qtbot)
    found, table = direct(), child(window, "fitted parameters")
    qtbot.mouseClick(child(window, "draw prediction"), LEFT, pos=box_of(window, "draw prediction"))
    for text, level in (("90", 0.9), ("99,73 %", 0.9973), ("95 %", 0.95)):
        choose_level(window, qtbot, text)
        assert table.horizontalHeaderItem(3).text() == f"{100 * level:.10g} % interval"
        t = stats.t.ppf((1 + level) / 2, 117)
        for row in range(3):
            ends = found.popt[row] + t * found.perr[row] * np.array([-1, 1])
            np.testing.assert_allclose(interval(window, row), ends, rtol=1e-8)
        x = window.plot.curve.getOriginalDataset()[0]
        for kind, limits in (
            ("confidence", found.confidence_band(x, level)),
            ("prediction", found.prediction_interval(x, level)),
        ):
            band = window.plot.bands[kind]
            assert band.isVisible()
            for curve, limit in zip(band.curves, limits, strict=True):
                np.testing.assert_allclose(
                    curve.getOriginalDataset()[1], limit, rtol=1e-6, atol=1e-9
                )
    choose_level(window, qtbot, "often")
    assert child(window, "confidence level").currentText() == "95 %"
    for name in ("confidence", "prediction"):
        qtbot.keyClick(child(window, f"draw {name}"), Qt.Key.Key_Space)
        assert not window.plot.bands[name].isVisible()


def box_of(window, name):
    box = child(window, name)
    return box.rect().center() - box.rect().topRight() / 3


def test_profile_intervals_are_found_where_asked(window, qtbot):
    fit(window, qtbot)
    button, table = child(window, "profile intervals"), child(window, "fitted parameters")
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: table.columnCount() == 6 and "…" not in table.item(2, 4).text()[:1])
    qtbot.waitUntil(lambda: button.text() == "Profile &intervals")
    for row, ends in enumerate(direct().profile_intervals()):
        np.testing.assert_allclose(interval(window, row, 4), ends, rtol=1e-5)
    choose_level(window, qtbot, "99")
    assert table.columnCount() == 5  # they were of another level


def test_profiles_are_stopped_and_refused_in_words(window, qtbot, monkeypatch):
    def endless(result, level, watch, tell):
        while True:
            watch()
            time.sleep(0.001)

    fit(window, qtbot)
    button, said = child(window, "profile intervals"), child(window, "profile state")
    with monkeypatch.context() as patch:
        patch.setattr(param_results, "profile", endless)
        qtbot.mouseClick(button, LEFT)
        assert button.text() == "Stop prof&iles"
        qtbot.keyClick(button, Qt.Key.Key_Space)
    assert button.text() == "Profile &intervals" and said.text() == "Stopped."
    window.app.edit("fitting.loss", "huber")
    fit(window, qtbot)
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: "robust" in said.text())


# ------------------------------------------------------------------------------- correlations


def test_correlations_in_numbers_and_colours(window, qtbot):
    fit(window, qtbot)
    turn(window, "Correlations")
    table = child(window, "correlations")
    _, pcov = direct()
    found = pcov / np.sqrt(np.outer(np.diag(pcov), np.diag(pcov)))
    shown = [
        [float(table.item(i, j).text().replace("−", "-") or 1) for j in range(3)] for i in range(3)
    ]
    np.testing.assert_allclose(shown, found, atol=0.005)
    assert table.horizontalHeaderItem(0).text() == "amp"
    strong = table.item(0, 2).background().color()
    window.set_theme("dark")
    assert table.item(0, 2).background().color() != strong


def test_thirty_long_names_do_not_overlap(window):
    names = tuple(f"a_rather_long_name_of_a_parameter_which_somebody_wrote_out_in_full_{k:02d}" * 2
                  for k in range(30))  # fmt: skip
    root = np.random.default_rng(1).normal(size=(30, 40))
    window.app.result = CurveFitResult(x=np.ones(30), pcov=root @ root.T, param_names=names, dof=9)
    table = window.pages["results"].correlations
    table.refresh()
    assert [table.horizontalHeaderItem(k).text() for k in range(30)] == [
        str(k) for k in range(1, 31)
    ]
    assert table.verticalHeader().width() <= 150
    assert names[4] in table.item(4, 7).toolTip() and names[7] in table.item(4, 7).toolTip()
    metrics = table.fontMetrics()
    widest = max(metrics.horizontalAdvance(table.item(4, k).text()) for k in range(30))
    assert widest < table.columnWidth(0)
    window.app.result = None


# --------------------------------------------------------------------------- keys and copying


def test_tables_are_copied_with_all_digits(window, qtbot):
    fit(window, qtbot)
    table = child(window, "fitted parameters")
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = [line.split("\t") for line in QGuiApplication.clipboard().text().split("\n")]
    assert lines[0][:3] == ["Parameter", "Value", "± error"]
    assert [float(line[1]) for line in lines[1:]] == direct().popt.tolist()
    child(window, "statistics").setFocus()
    qtbot.keyClick(child(window, "statistics"), Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(child(window, "statistics"), Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    rows = dict(line.split("\t")[:2] for line in QGuiApplication.clipboard().text().split("\n"))
    assert float(rows["R²"]) == pytest.approx(direct().r_squared, rel=1e-12)


def test_a_figure_is_copied(window, qtbot):
    QGuiApplication.clipboard().clear()
    window.plot.setFocus()
    qtbot.keyClick(window.plot, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().image().width() > 100


def test_tab_goes_through_every_part(window, qtbot):
    fit(window, qtbot)
    window.activateWindow()
    page = window.pages["results"]
    for at in range(page.parts.count()):
        page.parts.setCurrentIndex(at)
        page.parts.tabBar().setFocus()
        seen = set()
        for _ in range(40):
            qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
            seen.add(QApplication.focusWidget())
            if window.sidebar in seen:
                break
        assert window.sidebar in seen, page.parts.tabText(at)


def test_each_statistic_is_explained(window, qtbot):
    fit(window, qtbot)
    table = child(window, "statistics")
    for row in range(table.rowCount()):
        meaning = table.item(row, 1).toolTip()
        assert meaning.endswith(".") and len(meaning.split()) >= 5
