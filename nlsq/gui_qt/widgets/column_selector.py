"""Which columns are x, y and the errors of y."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QFormLayout, QWidget

from nlsq.gui_qt.app_state import AppState

_ROLES = {
    "x": ("x", "The independent variable"),
    "y": ("y", "What is fitted"),
    "sigma": ("Error of y", "One standard deviation of y, or none"),
}
NONE = "(none)"


class ColumnSelectorWidget(QWidget):
    """One choice for each role; an expression of columns may be typed, such as log(A)."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.boxes: dict[str, QComboBox] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for role, (title, tip) in _ROLES.items():
            box = QComboBox(self)
            box.setObjectName(f"column {role}")
            box.setAccessibleName(f"Column of {title}")
            box.setToolTip(f"{tip}. An expression of columns may be typed too.")
            box.setEditable(True)
            box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            box.activated.connect(lambda _, role=role: self._choose(role))
            box.lineEdit().editingFinished.connect(lambda role=role: self._choose(role))
            self.boxes[role] = box
            layout.addRow(title, box)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Offer the columns of the table, and show those that are chosen."""
        table = self._app.table
        names = [] if table is None else list(table.names)
        for position, (role, box) in enumerate(self.boxes.items()):
            default = NONE if role == "sigma" else "".join(names[position : position + 1])
            chosen = self._app.state.get(f"data.columns.{role}", default)
            box.blockSignals(True)
            box.clear()
            box.addItems(([NONE] if role == "sigma" else []) + names)
            box.setCurrentText(str(chosen))
            box.setEnabled(table is not None)
            box.blockSignals(False)

    def _choose(self, role: str) -> None:
        if self._app.table is None:
            return
        text = self.boxes[role].currentText().strip()
        self._app.edit(f"data.columns.{role}", None if text in ("", NONE) else text)
