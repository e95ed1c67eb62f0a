"""The window, driven as a person drives it, against the command line and Python."""

import importlib
import json

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt

from nlsq import curve_fit, models
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.session_state import SessionState
from tests.gui_window import child


@pytest.fixture
def peak(tmp_path):
    rng = np.random.default_rng(3)
    x = np.linspace(0, 10, 120)
    y = 3 * np.exp(-0.5 * ((x - 4.2) / 0.7) ** 2) + 0.05 * rng.normal(size=x.size)
    path = tmp_path / "peak.csv"
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header="t,V", comments="")
    return path, x, y


def test_from_a_file_to_a_file(window, peak, qtbot, tmp_path):
    path, x, y = peak
    field = child(window, "data file")
    qtbot.keyClicks(field, str(path))
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert window.app.points.y.size == 120
    assert child(window, "column y").currentText() == "V"

    window.navigate_to("model")
    qtbot.keyClicks(child(window, "search models"), "gaussian")
    names = child(window, "models")
    item = next(names.item(i) for i in range(names.count()) if "(gaussian)" in names.item(i).text())
    qtbot.mouseClick(
        names.viewport(), Qt.MouseButton.LeftButton, pos=names.visualItemRect(item).center()
    )
    assert window.app.model.names == ("amp", "mu", "sigma")
    assert child(window, "parameters").rowCount() == 3

    window.navigate_to("fitting")
    with qtbot.waitSignal(window.app.result_changed, timeout=10_000):
        qtbot.mouseClick(child(window, "fit"), Qt.MouseButton.LeftButton)
    gaussian = models.get("gaussian")
    expected = curve_fit(gaussian, x, y, gaussian.guess(x, y), bounds=gaussian.bounds())
    table = child(window, "fitted parameters")
    assert window.app.state.page == "results"
    assert [float(table.item(i, 1).toolTip()) for i in range(3)] == expected.popt.tolist()
    assert window.plot.curve.getOriginalDataset()[0].size > 100
    assert window.residuals.points.getOriginalDataset()[1].size == 120

    window.navigate_to("export")
    target = tmp_path / "out.json"
    child(window, "export file").setText(str(target))
    qtbot.mouseClick(child(window, "write"), Qt.MouseButton.LeftButton)
    said = child(window, "export state")
    qtbot.waitUntil(lambda: said.text().startswith("Written"), timeout=10_000)
    assert json.loads(target.read_text())["popt"] == expected.popt.tolist()


def test_every_change_is_undone(window, peak, qtbot):
    app = window.app
    app.open(peak[0])
    before = json.dumps(app.state.content)
    for key, value in (
        ("model", {"name": "gaussian"}),
        ("fitting.p0", {"mu": 4.0}),
        ("fitting.loss", "huber"),
        ("data.columns.x", "V"),
    ):
        app.edit(key, value)
    after = json.dumps(app.state.content)
    for _ in range(4):
        app.history.undo()
    assert json.dumps(app.state.content) == before
    for _ in range(4):
        app.history.redo()
    assert json.dumps(app.state.content) == after


BAD = [
    ("data", "data.input_file", "/nowhere/at/all.csv", "no such file"),
    ("data", "data.columns.y", "nothing", "nothing"),
    ("model", "model", {"formula": "a*exp(-t/tau"}, "t/tau"),
    ("model", "model", {"name": "gausian"}, "gaussian"),
]


@pytest.mark.parametrize("section, key, value, words", BAD)
def test_what_is_wrong_is_said_at_its_place(window, peak, section, key, value, words):
    window.app.open(peak[0])
    window.app.edit(key, value)
    window.navigate_to(section)
    label = child(window, f"{section} problem")
    assert label.isVisible() and words in label.text()
    window.app.history.undo()
    assert not label.isVisible()


def test_a_fit_that_fails_says_why_and_keeps_the_session(window, peak, qtbot):
    app = window.app
    app.open(peak[0])
    app.edit("model", {"formula": "a*log(t - 100)"})
    with qtbot.waitSignal(app.running_changed, timeout=10_000, check_params_cb=lambda on: not on):
        app.fit()
    window.navigate_to("fitting")
    assert child(window, "fitting problem").isVisible()
    assert app.points is not None and app.result is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"nlsq session": 99}', '{"nlsq session": 1, "content": 3}']
)
def test_files_that_are_no_session(text):
    with pytest.raises(ValueError, match="session"):
        SessionState.from_json(text)


def test_a_session_as_text(peak):
    app = AppState()
    app.open(peak[0])
    app.edit("fitting.bounds", {"mu": [None, 1e-300]})
    assert SessionState.from_json(app.state.to_json()) == app.state


PARTS = """
adapters.config_adapter adapters.data_adapter adapters.export_adapter adapters.fit_adapter
adapters.model_adapter app_state autosave main_window pages.data_loading pages.export
pages.fitting_options pages.model_selection pages.results plots.fit_plot plots.histogram_plot
plots.residuals_plot presets session_state theme widgets.advanced_options widgets.code_editor
widgets.column_selector widgets.fit_statistics widgets.iteration_table widgets.param_results
""".split()


@pytest.mark.parametrize("part", PARTS)
def test_parts_stand_where_the_source_names_them(part):
    assert importlib.import_module(f"nlsq.gui_qt.{part}").__doc__
