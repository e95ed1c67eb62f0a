"""The table of the window's controls: what a person does with each, and what must follow.

A NEW CONTROL NEEDS A ROW in `ROWS`: its objectName (or a family, "slider *"), the place where it is
seen (`PLACES`), what a person does with mouse or keys, and what must follow, told from outside: an
entry of the settings, SciPy, NumPy, a file. Without a row the suite fails and says what to add.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMenu
from scipy import stats
from scipy.optimize import curve_fit as scipys

from nlsq import models
from nlsq.gui_qt.adapters.config_adapter import write_session
from nlsq.gui_qt.adapters.fit_adapter import Worker
from nlsq.gui_qt.autosave import AutosaveManager
from nlsq.gui_qt.session_state import SessionState
from tests.gui_hand import LEFT, Hand

CTRL = Qt.KeyboardModifier.ControlModifier
KEY = Qt.Key
GAUSSIAN = models.get("gaussian")
CODE = "def half(x, a):\n    return a * x / 2\n\n\ndef line(x, a, b):\n    return a * x + b\n"


# ------------------------------------------------------------------------- where controls are seen


def _page(name, *steps):
    def go(hand):
        hand.window.navigate_to(name)
        for step in steps:
            step(hand)

    return go


def _tab(number):
    return lambda hand: hand["model kinds"].setCurrentIndex(number)


def _part(number):
    return lambda hand: hand.window.pages["results"].parts.setCurrentIndex(number)


def _unfolded(hand):
    hand.window.pages["fitting"].more.setChecked(True)


def _reading(hand):
    hand.window.pages["data"].opener.setChecked(True)


def _book(hand):
    """A file with two tables: sheets of a workbook."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for name in ("one", "two"):
        sheet = book.create_sheet(name)
        for i in range(3):
            sheet.append([i, i * len(name)])
    book.save(hand.folder / "book.xlsx")
    hand.app.put("data", {"input_file": str(hand.folder / "book.xlsx")})


def _groups(hand):
    h5py = pytest.importorskip("h5py")
    with h5py.File(hand.folder / "runs.h5", "w") as file:
        for run in ("a", "b"):
            file[f"{run}/t"], file[f"{run}/v"] = np.arange(3.0), np.arange(3.0)
    hand.app.put("data", {"input_file": str(hand.folder / "runs.h5")})


def _set(**entries):
    def go(hand):
        for key, value in entries.items():
            hand.app.put(f"fitting.{key}", value)

    return go


def _grouped(hand):
    """The rows are fitted by groups, of which there is one; the result of all rows stays."""
    app = hand.app
    before = app.document, app.result
    app.put("data.columns.group", app.table.names[-1])
    if app.groups is None:
        app.fit()
        hand.qtbot.waitUntil(lambda: not app.running, timeout=10_000)
    if before[1] is not None:
        app._take(*before)
    hand.window.navigate_to("fitting")


def _crashed(hand):
    """A session that a crash left is offered."""
    kept = hand.folder / "kept"
    kept.mkdir(exist_ok=True)
    (kept / "1-ab.json").write_text(SessionState({"model": {"name": "linear"}}).to_json())
    manager = AutosaveManager(hand.app, hand.window, kept)
    hand.window.session.keep(manager)
    hand.closing.append(manager.stop)


PLACES: dict[str, Callable[[Hand], None]] = {
    "data": _page("data"),
    "data, reading": _page("data", _reading),
    "data, sheets": _page("data", _reading, _book),
    "data, groups": _page("data", _reading, _groups),
    "model": _page("model", _tab(0)),
    "model, code": _page("model", _tab(1)),
    "fitting": _page("fitting"),
    "fitting, advanced": _page("fitting", _set(loss="huber"), _unfolded),
    "fitting, groups": _page("fitting", _grouped),
    "fitting, search": _page("fitting", _set(preset="fast"), _unfolded),
    "results": _page("results", _part(0)),
    "results, health": _page("results", _part(1)),
    "results, residuals": _page("results", _part(2)),
    "results, correlations": _page("results", _part(3)),
    "results, history": _page("results", _part(4)),
    "export": _page("export"),
    "crashed": _page("data", _crashed),
    "failed": _page("data", lambda hand: hand.window.session._say_failure("The disk is full.")),
}


# --------------------------------------------------------------------- what a person does


def clicks(hand):
    hand.click()


def writes(text, end=KEY.Key_Return):
    return lambda hand: hand.write(text.format(folder=hand.folder), end=end)


def picks(text):
    return lambda hand: hand.pick(text)


def presses(*keys, held=Qt.KeyboardModifier.NoModifier):
    return lambda hand: hand.key(*keys, held=held)


def first(*steps):
    """Several things, one after the other."""
    return lambda hand: [step(hand) for step in steps]


def answers(file):
    """The dialog for a file that opens next is answered."""

    def prepare(hand):
        for which in ("getOpenFileName", "getSaveFileName"):
            hand.patch.setattr(QFileDialog, which, lambda *_: (str(hand.folder / file), ""))

    return prepare


def edited(hand):
    hand.app.edit("fitting.loss", "cauchy")


# ----------------------------------------------------------------------------- what must follow


def entry(key, value):
    """An entry of the settings."""
    return lambda hand: hand.app.state.get(key) == value


def column(role, expected):
    """The numbers of a column, from those that the file was written with."""
    return lambda hand: np.allclose(getattr(hand.app.points, role), expected(*hand.arrays))


def other_file(hand):
    return hand.app.table.names == ["u", "w"] and hand.app.points.y.tolist() == [2.0, 4.0, 8.0]


def copied(pattern):
    return lambda hand: re.search(pattern, QGuiApplication.clipboard().text(), re.DOTALL)


def moved(hand):
    """The mouse moved what a plot shows."""
    return not np.allclose(hand.find().viewRange(), hand.before)


def fitted(hand):
    x, y, _ = hand.arrays
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=10_000)
    expected, _ = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    return np.allclose(hand.app.result.popt, expected, rtol=1e-6)


def group_seen(hand):
    return hand.app.state.get("data.only") == "0.05" and fitted(hand)


def trend_of(name):
    """The trend has the parameter of a fit by itself."""

    def drawn(hand):
        spot = hand.window.pages["fitting"].many.trend.points.points()[0]
        return spot.pos().y() == pytest.approx(hand.popt[GAUSSIAN.names.index(name)], rel=1e-8)

    return drawn


def copies(hand):
    hand.key(KEY.Key_C, name=hand.find().objectName().split(": ")[1], held=CTRL)


def on_first_fit(hand):
    """After another model was chosen."""
    hand.app.edit("model", {"name": "linear"})
    hand["fits of the session"].setCurrentCell(0, 1)
    hand.click()


def forget_only_fit(hand):
    del hand.app.state.fits[:-1]
    hand.app.fits_changed.emit()
    on_first_fit(hand)


def click_first_fit(hand):
    hand.app.edit("model", {"name": "linear"})
    table = hand.find()
    at = table.visualItemRect(table.item(0, 1)).center()
    hand.qtbot.mouseClick(table.viewport(), LEFT, pos=at)


def draw_first_fit(hand):
    hand.window.app.state.fits[0]["shown"] = False
    on_first_fit(hand)


def standardise(hand):
    hand.app.put("data.columns.sigma", "e")
    hand.app.fit()
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=10_000)
    hand.app.view(draws=[])
    hand.window.navigate_to("results")
    hand.click()


def standardised(hand):
    x, y, sigma = hand.arrays
    popt, _ = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    z = (y - GAUSSIAN.function(x, *popt)) / sigma
    z = z / np.sqrt((z**2).sum() / 57)
    return np.allclose(hand.window.residuals.points.getOriginalDataset()[1], z, atol=1e-4)


def intervals_read(hand):
    """Those of 99 %, by SciPy."""
    x, y, _ = hand.arrays
    popt, pcov = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    half = stats.t.ppf(0.995, 57) * np.sqrt(np.diag(pcov))
    table = hand["fitted parameters"]
    shown = [table.item(row, 3).toolTip().split(" … ") for row in range(3)]
    return np.allclose(np.array(shown, float).T, [popt - half, popt + half], rtol=1e-4)


def profiles_read(hand):
    """Near the plain ones: the model is hardly bent here."""
    table = hand["fitted parameters"]
    hand.qtbot.waitUntil(
        lambda: table.columnCount() == 6 and not hand.find().text().startswith("Stop")
    )
    ends = [[table.item(row, k).toolTip().split(" … ") for row in range(3)] for k in (3, 4)]
    plain, profiled = np.array(ends, float)
    return np.allclose(plain, profiled, rtol=0.01)


def correlation_reads(hand):
    x, y, _ = hand.arrays
    _, pcov = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    found = pcov[2, 0] / np.sqrt(pcov[2, 2] * pcov[0, 0])
    return abs(float(hand.find().item(2, 0).text().replace("−", "-")) - found) < 0.006


def residual_share(hand):
    """The second statistic: chi-square over the degrees of freedom."""
    x, y, _ = hand.arrays
    popt, _ = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    found = ((y - GAUSSIAN.function(x, *popt)) ** 2).sum() / 57
    return float(hand.find().currentItem().text()) == pytest.approx(found, rel=1e-4)


def healthy_first(hand):
    hand.qtbot.waitUntil(lambda: hand.find().spread.found.size == 60)


def healthy(hand):
    hand.qtbot.waitUntil(lambda: hand.find().toPlainText().startswith("Healthy"))
    return True


def stopped(hand):
    """It was asked to stop, and did; how is tests/test_gui_fitting.py's."""
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=20_000)
    return hand.stops == 1


# ------------------------------------------------------------------- what takes several steps


def see(hand, view):
    """What a plot shows, before it is moved."""
    hand.before = np.array(view.viewRange())


def pan(hand):
    view = hand.find()
    see(hand, view)
    (left, right), (low, high) = hand.before
    middle, level = (left + right) / 2, low + 0.9 * (high - low)
    hand.drag(view, (middle, level), (middle + (right - left) / 5, level))


def drag_peak(hand):
    start = hand.find().pos()
    hand.drag(hand.window.plot, (start.x(), start.y()), (5.0, 2.0))


def peak_follows(hand):
    return np.allclose(list(hand.app.start.p0)[:2], (2.0, 5.0), atol=0.05)


def add_peak(hand):
    hand.app.put("fitting.p0", None)
    hand.app.put("model", None)
    hand.click()
    plot = hand.window.plot
    at = plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(4.0, 3.0)))
    hand.qtbot.mouseClick(plot.viewport(), LEFT, pos=at)


def take_model(hand):
    names = hand.find()
    item = next(names.item(i) for i in range(names.count()) if "(linear)" in names.item(i).text())
    names.scrollToItem(item)
    hand.qtbot.mouseClick(names.viewport(), LEFT, pos=names.visualItemRect(item).center())


def take_tab(hand):
    bar = hand.find().tabBar()
    hand.qtbot.mouseClick(bar, LEFT, pos=bar.tabRect(1).center())


def write_code(hand):
    editor = hand.find()
    editor.setFocus()
    editor.selectAll()
    hand.qtbot.keyClicks(editor, "def f(x, a):")
    hand.qtbot.keyClick(editor, KEY.Key_Return)
    hand.qtbot.keyClicks(editor, "return a * x")
    editor.check()


def with_code(hand):
    hand["model code"].setPlainText(CODE)
    hand["model code"].check()


def fit_again(hand):
    hand.app.fit()
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=10_000)
    hand.window.navigate_to("fitting")


def ends_at_the_cost(hand):
    x, y, _ = hand.arrays
    r, rows = y - GAUSSIAN(x, *hand.popt), hand.find().model()
    last = rows.index(rows.rowCount() - 1, 1)
    return hand.find().currentIndex().row() >= 0 and float(last.data()) == pytest.approx(r @ r / 2)


def start_fit(hand):
    stop, hand.stops = Worker.stop, 0

    def told(worker):
        hand.stops += 1
        stop(worker)

    hand.patch.setattr(Worker, "stop", told)
    hand.app.fit()


def second_page(hand):
    view = hand.find()
    hand.qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualItemRect(view.item(1)).center())


def second_row(hand):
    view = hand.find()
    place = view.visualRect(view.model().index(1, 0)).center()
    hand.qtbot.mouseClick(view.viewport(), LEFT, pos=place)


def see_scale(hand):
    hand.before = hand.find().scale.high


def row_reads(hand):
    """The cell below the first, as the file has it."""
    view = hand.find()
    place = view.currentIndex()
    text = (hand.folder / "peak.csv").read_text().splitlines()[2].split(",")[0]
    return (place.row(), place.column()) == (1, 0) and float(place.data()) == pytest.approx(
        float(text)
    )


def value_reads(hand):
    item = hand.find().currentItem()
    return item.row() == 1 and float(item.toolTip()) == hand.app.result.popt[1]


def saved_session(hand):
    saved = json.loads((hand.folder / "mine.nlsq").read_text())
    return saved["content"]["model"] == {"name": "gaussian"}


def recent(hand):
    write_session(hand.folder / "old.nlsq", SessionState({"model": {"name": "linear"}}))
    hand.window.preferences.remember("sessions", str(hand.folder / "old.nlsq"))
    hand.window.preferences.remember("data", str(hand.folder / "other.csv"))
    for menu in hand.window.session.findChildren(QMenu):
        menu.aboutToShow.emit()  # as it opens


def put_table(hand):
    QGuiApplication.clipboard().setText((hand.folder / "other.csv").read_text())


def leave_out(hand):
    """Click the fourth point."""
    hand.click()
    x, y, _ = hand.arrays
    plot = hand.window.plot
    at = plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(x[3], y[3])))
    hand.qtbot.mouseClick(plot.viewport(), LEFT, pos=at)


def left_out(hand):
    hand.qtbot.waitUntil(lambda: hand.app.points.y.size == 59, timeout=2000)
    return np.array_equal(hand.app.points.x, np.delete(hand.arrays[0], 3))


def drag_edge(hand):
    hand.click()
    hand.drag(hand.window.plot, (0.0, 2.0), (3.0, 2.0))


def reads(key, value):
    """How the file is read, and that it still is."""
    return lambda hand: entry(f"data.{key}", value)(hand) and hand.app.points is not None


class Row(NamedTuple):
    """A control: where it is seen, what is done to it, and what must follow."""

    place: str
    act: Callable[[Hand], Any]
    then: Callable[[Hand], Any]


def option(text, value, place="fitting, advanced"):
    """A field of the advanced options, by its row's name."""
    return Row(place, writes(text), lambda hand: entry(hand.name.replace(" ", "."), value)(hand))


ROWS = {
    # the window
    "pages": Row("data", second_page, lambda h: h.app.state.page == "model"),
    "Data and fit": Row("data", pan, moved),
    "Residuals": Row("data", pan, moved),
    "handle *": Row("model", drag_peak, peak_follows),
    # the page 'data'
    "data file": Row("data", writes("{folder}/other.csv"), other_file),
    "open file": Row("data", first(answers("other.csv"), clicks), other_file),
    "column x": Row("data", writes("log(t + 1)"), column("x", lambda t, v, e: np.log(t + 1))),
    "column y": Row("data", writes("2*V"), column("y", lambda t, v, e: 2 * v)),
    "column sigma": Row("data", picks("e"), column("sigma", lambda t, v, e: e)),
    "data table": Row("data", first(second_row, presses(KEY.Key_Up, KEY.Key_Down)), row_reads),
    "column group": Row("data", picks("e"), lambda h: len(h.app.group_names) == 1),
    "where": Row("data", writes("t > 5"), lambda h: h.app.points.x.min() > 5),
    "rows": Row("data", writes("0:10"), lambda h: h.app.points.y.size == 10),
    "exclude": Row("data", writes("3,7-9"), lambda h: h.app.points.y.size == 56),
    "x range": Row("data", writes("2,5:"), entry("data.x_range", [2.5, None])),
    "how it is read": Row("data", clicks, lambda h: h["format"].isVisible()),
    "format": Row("data, reading", picks("csv"), reads("format", "csv")),
    "delimiter": Row("data, reading", picks("comma"), reads("csv.delimiter", ",")),
    "decimal": Row("data, reading", picks("point"), reads("csv.decimal", ".")),
    "header": Row("data, reading", picks("yes"), reads("csv.header", True)),
    "encoding": Row("data, reading", picks("utf-8"), reads("csv.encoding", "utf-8")),
    "comment": Row("data, reading", picks("#"), reads("csv.comment", "#")),
    "skip": Row("data, reading", writes("4"), lambda h: h.app.points.y.size == 57),
    "sheet": Row(
        "data, sheets", picks("two"), lambda h: h.app.points.y.tolist() == [0.0, 3.0, 6.0]),
    "group": Row("data, groups", picks("b"), reads("group", "b")),
    "fit a range": Row(
        "data", drag_edge,
        lambda h: h.app.state.get("data.x_range")[0] == pytest.approx(3, abs=0.05)),
    "mask points": Row("data", leave_out, left_out),
    "use all points": Row(
        "data", first(lambda h: h.app.put("data.x_range", [2.0, 3.0]), clicks),
        entry("data.x_range", None)),
    # the page 'model'
    "model kinds": Row("model", take_tab, lambda h: h["model code"].isVisible()),
    "search models": Row(
        "model", writes("kinetics", end=None),
        lambda h: 12 < h["models"].count() < 20 and not h["models"].findItems(
            "(gaussian)", Qt.MatchFlag.MatchContains),
    ),
    "models": Row("model", take_model, entry("model", {"name": "linear"})),
    "about the model": Row(
        "model", first(presses(KEY.Key_A, held=CTRL), presses(KEY.Key_C, held=CTRL)),
        copied(GAUSSIAN.parameters[0].meaning),
    ),
    "model text": Row("model", writes("a*t + b"), entry("model", {"formula": "a*t + b"})),
    "parameters": Row("model", lambda h: h.cell(1, 1, "1e-12"), entry("fitting.p0.mu", 1e-12)),
    "slider *": Row(
        "model", first(see_scale, presses(KEY.Key_End)),
        lambda h: h.app.start.p0[0] == pytest.approx(h.before),
    ),
    "guess start": Row(
        "model", first(_set(p0={"mu": 9.0}), clicks), entry("fitting.p0", None)),
    "take fit as start": Row(
        "model", clicks, lambda h: list(h.app.state.get("fitting.p0").values()) == h.popt),
    "add peaks": Row(
        "model", add_peak,
        lambda h: h.app.state.get("fitting.p0.mu") == pytest.approx(4.0, abs=0.05)),
    "peak to add": Row(
        "model", picks("lorentzian"), lambda h: h.find().currentText() == "lorentzian"),
    "model code": Row(
        "model, code", write_code,
        lambda h: h.find().toPlainText() == "def f(x, a):\n    return a * x"),
    "model function": Row(
        "model, code", first(with_code, picks("line")),
        lambda h: h.find().currentText() == "line"),
    "open code": Row(
        "model, code", first(answers("code.py"), clicks),
        lambda h: h["model code"].toPlainText() == CODE),
    "use code": Row(
        "model, code", first(with_code, lambda h: h.pick("half", "model function"), clicks),
        lambda h: h.app.model.names == ("a",)),
    # the page 'fitting'
    "fitting method": Row("fitting", picks("dogbox"), entry("fitting.method", "dogbox")),
    "fitting preset": Row("fitting", picks("robust"), entry("fitting.preset", "robust")),
    "fitting loss": Row("fitting", picks("soft_l1"), entry("fitting.loss", "soft_l1")),
    "fitting nan_policy": Row("fitting", picks("omit"), entry("fitting.nan_policy", "omit")),
    "fitting only": Row("fitting, groups", picks("0.05"), entry("data.only", "0.05")),
    "group fits": Row("fitting, groups", presses(KEY.Key_Home, KEY.Key_Return), group_seen),
    "trend parameter": Row("fitting, groups", picks("mu"), trend_of("mu")),
    "Trend of a parameter over the groups": Row("fitting, groups", pan, moved),
    "copy groups": Row("fitting, groups", clicks, copied("\tamp\tamp_err\tmu\tmu_err\t")),
    "copy groups command": Row("fitting, groups", clicks, copied(r"^nlsq batch .*--table")),
    "write groups": Row(
        "fitting, groups", first(answers("t.csv"), clicks),
        lambda h: "amp,amp_err" in (h.folder / "t.csv").read_text()),
    "absolute sigma": Row(
        "fitting", first(lambda h: h.app.put("data.columns.sigma", "e"), clicks),
        entry("fitting.absolute_sigma", True)),
    "advanced options": Row("fitting", clicks, lambda h: h["fitting ftol"].isVisible()),
    "fitting ftol": option("1e-300", 1e-300),
    "fitting xtol": option("1,5e-7", 1.5e-7),
    "fitting gtol": option("0.25", 0.25),
    "fitting max_nfev": option("50", 50),
    "fitting time_limit": option("0,5", 0.5),
    "fitting f_scale": option("1e-12", 1e-12),
    "fitting n_starts": option("12", 12, "fitting, search"),
    "fitting sampler": Row("fitting, search", picks("sobol"), entry("fitting.sampler", "sobol")),
    "fitting center_on_p0": Row(
        "fitting, search", picks("no"), entry("fitting.center_on_p0", False)),
    "fitting scale_factor": option("0.5", 0.5, "fitting, search"),
    "fitting seed": option("7", 7, "fitting, search"),
    "fit": Row("fitting", clicks, fitted),
    "stop": Row("fitting", first(start_fit, clicks), stopped),
    "iterations": Row(
        "fitting", first(fit_again, presses(KEY.Key_Down)), ends_at_the_cost),
    "Cost of each iteration": Row("fitting", pan, moved),
    # the page 'results'
    "fitted parameters": Row("results", first(second_row, presses(KEY.Key_Right)), value_reads),
    "results parts": Row("results", take_tab, lambda h: h.find().currentIndex() == 1),
    "confidence level": Row("results", writes("99"), intervals_read),
    "draw confidence": Row(
        "results", first(lambda h: h.app.view(draws=[]), clicks),
        lambda h: h.window.plot.bands["confidence"].isVisible()),
    "draw prediction": Row(
        "results", first(lambda h: h.app.view(draws=[]), clicks),
        lambda h: h.window.plot.bands["prediction"].isVisible()),
    "draw standardised": Row("results", standardise, standardised),
    "profile intervals": Row("results", clicks, profiles_read),
    "statistics": Row("results", first(second_row, presses(KEY.Key_Right)), residual_share),
    "health report": Row("results, health", presses(KEY.Key_Down), healthy),
    "Histogram of residuals": Row("results, residuals", first(healthy_first, pan), moved),
    "Normal quantiles of residuals": Row("results, residuals", first(healthy_first, pan), moved),
    "correlations": Row("results, correlations", second_row, correlation_reads),
    "fits of the session": Row(
        "results, history", click_first_fit, entry("model", {"name": "gaussian"})),
    "restore fit": Row("results, history", on_first_fit, entry("model", {"name": "gaussian"})),
    "draw fit": Row(
        "results, history", draw_first_fit, lambda h: h.window.plot.others[0].isVisible()),
    "forget fit": Row("results, history", forget_only_fit, lambda h: not h.app.state.fits),
    "copy table: fitted parameters": Row(
        "results", copies, lambda h: copied(f"^Parameter.*\t{h.popt[0]!r}\t")(h)),
    "copy table: statistics": Row("results", copies, copied("^Statistic.*\nPoints\t60\t")),
    "copy table: correlations": Row(
        "results, correlations", copies,
        copied(r"^\tamp\tmu\tsigma\namp\t1\t.*\nsigma\t-0\.\d{9}")),
    "copy table: fits of the session": Row(
        "results, history", copies, copied("^Fit\t.*\tgaussian\t60\t")),
    "copy figure: *": Row(
        "results", copies, lambda h: QGuiApplication.clipboard().image().width() > 100),
    # the page 'export'
    "export kind": Row(
        "export", lambda h: h.pick(h.find().itemText(1)),
        lambda h: h["export file"].text().startswith(str(h.folder / "peak-fit."))),
    "export file": Row(
        "export", writes("{folder}/a b.json"), lambda h: h.find().text().endswith("a b.json")),
    "choose export file": Row(
        "export", first(answers("chosen.json"), clicks),
        lambda h: h["export file"].text() == str(h.folder / "chosen.json")),
    "write": Row(
        "export", lambda h: h.export(str(h.folder / "f.json")),
        lambda h: json.loads((h.folder / "f.json").read_text())["popt"] == h.popt),
    "copy python": Row("export", clicks, copied(r"import nlsq.*curve_fit|from nlsq import")),
    "copy command": Row("export", clicks, copied(r"^nlsq fit .*peak\.csv.*gaussian")),
    "copy configuration": Row("export", clicks, copied(r"input_file: .*peak\.csv")),
    # the menus
    "open session": Row(
        "data", first(recent, answers("old.nlsq"), clicks), entry("model", {"name": "linear"})),
    "recent data *": Row("data", first(recent, clicks), other_file),
    "paste data": Row("data", first(put_table, clicks), other_file),
    "recent sessions *": Row("data", first(recent, clicks), entry("model", {"name": "linear"})),
    "reopen the last session": Row(
        "crashed", first(lambda h: (h.folder / "kept" / "last.json").write_text(
            SessionState({"model": {"name": "quadratic"}}).to_json()),
            lambda h: h.window.session.keep(h.window.session._autosave), clicks),
        entry("model", {"name": "quadratic"})),
    "save session": Row("data", first(answers("mine"), clicks), saved_session),
    "save session as": Row("data", first(answers("mine"), clicks), saved_session),
    "save as configuration file": Row(
        "data", first(answers("a.yaml"), clicks),
        lambda h: "name: gaussian" in (h.folder / "a.yaml").read_text()),
    "quit": Row("data", clicks, lambda h: not h.window.isVisible()),
    "undo": Row("data", first(edited, clicks), entry("fitting.loss", None)),
    "redo": Row(
        "data", first(edited, lambda h: h.app.history.undo(), clicks),
        entry("fitting.loss", "cauchy")),
    "show all": Row(
        "data", first(lambda h: h.window.plot.setXRange(100, 200), clicks),
        lambda h: h.window.plot.viewRange()[0][0] < 0 < 10 < h.window.plot.viewRange()[0][1] < 12),
    "colours system": Row("data", clicks, lambda h: h.app.state.theme == "system"),
    "colours light": Row("data", clicks, lambda h: h.window.plot.theme.name == "light"),
    "colours dark": Row("data", clicks, lambda h: h.window.plot.theme.name == "dark"),
    # what is said above the pages
    "notice restore it": Row("crashed", clicks, entry("model", {"name": "linear"})),
    "notice forget it": Row(
        "crashed", clicks, lambda h: not list((h.folder / "kept").glob("1-*"))),
    "notice save elsewhere…": Row("failed", first(answers("mine"), clicks), saved_session),
    "notice close": Row(
        "data", first(lambda h: h.window.session.open(h.folder / "none.nlsq"), clicks),
        lambda h: h.window.notice.text == ""),
}  # fmt: skip
