"""The pages 'model' and 'fitting', by mouse and keys."""

import ast
import copy
import math
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QApplication,
    QLineEdit,
)
from scipy.optimize import curve_fit as scipys

from nlsq import curve_fit, models
from nlsq.global_optimization.config import PRESETS as SEARCHES
from nlsq.gui_qt import presets
from nlsq.gui_qt.adapters import formula_html
from nlsq.session import running, starting
from tests.gui_window import child, choose, press, write

LEFT = Qt.MouseButton.LeftButton
GAUSSIAN = models.get("gaussian")


@pytest.fixture
def peaks(tmp_path):
    """Two peaks, as a file and as arrays."""
    x = np.linspace(0, 10, 200)
    y = GAUSSIAN(x, 3.0, 3.0, 0.5) + GAUSSIAN(x, 2.0, 7.0, 0.8)
    y = y + 0.02 * np.random.default_rng(5).normal(size=x.size)
    path = tmp_path / "peaks.csv"
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header="t,V", comments="")
    return path, *np.loadtxt(path, delimiter=",", skiprows=1).T


def cell(window, qtbot, row, column, text):
    """Type into a cell of the parameters."""
    table = child(window, "parameters")
    table.setCurrentCell(row, column)
    table.editItem(table.item(row, column))
    editor = table.viewport().focusWidget()
    editor.selectAll()
    qtbot.keyClicks(editor, text)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.state() != table.State.EditingState)


def fit(window, qtbot):
    window.navigate_to("fitting")
    ended = {"timeout": 20_000, "check_params_cb": lambda on: not on}
    with qtbot.waitSignal(window.app.running_changed, **ended):
        press(window, qtbot, "fit")


# ------------------------------------------------------------------------------- the catalogue


def test_the_catalogue_is_searched_and_says_what_a_model_is(window, qtbot):
    window.navigate_to("model")
    listed, about = child(window, "models"), child(window, "about the model")
    search = child(window, "search models")
    with qtbot.waitActive(window):
        window.activateWindow()
    search.setFocus()
    qtbot.keyClicks(search, "peaks standard deviation")
    texts = [listed.item(i).text() for i in range(listed.count())]
    assert texts[0] == "Peaks" and any("(gaussian)" in text for text in texts)
    assert not any("(linear)" in text for text in texts)
    assert "standard deviation" in about.toPlainText()  # of the first that was found
    qtbot.keyClick(search, Qt.Key.Key_Down)
    assert listed.hasFocus()
    while "(gaussian)" not in (listed.currentItem().text() if listed.currentItem() else ""):
        qtbot.keyClick(listed, Qt.Key.Key_Down)
    shown = about.toPlainText()
    assert all(p.meaning in shown for p in GAUSSIAN.parameters) and "σ2" in shown
    assert window.app.model is None  # arrow keys only look
    qtbot.keyClick(listed, Qt.Key.Key_Return)
    assert window.app.state.get("model.name") == "gaussian"
    window.app.edit("model", {"formula": "a*exp(-x)"})
    assert not about.toPlainText()  # nothing of the gaussian


def read_back(text):
    """Python of what a formula is shown as."""
    text = re.sub(r"<sub>(.*?)</sub>", r"_\1", text.replace("&#8201;", " "))
    text = text.replace("&#8203;", "")
    for _ in range(5):
        text = re.sub(r"<sup>((?:(?!<sup>).)*?)</sup>", r"**(\1)", text)
    text = re.sub(r"</?i>", "", text).replace("&lt;", "<").replace("&gt;", ">")
    for sign, word in zip("·−√≤≥≠", "* - sqrt <= >= !=".split(), strict=True):
        text = text.replace(sign, word)
    return re.sub(r"(?<![<>!=])=(?!=)", "==", text.replace(", else", " else"))


class _Names(ast.NodeTransformer):
    def visit_Name(self, node):
        return ast.Name(read_back(formula_html.name(node.id)), node.ctx)

    def visit_Call(self, node):
        return ast.Call(node.func, [self.visit(a) for a in node.args], [])


FORMULAS = [models.get(name).formula for name in models.names() if models.get(name).formula]
FORMULAS += ["a - (b - c)", "-x**2", "(-x)**2", "a/(b*c)", "a*(b/c)", "(a**b)**c", "-(a + b)*c",
             "some_long_name*tau_max", "a if x < b and x != 0 else -c"]  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_that_is_shown_means_the_same(formula):
    expected = _Names().visit(ast.parse(formula.replace("^", "**"), mode="eval"))
    found = ast.parse(read_back(formula_html.rendered(formula)), mode="eval")
    assert ast.unparse(found) == ast.unparse(expected)


# ---------------------------------------------------------------------------- the formula field

BAD = [  # text, what the mark is at
    ("a*exp(-t/tau) + 3 $ c", "$"),
    ("a*sinn(t) + b", "sinn"),
    ("a*t[0] + b", "["),
    ("  a*t + b.real", ".real"),
    ("lambda t: t", "lambda"),
]


@pytest.mark.parametrize("text, place", BAD)
def test_an_error_is_marked_while_a_formula_is_typed(window, qtbot, peaks, text, place):
    window.app.open(peaks[0])
    window.navigate_to("model")
    qtbot.keyClicks(child(window, "model text"), text)
    said = child(window, "model check")
    qtbot.waitUntil(lambda: said.text().startswith("⚠ Column"), timeout=2000)
    position = window.pages["model"].field.position
    assert abs(position - 1 - text.index(place)) <= 1
    assert f"Column {position}:" in said.text()
    assert window.app.state.get("model") is None  # until Enter
    child(window, "model text").clear()


def test_a_formula_that_is_mended_keeps_the_starts_of_its_names(window, qtbot, peaks):
    app = window.app
    app.open(peaks[0])
    window.navigate_to("model")
    write(window, qtbot, "model text", "a*exp(-t/tau)")
    cell(window, qtbot, 0, 1, "1,5")
    cell(window, qtbot, 1, 1, "1e-12")
    assert app.state.get("fitting.p0") == {"a": 1.5, "tau": 1e-12}
    before = app.state.to_json()
    write(window, qtbot, "model text", "a*exp(-t/tau) + c*t")
    assert app.state.get("fitting.p0") == {"a": 1.5, "tau": 1e-12}
    write(window, qtbot, "model text", "a + c*t")
    assert app.state.get("fitting.p0") == {"a": 1.5}
    for _ in range(2):
        app.history.undo()
    assert app.state.to_json() == before
    assert child(window, "model text").text() == "a*exp(-t/tau)"


def test_a_field_that_is_only_left_changes_nothing(window, qtbot, peaks):
    app = window.app
    app.open(peaks[0])
    app.edit("model", {"formula": "a*u + b", "variable": "u"})
    window.navigate_to("model")
    child(window, "model text").setFocus()
    before, steps = app.state.to_json(), app.history.count()
    for name in ("search models", "model text", "models"):
        child(window, name).setFocus()
    assert app.state.to_json() == before and app.history.count() == steps
    assert child(window, "model check").text().startswith("y = ")


# ------------------------------------------------------------------------------- the parameters

SCALES = [  # values, lower, upper, whether by factors
    ([3.0], -math.inf, math.inf, False),
    ([0.0], -math.inf, math.inf, False),
    ([1e-300], 0.0, math.inf, False),
    ([2.0, 1e5], 1e-3, 1e6, True),
    ([5.0, 40.0], 0.0, 10.0, False),  # an answer of a fit that had other bounds
    ([1e308, -1e308], -math.inf, math.inf, False),
    ([1.0], 1e-300, 1e300, True),
    ([2.0], 2.0, 2.0, False),
]


@pytest.mark.parametrize("values, lower, upper, log", SCALES)
def test_a_slider_reaches_its_value_and_the_answer(values, lower, upper, log):
    scale = starting.scale(values, lower, upper)
    assert scale.holds(values) and scale.log == log
    assert scale.value(0.0) == pytest.approx(scale.low)
    assert scale.value(1.0) == pytest.approx(scale.high)
    for value in values if scale.low < scale.high else ():
        assert scale.value(scale.part(value)) == pytest.approx(value, abs=1e-12 * scale.high)


def test_a_slider_moves_curve_and_residuals_and_is_undone_in_one_step(window, qtbot, peaks):
    path, x, y = peaks
    app = window.app
    app.open(path)
    app.edit("model", {"name": "gaussian"})
    window.navigate_to("model")
    before = app.state.to_json()
    slider = child(window, "slider mu")
    slider.setFocus()
    for _ in range(5):
        qtbot.keyClick(slider, Qt.Key.Key_Right)
    p = app.start.p0
    assert app.state.get("fitting.p0") == {"mu": p[1]}
    at, curve = window.plot.start.getOriginalDataset()
    np.testing.assert_allclose(curve, GAUSSIAN(at, *p), rtol=1e-12)
    np.testing.assert_allclose(
        window.residuals.points.getOriginalDataset()[1], y - GAUSSIAN(x, *p), rtol=1e-9, atol=1e-12
    )
    app.history.undo()
    assert app.state.to_json() == before


def test_a_parameter_is_fixed_where_it_is_and_bounded(window, qtbot, peaks):
    app = window.app
    app.open(peaks[0])
    app.edit("model", {"name": "gaussian"})
    window.navigate_to("model")
    table = child(window, "parameters")
    start = float(app.start.p0[1])
    box = table.visualItemRect(table.item(1, 3))
    for held in (True, False):
        qtbot.mouseClick(table.viewport(), LEFT, pos=QPoint(box.left() + 10, box.center().y()))
        assert app.state.get("fitting.fixed") == ({"mu": start} if held else None)
    assert app.state.get("fitting.p0") == {"mu": start}
    cell(window, qtbot, 1, 4, "-inf")
    assert app.state.get("fitting.bounds") is None
    cell(window, qtbot, 1, 5, "5")
    cell(window, qtbot, 1, 1, "7")  # beyond
    assert "mu" in child(window, "start problem").text() and app.start is None
    app.history.undo()
    assert not child(window, "start problem").isVisible()
    press(window, qtbot, "guess start")
    assert app.state.get("fitting.p0") is None


def test_a_fit_becomes_the_next_start(window, qtbot, peaks):
    app = window.app
    app.open(peaks[0])
    app.edit("model", {"name": "gaussian"})
    app.edit("fitting.fixed", {"sigma": 0.5})
    fit(window, qtbot)
    window.navigate_to("model")
    press(window, qtbot, "take fit as start")
    assert app.state.get("fitting.p0") == dict(zip(("amp", "mu"), app.result.popt, strict=False))
    for slider, value in zip(child(window, "parameters").sliders, app.result.popt, strict=True):
        assert slider.scale.holds([value])


def test_peaks_are_added_where_the_plot_is_clicked(window, qtbot, peaks):
    path, x, y = peaks
    app, plot = window.app, window.plot
    app.open(path)
    window.navigate_to("model")
    press(window, qtbot, "add peaks")
    with qtbot.waitExposed(window):
        QApplication.processEvents()  # the plots are laid out
    before = copy.deepcopy(app.state.content)
    for top in ((3.0, 3.0), (7.0, 2.0)):
        at = plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(*top)))
        qtbot.mouseClick(plot.viewport(), LEFT, pos=at)
    qtbot.waitUntil(lambda: app.state.get("model.name") == "gaussian + gaussian", timeout=2000)
    p0 = app.state.get("fitting.p0")
    assert list(p0) == ["amp_1", "mu_1", "sigma_1", "amp_2", "mu_2", "sigma_2"]
    assert list(p0.values()) == pytest.approx([3, 3, 0.5, 2, 7, 0.8], rel=0.15)
    fit(window, qtbot)
    expected, _ = scipys(models.get("gaussian + gaussian").function, x, y, list(p0.values()))
    np.testing.assert_allclose(app.result.popt, expected, rtol=1e-5)
    for _ in range(2):
        app.history.undo()
    assert app.state.content == before
    assert not child(window, "add peaks").isChecked()  # another page ends it


def test_a_peak_is_dragged_by_its_handle(window, qtbot, peaks):
    app, plot = window.app, window.plot
    app.open(peaks[0])
    app.edit("model", {"name": "gaussian + lorentzian + linear"})
    app.edit("fitting.p0", dict(zip(app.model.names, (3, 3, 0.5, 2, 7, 0.8, 0.1, 0), strict=True)))
    before = app.state.to_json()
    with qtbot.waitExposed(window):
        QApplication.processEvents()  # the plots are laid out

    def seen(x, y):
        return plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(x, y)))

    at = plot.handles[1].pos()
    start, end = seen(at.x(), at.y()), seen(8.0, 1.5)
    port = plot.viewport()
    move(port, start, Qt.MouseButton.NoButton)
    qtbot.mousePress(port, LEFT, pos=start)
    for k in range(1, 4):
        qtbot.wait(15)  # pyqtgraph takes 100 moves a second
        move(port, start + (end - start) * k / 3)
    qtbot.mouseRelease(port, LEFT, pos=end)
    p = app.start.p0
    model = models.get("gaussian + lorentzian + linear")
    assert p[4] == pytest.approx(8.0, abs=0.05) and p[5] == 0.8 and list(p[:3]) == [3, 3, 0.5]
    assert model(p[4], *p) == pytest.approx(1.5, abs=0.05)
    app.history.undo()
    assert app.state.to_json() == before


def move(port, to, held=LEFT):
    """Move the mouse with a button held, which qtbot does not."""
    there = QPointF(port.mapToGlobal(to))
    kind = QMouseEvent.Type.MouseMove
    event = QMouseEvent(kind, QPointF(to), there, held, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(port, event)


# ----------------------------------------------------------------------------------- the editor

CODES = [  # code, the line that is wrong, of what is said there
    ("def f(x, a):\n    return a * x)\n", 2, "unmatched"),
    ("import os\n\ndef f(x, a):\n    return a * x\n", 1, "os"),
    ("def f(x, a):\n    return open('y')\n", 2, "open"),
]


@pytest.mark.parametrize("code, line, words", CODES)
def test_a_line_that_would_be_refused_is_marked(window, qtbot, code, line, words):
    window.navigate_to("model")
    window.pages["model"].tabs.setCurrentIndex(1)
    editor = child(window, "model code")
    editor.setPlainText(code)
    qtbot.waitUntil(lambda: bool(editor.mistakes), timeout=2000)
    assert list(editor.mistakes) == [line] and words in editor.mistakes[line]
    selections = editor.extraSelections()
    marked = selections[0].cursor.blockNumber() + 1
    assert marked == line and f"Line {line}" in child(window, "code check").text()
    assert not child(window, "use code").isEnabled()


def test_code_is_written_kept_and_fitted(window, qtbot, peaks, monkeypatch):
    def confined(entry, request, settings):  # without the seconds that a process takes
        return getattr(running, entry.split(":")[1])(request)

    monkeypatch.setattr(running, "_confined", confined)
    path, x, y = peaks
    app = window.app
    app.open(path)
    window.navigate_to("model")
    window.pages["model"].tabs.setCurrentIndex(1)
    editor = child(window, "model code")
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClicks(editor, "def half(x, a):")
    qtbot.keyClick(editor, Qt.Key.Key_Return)  # which indents
    qtbot.keyClicks(editor, "return a * x / 2")
    press(window, qtbot, "use code")
    assert app.model.names == ("a",) and app.state.get("model.function") == "half"
    first = app.state.get("model.path")
    assert Path(first).read_text() == "def half(x, a):\n    return a * x / 2"
    editor.setPlainText("def line(x, a, b):\n    return a * x + b\n")
    press(window, qtbot, "use code")
    assert app.model.names == ("a", "b") and app.start is None
    qtbot.waitUntil(lambda: app.start is not None, timeout=5000)
    np.testing.assert_allclose(window.residuals.points.getOriginalDataset()[1], y - x - 1)
    fit(window, qtbot)
    slope, level = np.polyfit(x, y, 1)
    np.testing.assert_allclose(app.result.popt, (slope, level), rtol=1e-6)
    app.history.undo()
    assert app.state.get("model.path") == first and "half" in editor.toPlainText()


# ---------------------------------------------------------------------------- the page 'fitting'

OPTIONS = [  # option, what else is set, text, value, of what is said
    ("ftol", {}, "1e-3", 1e-3, ""),
    ("xtol", {}, "0,5", 0.5, ""),
    ("ftol", {}, "small", None, "small"),
    ("max_nfev", {}, "50", 50, ""),
    ("max_nfev", {}, "1.5", None, "integer"),
    ("time_limit", {}, "-1", None, "greater than 0"),
    ("f_scale", {"loss": "huber"}, "0.1", 0.1, ""),
    ("n_starts", {"preset": "fast"}, "0", None, "greater than or equal to 1"),
    ("seed", {"method": "cmaes"}, "7", 7, ""),
]


@pytest.mark.parametrize("key, others, text, value, words", OPTIONS)
def test_an_option_is_set_or_refused_at_its_place(window, qtbot, key, others, text, value, words):
    app = window.app
    for other, given in others.items():
        app.edit(f"fitting.{other}", given)
    window.navigate_to("fitting")
    press(window, qtbot, "advanced options")
    write(window, qtbot, f"fitting {key}", text)
    assert app.state.get(f"fitting.{key}") == value
    complaint = child(window, f"fitting {key} problem")
    assert complaint.isVisible() == bool(words) and words in complaint.text()


DEFAULTS = [  # option, what else is set, what counts where nothing is said of it
    ("method", {}, "trf"), ("preset", {}, "none"), ("loss", {}, "linear"),
    ("nan_policy", {}, "raise"), ("sampler", {"preset": "fast"}, "lhs"),
    ("center_on_p0", {"preset": "fast"}, "yes"), ("center_on_p0", {"method": "global"}, "no"),
    ("n_starts", {"preset": "robust"}, "192"), ("n_starts", {"method": "global"}, "2048"),
    ("ftol", {}, "1e-08"), ("max_nfev", {}, "none"),
]  # fmt: skip


@pytest.mark.parametrize("key, others, word", DEFAULTS)
def test_each_option_says_its_default(window, key, others, word):
    for other, given in others.items():
        window.app.edit(f"fitting.{other}", given)
    field = child(window, f"fitting {key}")
    if isinstance(field, QLineEdit):
        assert field.placeholderText() == word
    else:
        assert field.currentText() == field.itemText(0) == f"default ({word})"


def test_options_of_a_search_go_with_it_and_come_back(window, qtbot):
    app = window.app
    window.navigate_to("fitting")
    press(window, qtbot, "advanced options")
    assert not child(window, "fitting n_starts").isVisible()
    choose(window, "fitting preset", "fast")
    write(window, qtbot, "fitting n_starts", "12")
    choose(window, "fitting sampler", "sobol")
    choose(window, "fitting center_on_p0", "no")
    found = {"preset": "fast", "n_starts": 12, "sampler": "sobol", "center_on_p0": False}
    assert app.state.get("fitting") == found
    choose(window, "fitting method", "cmaes")  # is a search of its own
    assert app.state.get("fitting") == {"method": "cmaes"}
    app.history.undo()
    assert app.state.get("fitting") == found
    choose(window, "fitting preset", "default (none)")
    assert app.state.get("fitting.sampler") is None


def test_the_presets_are_those_of_the_library():
    for name, search in SEARCHES.items():
        assert presets.PRESETS[name].startswith(f"{search['n_starts']} starts")
        near = search.get("center_on_p0", True)
        assert ("near" in presets.PRESETS[name]) <= near


def test_the_cost_is_drawn_and_listed(window, qtbot, peaks):
    path, x, y = peaks
    window.app.open(path)
    window.app.edit("model", {"name": "gaussian"})
    fit(window, qtbot)
    page, table = window.pages["fitting"], child(window, "iterations")
    costs = page.cost.line.getOriginalDataset()[1]
    cells = table.model()
    listed = [float(cells.index(row, 1).data()) for row in range(cells.rowCount())]
    assert listed == pytest.approx(list(costs))
    expected = curve_fit(GAUSSIAN, x, y, GAUSSIAN.guess(x, y), bounds=GAUSSIAN.bounds())
    assert costs[-1] == pytest.approx(0.5 * np.sum((y - GAUSSIAN(x, *expected.popt)) ** 2))
