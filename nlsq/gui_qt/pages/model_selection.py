"""Choose a model from the catalogue or write a formula; set where the fit begins."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.model_adapter import catalogue
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.parameter_table import ParameterTable
from nlsq.gui_qt.widgets.problem_label import ProblemLabel
from nlsq.session.words import read_model

_NAME = Qt.ItemDataRole.UserRole


class ModelSelectionPage(QWidget):
    """The page 'model'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.search = QLineEdit(self)
        self.search.setObjectName("search models")
        self.search.setAccessibleName("Search the catalogue")
        self.search.setPlaceholderText("Search: gaussian, decay, dose, …")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._fill)
        self.list = QListWidget(self)
        self.list.setObjectName("models")
        self.list.setAccessibleName("Catalogue of models")
        self.list.itemClicked.connect(self._choose)
        self.list.itemActivated.connect(self._choose)
        self.text = QLineEdit(self)
        self.text.setObjectName("model text")
        self.text.setAccessibleName("Model")
        self.text.setPlaceholderText("a*exp(-x/tau) + c, or gaussian + linear")
        self.text.editingFinished.connect(self._typed)
        self.formula = QLabel(self)
        self.formula.setObjectName("model formula")
        self.formula.setWordWrap(True)
        self.formula.setTextFormat(Qt.TextFormat.PlainText)
        self.parameters = ParameterTable(app, self)
        self.guess = QPushButton("&Guess the start from the data", self)
        self.guess.setObjectName("guess start")
        self.guess.setToolTip("Take back the starts that were typed; the model looks for its own.")
        self.guess.clicked.connect(lambda: app.edit("fitting.p0", None))
        layout = QVBoxLayout(self)
        for widget, share in ((self.search, 0), (self.list, 3), (self.text, 0), (self.formula, 0)):
            layout.addWidget(widget, share)
        layout.addWidget(ProblemLabel(app, "model", self))
        layout.addWidget(self.parameters, 2)
        layout.addWidget(self.guess)
        app.model_changed.connect(self.refresh)
        self._fill("")
        self.refresh()

    def refresh(self) -> None:
        """Show the model that is chosen."""
        get = self._app.state.get
        self.text.setText(get("model.formula") or get("model.name") or "")
        model = self._app.model
        function = getattr(model, "function", None)
        formula = getattr(function, "formula", None) or ""
        self.formula.setText(formula if get("model.name") else "")
        self.guess.setEnabled(model is not None)

    def _fill(self, words: str) -> None:
        self.list.clear()
        for row in catalogue(words):
            item = QListWidgetItem(f"{row.title}  ({row.name})")
            item.setData(_NAME, row.name)
            item.setToolTip(f"{row.category}\n{row.formula}".strip())
            self.list.addItem(item)

    def _choose(self, item: QListWidgetItem) -> None:
        self._take(item.data(_NAME))

    def _typed(self) -> None:
        self._take(self.text.text().strip())

    def _take(self, text: str) -> None:
        wanted = read_model(text) if text else None
        if wanted == self._app.state.get("model"):
            return
        self._app.history.beginMacro("choose the model")
        for key in ("p0", "bounds", "fixed"):  # which are of other parameters
            self._app.edit(f"fitting.{key}", None)
        self._app.edit("model", wanted)
        self._app.history.endMacro()
