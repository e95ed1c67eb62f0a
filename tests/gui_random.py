"""Random actions on the window, by a seed: ``python -m tests.gui_random 2000 SEED``.

A `Storm` clicks, types, drags, opens, fits and stops as nobody should, and keeps what went wrong:
exceptions, what Qt complains of, moments in which the window stood still, memory that was kept.
"""

from __future__ import annotations

import ctypes
import gc
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import (
    QEvent,
    QMimeData,
    QPoint,
    QPointF,
    QSize,
    Qt,
    QTimer,
    QUrl,
    qInstallMessageHandler,
)
from PySide6.QtGui import QAction, QDropEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QSlider,
    QSplitterHandle,
    QTabWidget,
    QTextEdit,
    QWidget,
)
from shiboken6 import isValid

from nlsq.gui_qt.adapters.config_adapter import write_session
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import PAGES, THEMES, SessionState
from tests.gui_hand import LEFT, NONE, controls, mouse

KEY = Qt.Key
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LIMIT = 0.2  # s that the window may stand still
MOST = 50  # megabytes that may be kept
# of a platform without a screen, and of fonts that are not installed
_UNABLE = ("This plugin does not support", "OpenType support missing")
TEXTS = (
    "", " ", "0", "-1", "1e-12", "1,5", "nan", "inf", "-inf", "1e999", "1e-999", "∞", "−3", "12",
    "gaussian", "lorentzian + linear", "gaussian + gaussian", "polynomial3", "a*exp(-x/tau) + c",
    "a*x + b", "a*t + b", "A*exp(-((t - t0)/w)^2) + c", "log(a*t)", "a**b**c**t", "1/(t-t)",
    "t", "V", "the signal", "2*V", "log(V)", "V/0", "e", "nothing", "y", "()", "a*(", "'", '"',
    "\\", "lambda t: t", "__import__('os')", "a" * 80 + "*t", "Ωμ😀 é", "x" * 300, "t > 2",
    "%s{0}", "<b>x", "def f(x, a):\n    return a * x", "def f(x, a, b):\nreturn a", "import os",
    "\t", "a;b\nc;d",
)  # fmt: skip
KEYS = (
    KEY.Key_Tab, KEY.Key_Backtab, KEY.Key_Escape, KEY.Key_Return, KEY.Key_Up, KEY.Key_Down,
    KEY.Key_Left, KEY.Key_Right, KEY.Key_Home, KEY.Key_End, KEY.Key_PageUp, KEY.Key_PageDown,
    KEY.Key_Space, KEY.Key_Delete, KEY.Key_Backspace, KEY.Key_F2, KEY.Key_A, KEY.Key_5,
)  # fmt: skip
HELD = ((KEY.Key_Z, CTRL), (KEY.Key_Y, CTRL), (KEY.Key_A, CTRL), (KEY.Key_C, CTRL),
        (KEY.Key_V, CTRL), (KEY.Key_X, CTRL), (KEY.Key_0, CTRL), (KEY.Key_Tab, CTRL),
        (KEY.Key_Backtab, SHIFT), (KEY.Key_Return, CTRL), (KEY.Key_S, CTRL))  # fmt: skip


def written(folder: Path) -> list[Path]:
    """Files of all kinds, good and broken."""
    rng = np.random.default_rng(1)
    t = np.linspace(0, 10, 80)
    v = 3 * np.exp(-0.5 * ((t - 4) / 0.7) ** 2) + 0.05 * rng.normal(size=t.size)
    good = np.column_stack([t, v, 0.05 + 0 * t])
    csv = {"delimiter": ",", "comments": ""}
    np.savetxt(folder / "peak.csv", good, header="t,V,e", **csv)
    np.savetxt(folder / "odd names.csv", good, header="the time (s),V^2,a" + "b" * 80, **csv)
    np.savetxt(folder / "comma.csv", good, delimiter=";", header="t;V;e", comments="")
    text = (folder / "comma.csv").read_text().replace(".", ",")
    (folder / "comma.csv").write_text(text)
    good[3, 1] = np.nan
    np.savetxt(folder / "nan.csv", good, header="t,V,e", **csv)
    np.save(folder / "long.npy", np.column_stack([np.linspace(0, 10, 20_000)] * 2))
    for name, content in {
        "empty.csv": b"", "binary.csv": bytes(range(256)) * 40, "words.csv": b"a,b\nc,d\n",
        "one.csv": b"t,V\n1,2\n", "ragged.csv": b"t,V\n1\n2,3,4\n", "broken.json": b'{"a": [1,',
        "broken.nlsq": b'{"nlsq session": 1, "content": {"da', "broken.yaml": b"data: [",
        "good.py": b"def f(x, a, b):\n    return a * x + b\n", "broken.py": b"def f(x:\n",
        "same.csv": b"t,V\n1,2\n1,2\n1,2\n1,2\n", "huge.csv": b"t,V\n1e308,-1e308\n2,1e-308\n3,4\n",
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
    write_session(folder / "good.nlsq", SessionState(
        {"data": {"input_file": str(folder / "peak.csv")}, "model": {"name": "gaussian"}}
    ))  # fmt: skip
    (folder / "good.yaml").write_text(
        f"data: {{input_file: '{folder / 'peak.csv'}'}}\nmodel: {{formula: a*t + b}}\n"
    )
    return [*folder.iterdir(), folder, folder / "none.csv"]


def resident() -> float:
    """Megabytes that this process has in memory."""
    gc.collect()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # what is free goes back
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


class Storm:
    """Acts at random on one window.

    Attributes
    ----------
    faults : list of str
        Exceptions and what Qt said, with the actions before.
    frozen : list of (float, float, str)
        Moments longer than `LIMIT`: seconds of work, seconds by the clock, and what was done.
    memory : list of float
        Megabytes, after each tenth of the actions.
    """

    def __init__(self, seed: int, folder: Path):
        self.rng = random.Random(seed)
        self.files = written(folder)
        self.folder = folder
        self.faults: list[str] = []
        self.frozen: list[tuple[float, float, str]] = []
        self.memory: list[float] = []
        self.log: list[str] = []
        self.longest = 0.0
        self._running = 0
        app = AppState()
        app.own_folder = folder / "code"
        self.window = MainWindow(app, Preferences(folder / "window.json"))
        self._closer = QTimer(self.window, interval=100)
        self._closer.timeout.connect(self._close_what_opened)

    # ------------------------------------------------------------------------------ what is kept

    @property
    def growth(self) -> float:
        """Megabytes that were kept after the first tenth of the actions."""
        return self.memory[-1] - self.memory[1]

    def _fault(self, what: str) -> None:
        self.faults.append(f"{what}\n  after: " + "; ".join(self.log[-4:]))

    def _raised(self, kind, error, trace) -> None:
        self._fault("".join(traceback.format_exception(kind, error, trace)[-6:]))

    def _said(self, kind, context, text: str) -> None:
        if not text.startswith(_UNABLE):
            self._fault(f"Qt: {text}")

    def _close_what_opened(self) -> None:
        for opened in (QApplication.activeModalWidget(), QApplication.activePopupWidget()):
            if opened is not None:
                opened.close()

    def now(self, act: Callable, *given) -> None:
        """One thing that a person does, and what the window makes of it; its time is taken."""
        begun, worked = time.perf_counter(), time.thread_time()
        try:
            act(*given)
        except Exception:  # a slot's, called from Python
            self._fault(traceback.format_exc(limit=-6))
        QApplication.processEvents()
        took, worked = time.perf_counter() - begun, time.thread_time() - worked
        self.longest = max(self.longest, took)
        if took > LIMIT:
            self.frozen.append((worked, took, self.log[-1]))

    # ------------------------------------------------------------------------------- what is done

    def run(self, count: int) -> None:
        """Act so often."""
        hook, handler = sys.excepthook, qInstallMessageHandler(self._said)
        sys.excepthook = self._raised
        ask = {which: getattr(QFileDialog, which) for which in ("getOpenFileName",
               "getOpenFileNames", "getSaveFileName", "getExistingDirectory")}  # fmt: skip
        where, _ = os.getcwd(), os.chdir(self.folder)
        self._answer()
        self.window.show()
        self._closer.start()
        try:
            for k in range(count):
                self._act()
                if count < 10 or k % (count // 10) == 0:
                    self.memory.append(resident())
            self.log.append("end")
            self.window.app.stop()
            self.now(self.window.close)
            self.memory.append(resident())
        finally:
            os.chdir(where)
            sys.excepthook = hook
            qInstallMessageHandler(handler)
            for which, function in ask.items():
                setattr(QFileDialog, which, function)

    def warm(self) -> None:
        """Load what fits load, once: libraries and their memory are not the window's."""
        app = self.window.app
        for fitting in ({}, {"preset": "fast"}, {"method": "cmaes"}, {"loss": "huber"}):
            app.put("", {"data": {"input_file": str(self.folder / "peak.csv")},
                         "model": {"name": "gaussian"}, "fitting": fitting})  # fmt: skip
            app.fit()
            while app.running:
                QTest.qWait(5)
        app.put("", {})

    def _answer(self) -> None:
        """Dialogs for files are answered."""
        pick = self.rng.choice

        def save(*_):
            suffix = pick([".json", ".csv", ".nlsq", ".yaml", ".html", ".tex", "", ".pqr"])
            return pick(["", str(self.folder / f"out{suffix}"), "/proc/none/x"]), ""

        QFileDialog.getOpenFileName = lambda *_: (pick(["", *map(str, self.files)]), "")
        QFileDialog.getOpenFileNames = lambda *_: ([str(pick(self.files))], "")
        QFileDialog.getSaveFileName = save
        QFileDialog.getExistingDirectory = lambda *_: pick(["", str(self.folder)])

    def _act(self) -> None:
        kinds = {self.touch: 60, self.press: 12, self.open: 5, self.drop: 2, self.turn: 8,
                 self.resize: 3, self.split: 2, self.fit: 6, self.paint: 2}  # fmt: skip
        self.rng.choices(list(kinds), list(kinds.values()))[0]()
        self.window.setVisible(True)  # it may have been closed
        self._running = self._running + 1 if self.window.app.running else 0
        if self._running > 60:
            self.log.append("stop")
            self.now(self.window.app.stop)
            QTest.qWait(20)

    def open(self) -> None:
        path = self.rng.choice(self.files)
        self.log.append(f"open {path.name}")
        self.now(self.window.open, path)

    def drop(self) -> None:
        data = QMimeData()
        path = self.rng.choice(self.files)
        if self.rng.random() < 0.8:
            data.setUrls([QUrl.fromLocalFile(str(path))])
        data.setText(self.rng.choice(TEXTS))
        event = QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, LEFT, NONE)
        self.log.append(f"drop {path.name}")
        self.now(self.window.dropEvent, event)

    def turn(self) -> None:
        page = self.rng.choice(PAGES)
        self.log.append(f"page {page}")
        self.now(self.window.navigate_to, page)

    def paint(self) -> None:
        theme = self.rng.choice(THEMES)
        self.log.append(f"theme {theme}")
        self.now(self.window.set_theme, theme)

    def resize(self) -> None:
        size = QSize(self.rng.randint(300, 2500), self.rng.randint(200, 1500))
        self.log.append(f"resize {size.width()}x{size.height()}")
        self.now(self.window.resize, size)

    def split(self) -> None:
        bars = [b for b in self.window.findChildren(QSplitterHandle) if b.isVisible()]
        bar, by = self.rng.choice(bars), self.rng.randint(-400, 400)
        self.log.append(f"split {by}")
        self._drag(bar, bar.rect().center(), bar.rect().center() + QPoint(by, by))

    def fit(self) -> None:
        self.log.append("fit")
        app = self.window.app
        self.now(app.stop if app.running else app.fit)
        until = time.perf_counter() + self.rng.random() * 0.2
        while app.running and time.perf_counter() < until:
            self.now(QTest.qWait, 2)

    def press(self) -> None:
        at = self.window.focusWidget() or self.window
        key, held = self.rng.choice([(key, NONE) for key in KEYS] + list(HELD) * 2)
        self.log.append(f"press {key.name} in {at.objectName()}")
        self.now(QTest.keyClick, at, key, held)

    def touch(self) -> None:
        """Do what a control is for, or what it is not for."""
        seen = [c for c in controls(self.window) if not isinstance(c, QWidget) or c.isVisible()]
        control = self.rng.choice(seen)
        self.log.append(f"touch {type(control).__name__} {control.objectName()}")
        if isinstance(control, QAction):
            self.now(control.trigger)
        elif not isinstance(control, QWidget):
            self._drag_handle(control)
        elif control.isEnabled():
            for kind, act in (
                (pg.PlotWidget, self._plot), (QComboBox, self._box), (QLineEdit, self._type),
                (QSlider, self._slide), (QAbstractItemView, self._cells),
                (QPlainTextEdit, self._type), (QTextEdit, self._click), (QTabWidget, self._tab),
                (QWidget, self._click),
            ):  # fmt: skip
                if isinstance(control, kind):
                    act(control)
                    break

    def _place(self, widget: QWidget) -> QPoint:
        return QPoint(
            self.rng.randrange(max(widget.width(), 1)), self.rng.randrange(max(widget.height(), 1))
        )

    def _click(self, widget: QWidget) -> None:
        port = widget.viewport() if hasattr(widget, "viewport") else widget
        button = self.rng.choice([LEFT] * 5 + [Qt.MouseButton.RightButton])
        kind = self.rng.choice([QTest.mouseClick] * 4 + [QTest.mouseDClick])
        at = port.rect().center() if port is widget else self._place(port)
        self.now(kind, port, button, NONE, at)

    def _tab(self, tabs: QTabWidget) -> None:
        bar = tabs.tabBar()
        at = bar.tabRect(self.rng.randrange(bar.count())).center()
        self.now(QTest.mouseClick, bar, LEFT, NONE, at)

    def _type(self, field: QWidget) -> None:
        text, end = self.rng.choice(TEXTS), self.rng.choice([*KEYS[:4], None, KEY.Key_Return])
        self.log[-1] += f" {text[:30]!r}"
        field.setFocus()
        if self.rng.random() < 0.8:
            self.now(QTest.keyClick, field, KEY.Key_A, CTRL)
        for letter in text[:60]:  # all of it would take a person minutes
            if not isValid(field):
                break
            plain = letter.isascii() and letter.isprintable()
            if letter == "\n":
                self.now(QTest.keyClick, field, KEY.Key_Return)
            elif plain:
                self.now(QTest.keyClick, field, letter)
            elif hasattr(field, "insert"):
                self.now(field.insert, letter)
        if end is not None and isValid(field):  # the cell of a table that another key ended
            self.now(QTest.keyClick, field, end)

    def _box(self, box: QComboBox) -> None:
        box.setFocus()
        if box.isEditable() and self.rng.random() < 0.5:
            self._type(box.lineEdit())
        elif box.count():
            index = box.model().index(self.rng.randrange(box.count()), 0)
            self.log[-1] += f" {index.data()!r}"
            self.now(box.showPopup)
            view = box.view()
            view.setCurrentIndex(index)
            self.now(QTest.keyClick, view, self.rng.choice([KEY.Key_Return, KEY.Key_Escape]))

    def _slide(self, slider: QSlider) -> None:
        if self.rng.random() < 0.5:
            slider.setFocus()
            self.now(QTest.keyClick, slider, self.rng.choice(KEYS[4:12]))
        else:
            self._drag(slider, self._place(slider), self._place(slider))

    def _cells(self, view: QAbstractItemView) -> None:
        self.now(QTest.mouseClick, view.viewport(), LEFT, NONE, self._place(view.viewport()))
        if self.rng.random() < 0.5:
            self.now(QTest.keyClick, view, self.rng.choice(KEYS))
        if self.rng.random() < 0.5:
            self.now(QTest.keyClick, view, KEY.Key_F2)
            if isinstance(editor := view.viewport().focusWidget(), QLineEdit):
                self._type(editor)

    def _drag(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        kinds = QEvent.Type
        self.now(mouse, widget, kinds.MouseButtonPress, QPointF(start))
        for part in (0.3, 0.7, 1.0):
            self.now(mouse, widget, kinds.MouseMove, QPointF(start + (end - start) * part))
        self.now(
            mouse, widget, kinds.MouseButtonRelease, QPointF(end), LEFT, Qt.MouseButton.NoButton
        )

    def _plot(self, view: pg.PlotWidget) -> None:
        port, what = view.viewport(), self.rng.random()
        if what < 0.4:
            self._drag(port, self._place(port), self._place(port))
        elif what < 0.7:
            at = QPointF(self._place(port))
            by = QPoint(0, self.rng.choice([-120, 120, 1200, -1200]))
            phase = Qt.ScrollPhase.NoScrollPhase
            there = QPointF(port.mapToGlobal(at.toPoint()))
            wheel = QWheelEvent(
                at, there, QPoint(), by, Qt.MouseButton.NoButton, NONE, phase, False
            )
            self.now(QApplication.sendEvent, port, wheel)
        else:
            self._click(view)

    def _drag_handle(self, item: pg.GraphicsObject) -> None:
        view = item.scene().views()[0]
        start = view.mapFromScene(item.mapToScene(QPointF(0, 0)))
        self._drag(view.viewport(), start, self._place(view.viewport()))


def told(storm: Storm) -> str:
    """What came of it, in words."""
    own = [moment for moment in storm.frozen if moment[0] > LIMIT]
    lines = [
        f"{len(storm.log)} actions, {len(storm.faults)} faults; {len(storm.frozen)} moments beyond "
        f"{LIMIT:g} s (the longest {storm.longest:.2f} s), {len(own)} of them by work of the "
        f"window's; {storm.growth:.0f} MB more than after a tenth ({storm.memory[-1]:.0f} MB)"
    ]
    lines += [f"FAULT {fault}" for fault in dict.fromkeys(storm.faults)]
    lines += [
        f"  {w:.2f} s of work, {t:.2f} s: {what}" for w, t, what in sorted(storm.frozen)[:-8:-1]
    ]
    return "\n".join(lines)


def main(count: int, seed: int) -> None:
    """Print what came of so many actions; end with 1 where something went wrong."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("NLSQ_BACKEND", "numpy")  # programs that are kept are not the window's
    import h5py  # noqa: F401
    import jax  # noqa: F401
    import pyarrow  # noqa: F401
    import scipy.optimize  # noqa: F401

    application = QApplication.instance() or QApplication([])
    application.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {name: folder for name in ("XDG_DATA_HOME", "XDG_STATE_HOME")}
        storm = Storm(seed, Path(folder))
        storm.warm()
        warnings.simplefilter("error")
        storm.run(count)
    print(f"seed {seed}: {told(storm)}", flush=True)
    os._exit(bool(storm.faults) or storm.growth > MOST)  # fits may be left to end by themselves


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
