"""The page 'results': what a fit found, how sure it is, and the fits before it."""

import json
import math
import re
import threading
import time

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QTabWidget
from scipy import stats

from nlsq import curve_fit, models
from nlsq.core.loop.status import Status
from nlsq.gui_qt.adapters.config_adapter import read_session, write_session
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.autosave import AutosaveManager
from nlsq.gui_qt.pages import results
from nlsq.gui_qt.session_state import SessionState
from nlsq.gui_qt.widgets import param_results
from nlsq.result import CurveFitResult
from nlsq.session import examining, remembering
from nlsq.session.showing import ending
from nlsq.utils.input_error import InputError
from tests.gui_window import child, fit

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
def window(window, data):
    window.app.put("data", {"input_file": str(data), "columns": {"x": 0, "y": 1}})
    window.app.put("model", {"name": "gaussian"})
    return window


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
    fit(window)
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
    fit(window)
    box, plot = child(window, "draw standardised"), window.residuals
    assert not box.isEnabled() and plot.plotItem.getAxis("left").labelText == "residual of the fit"
    window.app.edit("data.columns", WITH_SIGMA)
    window.app.edit("fitting.absolute_sigma", True)
    fit(window)
    plain = Y - direct(SIGMA).predictions
    shown = plot.points.getOriginalDataset()[1]
    np.testing.assert_allclose(shown, plain / SIGMA, rtol=1e-6, atol=1e-9)
    assert plot.plotItem.getAxis("left").labelText == "residual / σ"
    qtbot.mouseClick(box, LEFT, pos=box_of(window, "draw standardised"))
    np.testing.assert_allclose(plot.points.getOriginalDataset()[1], plain, rtol=1e-6, atol=1e-9)


def test_residuals_are_of_what_moved_last(window, qtbot):
    fit(window)
    axis = window.residuals.plotItem.getAxis("left")
    window.app.start_changed.emit()  # as a late guess of a model's file does
    assert axis.labelText == "residual of the fit"
    window.app.edit("fitting.p0", {"mu": 5.0})
    assert axis.labelText == "residual of the start"
    window.app.history.undo()
    assert axis.labelText == "residual of the fit"
    found = window.residuals.points.getOriginalDataset()[1]
    np.testing.assert_allclose(found, Y - direct().predictions, atol=1e-9)


# ------------------------------------------------------------------------------------- health


def test_the_health_report_says_what_the_library_says(window, qtbot):
    fit(window)
    turn(window, "Health")
    said = examined(window, qtbot)
    report = direct().diagnose()
    assert report.status.capitalize() in said and all(one.fact in said for one in report.findings)


def test_fits_are_examined_one_after_the_other(window, qtbot, monkeypatch):
    began, go = [], threading.Event()

    def slowly(result):
        began.append(result)
        go.wait(10)
        return examining.examine(result)

    monkeypatch.setattr(results.apart, "examine", slowly)
    for name in ("gaussian", "lorentzian", "linear"):
        window.app.edit("model", {"name": name})
        fit(window)
        qtbot.waitUntil(lambda: bool(began))
    assert len(began) == 1
    go.set()
    assert examined(window, qtbot) and began[1:] == [window.app.result]


@pytest.mark.parametrize("fault", [InputError("It has no end.", "Cut it."), ValueError("a defect")])
def test_an_examination_that_fails_is_said(window, qtbot, monkeypatch, fault):
    def failing(result):
        raise fault

    monkeypatch.setattr(results.apart, "examine", failing)
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    fit(window)
    said = window.pages["results"].health
    qtbot.waitUntil(lambda: said.toPlainText().startswith("⚠"))
    words = "⚠ It has no end. Cut it." if "end" in str(fault) else "⚠ It cannot be examined"
    assert said.toPlainText().startswith(words)


def test_alarms_are_said_with_what_to_do(window, qtbot):
    window.app.edit("model", {"formula": "a*b*t + c"})
    fit(window)
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
    fit(window)
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
    fit(window)
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

    fit(window)
    button, said = child(window, "profile intervals"), child(window, "profile state")
    with monkeypatch.context() as patch:
        patch.setattr(param_results, "profile", endless)
        qtbot.mouseClick(button, LEFT)
        assert button.text() == "Stop prof&iles"
        qtbot.keyClick(button, Qt.Key.Key_Space)
    assert button.text() == "Profile &intervals" and said.text() == "Stopped."
    window.app.edit("fitting.loss", "huber")
    fit(window)
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: "robust" in said.text())


# ------------------------------------------------------------------------------- correlations


def test_correlations_in_numbers_and_colours(window, qtbot):
    fit(window)
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
    fit(window)
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
    child(window, "correlations").copy()
    lines = [line.split("\t") for line in QGuiApplication.clipboard().text().split("\n")]
    assert (
        lines[0] == ["", "amp", "mu", "sigma"] and [line[0] for line in lines[1:]] == lines[0][1:]
    )
    assert float(lines[3][1]) == pytest.approx(direct().correlation[2, 0], rel=1e-9)


def test_a_figure_is_copied(window, qtbot):
    QGuiApplication.clipboard().clear()
    window.plot.setFocus()
    qtbot.keyClick(window.plot, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().image().width() > 100


def test_tab_goes_through_every_part(window, qtbot):
    fit(window)
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
    fit(window)
    table = child(window, "statistics")
    for row in range(table.rowCount()):
        meaning = table.item(row, 1).toolTip()
        assert meaning.endswith(".") and len(meaning.split()) >= 5
    assert "no errors" in table.item(1, 1).toolTip()  # where χ² / dof is not about 1
    window.app.edit("data.columns.sigma", 2)
    fit(window)
    assert "About 1" in table.item(1, 1).toolTip()


# ----------------------------------------------------------------------------------- history

LORENTZIAN = models.get("lorentzian")


def two_fits(window, qtbot):
    """A gaussian, then a lorentzian; the table of the fits."""
    fit(window)
    window.app.edit("model", {"name": "lorentzian"})
    fit(window)
    turn(window, "History")
    return child(window, "fits of the session")


def press_cell(qtbot, table, row, column):
    at = table.visualItemRect(table.item(row, column)).center()
    qtbot.mouseClick(table.viewport(), LEFT, pos=at)


def shown(window):
    table = child(window, "fitted parameters")
    return [float(table.item(row, 1).toolTip()) for row in range(table.rowCount())]


def test_fits_are_compared(window, qtbot):
    table = two_fits(window, qtbot)
    texts = [[table.item(row, column).text() for column in range(7)] for row in range(2)]
    assert [row[1] for row in texts] == ["gaussian", "lorentzian"]
    found = [direct(), direct(model=LORENTZIAN)]
    for row, one in zip(texts, found, strict=True):
        rss, n, k = float(((Y - one.predictions) ** 2).sum()), 120, 4  # and the noise
        aicc = n * math.log(rss / n) + 2 * 3 + 2 * k * (k + 1) / (n - k - 1)
        bic = n * math.log(rss / n) + 3 * math.log(n)
        assert row[2] == "120" and float(row[3]) == pytest.approx(rss / 117, rel=1e-4)
        assert (float(row[4]), float(row[5])) == pytest.approx((aicc, bic), abs=0.006)
    delta = found[1].aicc - found[0].aicc
    assert texts[0][6] == "0.00" and float(texts[1][6]) == pytest.approx(delta, abs=0.01)
    assert table.item(1, 1).font().bold() and not table.item(0, 1).font().bold()
    fit(window)
    assert table.rowCount() == 2  # the same settings


def test_how_a_fit_ended_is_said_in_plain_words():
    for code in Status:
        ended = {"success": code.converged, "message": code.sentence}
        said = ending({"convergence": ended})
        assert said.startswith("Converged" if code > 0 else "Not converged")
        assert "`" not in said and (code > 0) == bool(re.search(r"\([fgx, tol]+\)\.$", said))


def test_a_click_restores_a_fit_and_undo_takes_it_back(window, qtbot):
    table, app = two_fits(window, qtbot), window.app
    content, page = json.dumps(app.state.content), window.pages["results"]
    press_cell(qtbot, table, 0, 1)
    assert app.state.content["model"] == {"name": "gaussian"} and app.state.page == "results"
    assert shown(window) == direct().popt.tolist() and table.item(0, 1).font().bold()
    assert page.verdict.text().startswith("Converged")
    app.history.undo()
    assert json.dumps(app.state.content) == content
    assert shown(window) == direct(model=LORENTZIAN).popt.tolist()
    table.setFocus()
    table.setCurrentCell(0, 2)
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert shown(window) == direct().popt.tolist()
    window.navigate_to("model")
    app.history.undo()
    assert app.state.page == "model"  # a result that comes back turns no page


def test_a_result_does_not_come_back_for_other_data(window, qtbot, data):
    table, app = two_fits(window, qtbot), window.app
    text = data.read_text().splitlines()
    data.write_text("\n".join(text[:-20]))  # meanwhile
    app.edit("data.where", "t >= 0")
    app.edit("data.where", None)
    press_cell(qtbot, table, 0, 1)
    assert app.state.content["model"] == {"name": "gaussian"}
    assert app.points.y.size == 100 and app.result is None


def test_curves_of_fits_are_drawn_beside_each_other(window, qtbot):
    table = two_fits(window, qtbot)
    table.setFocus()
    for row in (0, 1):
        table.setCurrentCell(row, 3)
        qtbot.keyClick(table, Qt.Key.Key_Space)
    for curve, model in zip(window.plot.others, (GAUSSIAN, LORENTZIAN), strict=True):
        x, y = curve.getOriginalDataset()
        np.testing.assert_allclose(y, model(x, *direct(model=model).popt), atol=1e-6)
    assert window.plot.legend.isVisible()
    box = table.visualItemRect(table.item(1, 0))
    qtbot.mouseClick(
        table.viewport(), LEFT, pos=box.center() - (box.topRight() - box.topLeft()) * 0.38
    )
    assert len(window.plot.others) == 1
    assert [one["shown"] for one in window.app.state.fits] == [True, False]
    qtbot.keyClick(table, Qt.Key.Key_Space)
    window.app.open("/nowhere.csv")
    assert not window.plot.others  # which are of other data
    window.app.history.undo()
    assert window.plot.others


def test_a_fit_is_forgotten_and_comes_back(window, qtbot):
    table, app = two_fits(window, qtbot), window.app
    table.setFocus()
    table.setCurrentCell(0, 1)
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert [one["model"] for one in app.state.fits] == ["lorentzian"]
    window.app.edit("model", {"name": "linear"})
    fit(window)
    app.history.undo()
    app.history.undo()
    assert [one["model"] for one in app.state.fits] == ["gaussian", "lorentzian", "linear"]


def test_fits_are_kept_in_files(window, qtbot, data, tmp_path):
    two_fits(window, qtbot)
    state = window.app.state
    window.app.view(level=0.9, draws=["prediction"])
    assert SessionState.from_json(state.to_json()) == state
    state.fits[0]["content"]["model"] = {
        "path": str(tmp_path / "m.py"),
        "function": "f",
        "trusted": True,
    }
    write_session(tmp_path / "mine.nlsq", state)
    there = tmp_path / "there"
    there.mkdir()
    for name in ("mine.nlsq", "peak.csv"):
        (tmp_path / name).rename(there / name)
    later = read_session(there / "mine.nlsq")
    assert "trusted" not in later.fits[0]["content"]["model"]
    assert later.fits[1]["content"]["data"]["input_file"] == str(there / "peak.csv")
    app = AppState()
    app.take(later)
    app.edit("", remembering.restored(app.state.content, app.state.fits[1]))
    assert app.points.y.size == 120 and app.result is None  # a fit is made again, never read
    assert (app.state.level, app.state.draws) == (0.9, ["prediction"])
    app.history.undo()
    app.history.undo()
    assert app.state.content == {} and app.state.fits == []
    app.history.redo()
    assert len(app.state.fits) == 2


def test_a_fit_alone_is_saved_for_a_crash(window, qtbot, tmp_path):
    manager = AutosaveManager(window.app, window, tmp_path / "kept", 0.02)
    manager.start()
    fit(window)
    qtbot.waitUntil(lambda: any(
        SessionState.from_json(one.read_text()).fits == window.app.state.fits
        for one in (tmp_path / "kept").glob("*.json")
    ))  # fmt: skip
    manager.stop()


def test_a_session_of_the_version_before_opens(data, tmp_path):
    content = {"data": {"input_file": "peak.csv"}, "model": {"name": "gaussian"}}
    old = {"nlsq session": 1, "content": content, "page": "model", "theme": "dark"}
    (tmp_path / "old.nlsq").write_text(json.dumps(old))
    state = read_session(tmp_path / "old.nlsq")
    assert (state.page, state.theme, state.fits, state.level) == ("model", "dark", [], 0.95)
    assert AppState(state).model.names == ("amp", "mu", "sigma")


def a_fit(**other):
    good = {"number": 1, "content": {"model": {"name": "linear"}}, "model": "linear",
            "converged": True, "n_points": 9, "statistics": {"aicc": "inf"}, "shown": False,
            "parameters": {"slope": 1.0}, "curve": {"x": "0 1", "y": "1 inf"}}  # fmt: skip
    return good | other


BAD_FITS = [
    3, [4], [{}], [a_fit(number="1")], [a_fit(curve={"x": "1", "y": ""})], [a_fit(shown=None)],
    [a_fit(content={"model": 3})], [a_fit(statistics={"aicc": "low"})],
    [a_fit(curve={"x": "a", "y": "0"})],
]  # fmt: skip


@pytest.mark.parametrize("fits", BAD_FITS, ids=range(len(BAD_FITS)))
def test_damaged_fits_are_refused(tmp_path, fits):
    text = json.dumps({"nlsq session": 2, "content": {}, "fits": [a_fit()]})
    assert len(SessionState.from_json(text).fits) == 1
    (tmp_path / "bad.nlsq").write_text(json.dumps({"nlsq session": 2, "content": {}, "fits": fits}))
    with pytest.raises(InputError, match="damaged"):
        read_session(tmp_path / "bad.nlsq")


def test_differences_are_among_fits_to_the_same_data():
    linear, huber = {"fitting": {}}, {"fitting": {"loss": "huber"}}
    fits = [
        a_fit(statistics={"aicc": aicc}, content=content, converged=ended)
        for aicc, content, ended in (
            (5.0, linear, True), (2.0, linear, True), (1.0, linear, False), (9.0, huber, True),
            ("-inf", {"data": {"input_file": "b"}}, True), ("nan", linear, True),
        )
    ]  # fmt: skip
    found = remembering.differences(fits)
    assert found[:5] == [3.0, 0.0, -1.0, 0.0, 0.0] and math.isnan(found[5])


def test_no_more_is_held_than_memory_should_take(monkeypatch):
    monkeypatch.setattr(remembering, "_HELD", 3 * 9 * (4 + 2))
    results, points = remembering.Results(), remembering.Points(X[:9], Y[:9], None, ["t"], "V")
    for k in range(5):
        results.hold({"model": {"formula": str(k)}}, points, ({"popt": [1, 2]}, k))
    held = [results.of({"model": {"formula": str(k)}}, points) for k in range(5)]
    assert held[:2] == [None, None] and [one[1] for one in held[2:]] == [2, 3, 4]


@pytest.mark.parametrize("model", [GAUSSIAN, "a*exp(-b*x) + c"], ids=["of ours", "a formula"])
def test_a_result_that_travelled_has_exact_derivatives(model):
    p0 = GAUSSIAN.guess(X, Y) if model is GAUSSIAN else None
    found = CurveFitResult.from_json(curve_fit(model, X, Y, p0).to_json())
    a, b, c = p = np.array([2.0, 1.5, 0.3])
    z = (X - b) / c
    e = np.exp(-0.5 * z**2)
    exact = np.column_stack([e, a * e * z / c, a * e * z**2 / c])
    if model is not GAUSSIAN:
        e = np.exp(-b * X)
        exact = np.column_stack([e, -a * X * e, 1 + 0 * X])
    J = examining.by_engine(found).model.jacobian(X, p)
    np.testing.assert_allclose(J, exact, rtol=1e-13, atol=1e-14)
    assert found.model is not examining.by_engine(found).model


def test_a_model_that_ran_apart_has_no_profiles():
    apart = CurveFitResult.from_json(curve_fit(lambda x, a: a * x, X, Y).to_json())
    with pytest.raises(InputError, match="in a process of its own"):
        examining.profile(apart, 0.95, None, None)
