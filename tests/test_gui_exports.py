"""Scripts and commands that the window writes repeat its fits to the last digit."""

import contextlib
import io
import json
import shlex
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from nlsq import OptimizeWarning
from nlsq.cli.commands.fit import fit
from nlsq.cli.errors import NotConverged
from nlsq.cli.main import cli
from nlsq.cli.options import configure
from nlsq.core.drive import buying
from nlsq.gui_qt.adapters.config_adapter import export_yaml_config
from nlsq.gui_qt.adapters.export_adapter import KINDS, NotSaid, as_command, as_python, writing
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.session import apart
from nlsq.session.configuration import Configuration
from nlsq.session.errors import ModelError
from nlsq.session.plan import read
from nlsq.session.saving import save
from tests.gui_kill import ROOT

MODELS = {
    "gaussian": "amp mu", "lorentzian + constant": "", "polynomial3": "",
    "A*exp(-((t - t0)/w)^2) + c": "A t0 w c", "A/(1 + ((t - t0)/w)^2) + c": "A t0 w c",
}  # fmt: skip
_KNOWN = {"A": 2.5, "t0": 4.0, "w": 1.5, "c": 0.1, "amp": 2.9, "mu": 4.0}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return written(tmp_path_factory.mktemp("a folder, with 'words' $HOME"))


def written(folder):
    """A table with what names and cells can hold."""
    rng = np.random.default_rng(25)
    t = np.linspace(0.01, 10, 90)
    y = 3 * np.exp(-0.5 * ((t - 4.2) / 0.9) ** 2) + 0.3 + 0.05 * rng.normal(size=t.size)
    path = folder / "my data.csv"
    rows = [f"{a!r},{b!r},{0.04 + 0.02 * (i % 3)!r},{'AB'[i // 5 % 2]},{b!r}"
            for i, (a, b) in enumerate(zip(t.tolist(), y.tolist(), strict=True))]  # fmt: skip
    rows[7] = rows[7].replace(rows[7].split(",")[1], "nan")
    path.write_text("\n".join(["t,the signal (mV),d y,who,u", *rows]) + "\n")
    return path


def drawn(rng, table):
    """A random state of the window."""
    text = str(rng.choice(list(MODELS)))
    names = MODELS[text].split()
    is_formula = "(" in text
    pick = lambda share: rng.random() < share  # noqa: E731
    columns = {"x": "t" if pick(0.6) else 0, "y": "u + 1" if pick(0.3) else "the signal (mV)"}
    if pick(0.5):
        columns["sigma"] = "d y"
    data = {"input_file": str(table), "columns": columns}
    if pick(0.4):
        data["where"] = str(rng.choice(["t > 0.5 and who == 'A'", "t < 9 or who != 'B'"]))
    if pick(0.3):
        data["rows"] = str(rng.choice(["3:", ":80", "::2", "1:85:2"]))
    if pick(0.3):
        data["exclude"] = str(rng.choice(["5", "7,30-40,89", "0-2,11"]))
    if pick(0.3):
        data["x_range"] = [None if pick(0.3) else rng.random(), None if pick(0.3) else 9.0]
    if pick(0.2):
        data["csv"] = {"delimiter": ",", "decimal": "."}
    model = {"formula": text} if is_formula else {"name": text}
    if is_formula and (columns["x"] == 0 or pick(0.3)):
        model["variable"] = "t"
    fitting = {"nan_policy": "omit"}
    known = [name for name in names if name in _KNOWN]
    for name in known:
        spread = _KNOWN[name] * (1 + 0.1 * rng.normal())
        if is_formula or pick(0.4):
            fitting.setdefault("p0", {})[name] = spread
        if pick(0.3):
            low = None if pick(0.3) else min(spread, _KNOWN[name]) - rng.random()
            high = None if pick(0.3) else max(spread, _KNOWN[name]) + 10 * rng.random()
            fitting.setdefault("bounds", {})[name] = [low, high]
    if len(names) > 2 and is_formula and pick(0.3):
        fitting["fixed"] = {"c": None if pick(0.5) else 1e-3 * rng.random()}
        fitting.get("bounds", {}).pop("c", None)
    if pick(0.5):
        fitting["loss"] = str(rng.choice(["huber", "soft_l1", "cauchy", "arctan"]))
        if pick(0.5):
            fitting["f_scale"] = float(rng.random() + 0.1)
    if pick(0.3):
        fitting["ftol"] = 10 ** float(-6 - 6 * rng.random())
    if "sigma" in columns and pick(0.5):
        fitting["absolute_sigma"] = True
    if pick(0.15):
        fitting["method"] = "dogbox"
    if not fitting.get("bounds", True):
        del fitting["bounds"]
    return {"data": data, "model": model, "fitting": fitting}


def window_fit(settings):
    """What the window finds, in the process that has fitted all day."""
    return apart.fit(settings, read(settings), id).run()


def settings_of(command):
    words = shlex.split(command)
    assert words[:2] == ["nlsq", "fit"]
    context = fit.make_context("fit", words[2:])
    return configure(context, context.params["source"]).settings()


def run_command(command, folder):
    """popt of a command line."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        cli.main([*shlex.split(command)[1:], "-o", "o.json", "--no-plot"], standalone_mode=False)
    return json.loads((folder / "o.json").read_text())["popt"]


def run_script(script):
    space = {}
    with contextlib.redirect_stdout(io.StringIO()) as said, warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # which the window shows as words
        exec(compile(script, "script.py", "exec"), space)
    assert "largest difference to the fit found before: 0 standard" in said.getvalue()
    return space["fit"].popt.tolist()


@pytest.mark.parametrize("seed", range(12))
def test_scripts_and_commands_repeat_a_fit(table, tmp_path, seed):
    content = drawn(np.random.default_rng(seed), table)
    settings = Configuration(content).settings()
    document, result = window_fit(settings)
    buying.forget_rents()  # of what this process fitted: a script has one of its own
    command = as_command(settings)
    assert settings_of(command).model_dump() == settings.model_dump()
    text = as_python(document, result, settings)
    assert np.array_equal(run_script(text), document["popt"]), text
    assert np.array_equal(run_command(command, tmp_path), document["popt"]), command
    path = tmp_path / "fit.yaml"
    path.write_text(export_yaml_config(settings))
    assert Configuration.read(path).settings().model_dump() == settings.model_dump()


ODD = [
    ({"columns": {"x": ["t", "u"], "y": "u"}}, {"formula": "a*t + b*u + c"}, {}),
    ({"columns": {"x": "log(t)", "y": "-1*u"}}, {"name": "linear"}, {"bounds": {"a": [None, 9]}}),
    ({}, {"formula": "-a*t + b"}, {"p0": [1.0, 2.0], "bounds": {"lower": [-5, None]}}),
    ({}, {"formula": "lower*t + upper"}, {"bounds": {"lower": [0, None], "upper": [None, 3.5]}}),
    ({"columns": {"x": 0, "y": "4"}, "csv": {"header": True}}, {"name": "constant"}, {}),
    ({}, {"type": "polynomial", "degree": 2}, {"ftol": None, "gtol": 1e-12, "max_nfev": 900}),
    ({"columns": {"x": "t", "y": "u", "sigma": "d y"}}, {"name": "gaussian"},
     {"method": "global", "seed": 3, "n_starts": 20}),
    ({}, {"name": "gaussian"}, {"max_nfev": 2, "p0": {"mu": 9.0}}),
]  # fmt: skip


@pytest.mark.parametrize("data, model, fitting", ODD, ids=range(len(ODD)))
def test_states_that_are_odd(table, tmp_path, data, model, fitting):
    columns = {"columns": {"x": "t", "y": "u"}}
    where = {"input_file": str(table)}
    if "4" in str(data):  # a column whose name looks like a number
        path = tmp_path / "4.csv"
        path.write_text("t,4\n" + "".join(f"{i},{i % 3}\n" for i in range(9)))
        where = {"input_file": str(path)}
    fitting = {"nan_policy": "omit", **fitting}
    settings = Configuration(
        {"data": columns | data | where, "model": model, "fitting": fitting}
    ).settings()
    document, result = window_fit(settings)
    assert settings_of(as_command(settings)).fitting == settings.fitting
    text = as_python(document, result, settings)
    assert np.array_equal(run_script(text), document["popt"]), text
    with contextlib.suppress(NotConverged):
        found = run_command(as_command(settings), tmp_path)
        assert np.array_equal(found, document["popt"])


def test_what_a_command_cannot_say_is_said(table, tmp_path):
    path = tmp_path / "data.yaml"
    path.write_bytes(table.read_bytes())
    content = {"data": {"input_file": str(path), "format": "csv"}, "model": {"name": "linear"}}
    with pytest.raises(NotSaid, match="configuration file"):
        as_command(Configuration(content).settings())


def test_a_model_file(table, tmp_path):
    path = tmp_path / "my model.py"
    path.write_text("def line(t, a, b):\n    return a * t + b\n")
    content = {
        "data": {"input_file": str(table), "columns": {"x": "t", "y": "u"}},
        "model": {"path": str(path), "function": "line", "trusted": True},
        "fitting": {"nan_policy": "omit"},
    }
    settings = Configuration(content).settings()
    document, result = window_fit(settings)
    text = as_python(document, result, settings)
    assert "its code runs unchecked" in text and run_script(text) == document["popt"]
    assert run_command(as_command(settings), tmp_path) == document["popt"]
    assert "trust" not in export_yaml_config(settings)
    for change, said in (
        (lambda: path.write_text(path.read_text() + "\n"), "changed since the fit.*fit again"),
        (path.unlink, "No such file.*put it back"),
    ):
        change()
        with pytest.raises(ModelError, match=rf"my model\.py.*{said}"):
            writing(tmp_path / "a.zip", document, result, settings).run()


def test_the_buttons_copy(table, tmp_path, qtbot):
    window = MainWindow(AppState(), Preferences(tmp_path / "window.json"))
    qtbot.addWidget(window)
    window.show()
    app, page = window.app, window.pages["export"]
    content = {
        "data": {"input_file": str(table), "columns": {"x": "t", "y": "the signal (mV)"}},
        "model": {"name": "gaussian"}, "fitting": {"nan_policy": "omit", "loss": "huber"},
    }  # fmt: skip
    app.edit("", content)
    window.navigate_to("export")
    assert not any(button.isEnabled() for button in page.copies.values())
    with qtbot.waitSignal(app.result_changed, timeout=10_000):
        app.fit()
    window.navigate_to("export")
    copied = {}
    for name, button in page.copies.items():
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert page.said.text() == "Copied."
        copied[name] = QGuiApplication.clipboard().text()
    assert run_script(copied["python"]) == app.result.popt.tolist()
    assert run_command(copied["command"], tmp_path) == app.result.popt.tolist()
    (tmp_path / "a.yaml").write_text(copied["configuration"])
    found = run_command(f"nlsq fit {shlex.quote(str(tmp_path / 'a.yaml'))}", tmp_path)
    assert found == app.result.popt.tolist()


def zipped(path):
    """The names in a bundle; its members carry their time."""
    return sorted(zipfile.ZipFile(path).namelist())


@pytest.mark.parametrize(
    "which, kinds", [("name", KINDS.values()), ("file", [".png"]), ("pieces", [".png", ".json"])]
)
def test_what_is_written_beside_the_window_is_what_is_written_here(table, tmp_path, which, kinds):
    (tmp_path / "line.py").write_text("def line(t, a, b):\n    return a * t + b\n")
    content = {
        "data": {"input_file": str(table), "columns": {"x": "t", "y": "u"}},
        "model": {"name": "linear"}, "fitting": {"nan_policy": "omit"},
    }  # fmt: skip
    if which == "file":
        content["model"] = {"path": str(tmp_path / "line.py"), "function": "line"}
    if which == "pieces":
        content |= {"workflow": {"strategy": "streaming"}}
    settings = Configuration(content).settings()
    document, result = window_fit(settings)
    for suffix in kinds:
        here, beside = (tmp_path / f"{side}{suffix}" for side in ("here", "beside"))
        save(here, document, result, settings)
        assert writing(beside, document, result, settings).run() == beside
        read = zipped if suffix == ".zip" else Path.read_bytes
        if suffix == ".pdf":  # which tells when it was made
            assert beside.read_bytes()[:4] == b"%PDF"
        else:
            assert read(here) == read(beside), suffix


CLOSED = """
import os, sys, threading, time
import numpy as np
from pathlib import Path
from nlsq.session import apart
from nlsq.session.configuration import Configuration
from nlsq.session.plan import read
from nlsq.session.running import execute
content = {"data": {"input_file": sys.argv[1], "columns": {"x": "t", "y": "u"}},
           "model": {"name": "linear"}, "fitting": {"nan_policy": "omit"}}
settings = Configuration(content).settings()
call = apart.write(Path(sys.argv[2]), *execute(settings, read(settings)), settings)
threading.Thread(target=call.run, daemon=True).start()
while call._process is None:
    time.sleep(0.01)
os._exit(0)
"""


def test_what_is_being_written_is_written_though_the_window_goes(table, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, table, tmp_path / "a.html"], cwd=ROOT, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")  # which the other process had too
    assert (tmp_path / "a.html").read_text().endswith("</html>\n")


@pytest.mark.parametrize("place", [".", "/", "..", "~no-such-user", "a\0b"])
def test_what_is_no_file_of_data_is_said(qtbot, tmp_path, place):
    window = MainWindow(AppState(), Preferences(tmp_path / "window.json"))
    qtbot.addWidget(window)
    page, export = window.pages["data"], window.pages["export"]
    page.path.setText(place)
    page.path.returnPressed.emit()
    assert window.app.problems["data"].message
    export.kind.activated.emit(0)
    assert export.path.text().endswith("-fit.json")
