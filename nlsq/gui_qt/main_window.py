"""The window: pages on the left, the data with the fit and its residuals always on the right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QPalette,
)
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFocusFrame,
    QHBoxLayout,
    QListWidget,
    QMainWindow,
    QMenu,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.config_adapter import is_session
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.pages.data_loading import DataLoadingPage
from nlsq.gui_qt.pages.export import ExportPage
from nlsq.gui_qt.pages.fitting_options import FittingOptionsPage
from nlsq.gui_qt.pages.model_selection import ModelSelectionPage
from nlsq.gui_qt.pages.results import ResultsPage
from nlsq.gui_qt.plots.base_plot import BasePlotWidget
from nlsq.gui_qt.plots.fit_plot import FitPlotWidget
from nlsq.gui_qt.plots.residuals_plot import ResidualsPlotWidget
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import PAGES, THEMES
from nlsq.gui_qt.theme import ThemeConfig, ThemeManager
from nlsq.gui_qt.widgets.building import filled, split
from nlsq.gui_qt.widgets.fit_history import colour_of
from nlsq.gui_qt.widgets.mask_bar import MaskBar
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.notice_bar import NoticeBar
from nlsq.gui_qt.widgets.session_menu import SessionMenu
from nlsq.session.examining import band, standard_residuals
from nlsq.session.remembering import curve, drawn
from nlsq.session.showing import legend
from nlsq.session.starting import summits
from nlsq.utils.atomic import kept

_PAGES = (DataLoadingPage, ModelSelectionPage, FittingOptionsPage, ResultsPage, ExportPage)
_NOTHING = np.empty(0)


class MainWindow(QMainWindow):
    """The window over a session.

    Attributes
    ----------
    pages : dict of str to QWidget
        By the names of `PAGES`.
    plot, residuals : the two plots
    themes : ThemeManager
    """

    MIN_WIDTH, MIN_HEIGHT = 1000, 600

    def __init__(self, app: AppState, preferences: Preferences | None = None):
        super().__init__()
        self.app = app
        self.preferences = preferences or Preferences()
        self.setWindowTitle("nlsq")
        self.setMinimumSize(self.MIN_WIDTH, self.MIN_HEIGHT)
        self.resize(1280, 760)
        self.setAcceptDrops(True)
        tip = "The pages, in the order of the work; arrow keys turn them."
        self.sidebar = named(QListWidget(self), "pages", "Pages", tip)
        self.sidebar.addItems([name.capitalize() for name in PAGES])
        self.sidebar.setFixedWidth(120)
        self.sidebar.setSpacing(3)
        self.stack = QStackedWidget(self)
        self.pages = {name: page(app, self) for name, page in zip(PAGES, _PAGES, strict=True)}
        for page in self.pages.values():
            self.stack.addWidget(page)
        self.plot, self.residuals = FitPlotWidget(self), ResidualsPlotWidget(self)
        self.residuals.setXLink(self.plot)
        for plot in (self.plot, self.residuals):
            plot.plotItem.getAxis("left").setWidth(62)  # so that one x stands above the other
        self.masks = MaskBar(app, self.plot, self)
        parts = {self.masks: 30, self.plot: 500, self.residuals: 200}
        plots = split(Qt.Orientation.Vertical, parts, self)
        sides = split(Qt.Orientation.Horizontal, {self.stack: 520, plots: 640}, self)
        whole = QWidget(self)
        self.notice = NoticeBar("notice", self)
        below = filled(QHBoxLayout(), self.sidebar, sides)
        filled(QVBoxLayout(whole), self.notice, (below, 1))
        self.setCentralWidget(whole)
        self.sidebar.currentRowChanged.connect(self._turn)
        self.focus = QFocusFrame(self)  # the style shows it on few of our controls
        for frame in (*self.findChildren(QSplitter), *self.findChildren(QStackedWidget)):
            frame.setContentsMargins(0, 2, 0, 2)  # room for it
        QApplication.instance().focusChanged.connect(self._frame)
        self.themes = ThemeManager(self)
        self.themes.changed.connect(self.pages["results"].set_theme)
        self.themes.changed.connect(self._paint)
        self._menus()
        self._connect()
        self.themes.set_theme(app.state.theme)
        self.navigate_to(app.state.page)
        self.draw()

    def _connect(self) -> None:
        app = self.app
        app.data_changed.connect(self.draw)
        app.data_changed.connect(self._remember)
        app.start_changed.connect(self.draw_start)
        app.result_changed.connect(self.draw_fit)
        app.view_changed.connect(self.draw_fit)
        self.plot.clicked.connect(self.pages["model"].clicked)
        self.plot.dragged.connect(self.pages["model"].drag)
        self.pages["model"].adding.connect(self._aim)
        app.fit_done.connect(self._show_result)
        app.fits_changed.connect(self.draw_others)

    def navigate_to(self, page: str) -> None:
        """Show a page of `PAGES`."""
        self.sidebar.setCurrentRow(PAGES.index(page))

    def draw(self) -> None:
        """Draw data, start, fit and residuals as they are now."""
        points, rows = self.app.points, self.app.rows
        flat = points is not None and points.x.ndim == 1
        nothing = (_NOTHING, _NOTHING)
        self.plot.set_data(*((points.x, points.y, points.sigma) if flat else nothing))
        self.plot.set_rows(*((*nothing, np.empty(0, bool)) if rows is None else rows[:3]))
        if flat:
            self.plot.set_labels(points.x_label, points.y_label)
        self.draw_fit()
        self.draw_others()

    def draw_others(self) -> None:
        """Draw the curves of earlier fits of these data that are to be seen."""
        shown = drawn(self.app.state.fits, self.app.state.content)
        self.plot.set_others([(legend(fit), colour_of(fit), *curve(fit)) for fit in shown])

    def draw_fit(self) -> None:
        """Draw the fit and its residuals; without one, those of the start."""
        app, points = self.app, self.app.points
        flat = points is not None and points.x.ndim == 1
        found, draws = app.document and app.document.get("curve"), app.state.draws
        if found and flat:
            bands = {
                kind: band(app.document, app.result, kind, app.state.level)
                for kind in self.plot.bands if kind in draws
            }  # fmt: skip
            self.plot.set_fit(np.asarray(found["x"], float), np.asarray(found["y"], float), bands)
        else:
            self.plot.set_fit(_NOTHING, _NOTHING)
        known = app.result is not None and flat and "xdata" in app.result
        residuals = app.result.residuals if known else _NOTHING
        if known and residuals.shape == points.y.shape:
            standard = "standardised" in draws and app.result.get("sigma") is not None
            x, y, label = points.x, residuals, "residual of the fit"
            if standard:
                x, y, label = standard_residuals(app.result)
            self.residuals.set_labels(points.x_label, label)
            self.residuals.set_residuals(x, np.asarray(y, float))
            self.residuals.set_standard(standard)
        elif app.result is None:
            self.draw_start()

    def draw_start(self) -> None:
        """Draw the curve of the start, and the residuals from it: it moved after the last fit."""
        x, y, at, residuals = self.app.start_curves()
        self.plot.set_start(x, y)
        self.plot.set_handles(summits(self.app.model, self.app.start.p0) if x.size else [])
        if self.app.is_unmoved:  # the code of a file told its start after the fit, or an undo
            self.draw_fit()
        elif residuals.size:
            self.residuals.set_labels(self.app.points.x_label, "residual of the start")
            self.residuals.set_residuals(at, residuals, of_start=True)
        else:
            self.residuals.set_residuals(_NOTHING, _NOTHING)

    def _aim(self, adding: bool) -> None:
        shape = Qt.CursorShape.CrossCursor if adding else Qt.CursorShape.ArrowCursor
        self.plot.setCursor(shape)

    def _show_result(self) -> None:
        if self.app.result is not None and self.app.groups is None:
            self.navigate_to("results")

    def _turn(self, row: int) -> None:
        self.stack.setCurrentIndex(row)
        self.app.state.page = PAGES[row]

    def _frame(self, _: QWidget | None, now: QWidget | None) -> None:
        if now is not None and isinstance(now.parentWidget(), QComboBox):
            now = now.parentWidget()  # whose field it is
        self.focus.setWidget(now if now is not None and self.isAncestorOf(now) else None)
        around = now
        while around is not None and (around := around.parentWidget()) is not None:
            if isinstance(around, QScrollArea):  # which follows keys only inside of it
                around.ensureWidgetVisible(now)

    def _paint(self, theme: ThemeConfig) -> None:
        palette = QApplication.palette()
        palette.setColor(QPalette.ColorRole.WindowText, palette.highlight().color())
        self.focus.setPalette(palette)
        for plot in self.findChildren(BasePlotWidget):
            plot.set_theme(theme)

    def _menus(self) -> None:
        self.session = SessionMenu(self.app, self.notice, self.preferences, self)
        self.session.wanted.connect(lambda name: self.open(Path(name)))
        self.session.opened.connect(lambda: self.navigate_to(self.app.state.page))
        self.session.named.connect(self._entitle)
        self.app.history.cleanChanged.connect(self._mark)
        self.menuBar().addMenu(self.session)
        edit, view = (self.menuBar().addMenu(title) for title in ("&Edit", "&View"))
        self._entry(edit, self.app.history.createUndoAction(self, "&Undo"), "undo",
                    "Take the last change back.", QKeySequence.StandardKey.Undo)  # fmt: skip
        redo = self._entry(edit, self.app.history.createRedoAction(self, "&Redo"), "redo",
                           "Make the change again.")  # fmt: skip
        redo.setShortcuts([QKeySequence("Ctrl+Y"), QKeySequence("Ctrl+Shift+Z")])  # on all desktops
        paste = self._entry(edit, QAction("&Paste data", self), "paste data",
                            "A copied table of a spreadsheet, or a copied file, becomes the data.",
                            QKeySequence.StandardKey.Paste)  # fmt: skip
        paste.triggered.connect(self.paste)
        all_ = self._entry(view, QAction("Show &all points", self), "show all",
                           "Undo all moving and zooming of the plots.", "Ctrl+0")  # fmt: skip
        all_.triggered.connect(self.plot.show_all)
        all_.triggered.connect(self.residuals.show_all)
        view.addSeparator()
        group = QActionGroup(self)
        for name, tip in zip(THEMES, ("As the desktop has them.", "Dark on light.",
                                      "Light on dark."), strict=True):  # fmt: skip
            action = QAction(f"Colours: &{name}", self, checkable=True)
            action.setChecked(name == self.app.state.theme)
            action.triggered.connect(lambda _, name=name: self.set_theme(name))
            group.addAction(action)
            self._entry(view, action, f"colours {name}", tip)

    def _entry(self, menu: QMenu, action: QAction, name: str, tip: str, keys="") -> QAction:
        action.setObjectName(name)
        action.setToolTip(tip)
        action.setShortcut(keys)
        menu.setToolTipsVisible(True)
        menu.addAction(action)
        return action

    def _mark(self, saved: bool) -> None:
        self.setWindowModified(self.session.path is not None and not saved)

    def _entitle(self, name: str) -> None:
        self.setWindowTitle(f"{name}[*] – nlsq" if name else "nlsq[*]")

    def set_theme(self, name: str) -> None:
        """'system', 'light' or 'dark'."""
        self.app.state.theme = name
        self.themes.set_theme(name)

    # -- files and tables that come from elsewhere -----------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasText():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self._take(event.mimeData())

    def paste(self) -> None:
        """Open what the clipboard holds: a table as text, or a file."""
        self._take(QGuiApplication.clipboard().mimeData() or QMimeData())

    def _take(self, found: QMimeData) -> None:
        files = [url.toLocalFile() for url in found.urls() if url.isLocalFile()]
        said = ""
        if files:
            self.open(Path(files[0]))
            if len(files) > 1:
                said = f"{files[0]} is open, the first of {len(files)}: a fit is of one file."
        elif not any(letter.isdigit() for letter in found.text()):
            said = "⚠ There is no number in what was pasted or dropped. What is open stays open."
        else:
            try:
                self.open(kept(found.text(), self.app.own_folder, "pasted", ".txt"))
            except OSError as error:
                said = f"⚠ What was pasted cannot be kept: {error.strerror or error}. Make room."
        self.notice.say(said, {"&Close": bool} if said else {})

    def _remember(self) -> None:
        """Put the data that are open among those of late."""
        path = Path(self.app.state.get("data.input_file", "-")).absolute()
        mine = self.app.table is None or path.parent == self.app.own_folder
        if not mine and str(path) not in self.preferences.recent("data")[:1]:
            self.preferences.remember("data", str(path))

    def open(self, path: Path) -> None:
        """Open a session or a configuration, by its suffix, or else data."""
        if is_session(path):
            self.session.open(path)
        else:
            self.app.open(path)
            self.navigate_to("data")

    def closeEvent(self, event: QCloseEvent) -> None:
        self.pages["export"].wait()
        self.app.wait()
        event.accept()
